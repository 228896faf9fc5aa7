// Set pieces of training: a question, a prediction, a run, and what came of it.

import { count, nelboOf, truthOf } from "./train_vae_chart.js";
import * as ui from "./ui.js";

// Each: what to watch, a question, its answers, the stages, and of their results which answer was right (none: -1), and
// what they show. The results of a stage: what is measured at its end, `start` at its start, `steps` and `seconds` of
// training in it, and `outside`, how many codes lie beyond the 95% circle.
/** @param {View} view @param {Model} model @param {Training} training */
export function setPieces(view, model, training) {
  const usual = { beta: 1, learning_rate: 3e-3, m: 1, dreg: false, batch: 64 };
  const wide = training.given ? {} : { hidden: model.get("hidden").map(() => 128) };
  /** @type {(steps: number, more: Record<string, unknown>, name: string) => Stage} */
  const first = (steps, more, name) => ({
    anew: true,
    steps,
    values: { ...usual, ...wide, ...more },
    name,
  });
  /** @type {(steps: number, values: Record<string, unknown>, name: string) => Stage} */
  const then = (steps, values, name) => ({ steps, values, name });
  /** @param {number} value */
  const f = (value) => ui.format(value, 1);
  // -ELBO, in nats, of a model that knows nothing of single digits: it draws the mean of the test digits for each.
  const ofMean = () => {
    const digits = ui.digitsOf(training.data.test),
      ink = ui.range(784).map((p) => digits.reduce((sum, x) => sum + x[p], 0.5) / (digits.length + 1));
    /** @param {Float32Array} x */
    const nats = (x) => ink.reduce((sum, share, p) => sum - Math.log(x[p] ? share : 1 - share), 0);
    return digits.slice(0, 64).reduce((sum, x) => sum + nats(x) / 64, 0);
  };
  /** @type {Record<string, Piece | null>} */
  const PIECES = {
    collapse: {
      name: "Posterior collapse",
      watch: "Watch the codes and their ellipses when β jumps to 40, and when it comes back to 1.",
      question: "What will the KL do?",
      answers: ["fall to 0 and stay there", "fall to 0 and come back", "fall by half, 40 is not that much"],
      stages: [first(300, {}, "β = 1"), then(400, { beta: 40 }, "β = 40"), then(500, { beta: 1 }, "β = 1 again")],
      right: ([a, b, c]) => (b.kl > a.kl / 4 ? 2 : c.kl > a.kl / 2 ? 1 : 0),
      told: ([a, b, c]) =>
        `The KL went from ${f(a.kl)} to ${ui.format(b.kl)} nats${b.kl < 0.5 ? ": at 40 nats' price for one, no code is worth it, all digits go to one place and the decoder draws their mean" : ""}. Back at β = 1 it is ${f(c.kl)}${c.kl > a.kl / 2 ? ": here collapse is the optimum of another loss, and no trap" : ""}.`,
    },
    rate: {
      name: "A useless rate",
      watch: "Watch the curves: three starts from the same seed, with three learning rates.",
      question: "Which rate is of no use in 300 steps?",
      answers: ["0.00001 alone", "0.3 alone", "both"],
      stages: [
        first(300, {}, "rate 0.003"),
        first(300, { learning_rate: 1e-5 }, "rate 0.00001"),
        first(300, { learning_rate: 0.3 }, "rate 0.3"),
      ],
      right(results) {
        const [, low, high] = results.map((end) => nelboOf(end) < ofMean());
        return low ? (high ? -1 : 1) : high ? 0 : 2;
      },
      told(results) {
        const mean = ofMean(),
          [a] = results,
          useful = results.filter((end) => nelboOf(end) < mean).map(({ name }) => name);
        const ends = results.map(
          (end) =>
            `${Number.isFinite(nelboOf(end)) ? `${f(nelboOf(end))} nats` : `no number any more at step ${count(end.steps)}`} with ${end.name}`,
        );
        return `Untrained, −ELBO is ${f(nelboOf(a.start))} nats. Then it is ${ends.slice(0, 2).join(", ")} and ${ends[2]}. A decoder that draws the mean of all digits, whatever z is, would have ${f(mean)}. Below that ${useful.length === 1 ? "is" : "are"}: ${useful.join(", ") || "none"}.`;
      },
    },
    samples: {
      name: "Eight samples, m = 8",
      watch:
        "Watch −ELBO and −log p(x): after 400 steps with m = 1 one run takes 300 with m = 8, the other goes on with m = 1, first for as many steps, then for as long.",
      question: "After the same steps, what becomes of −ELBO and of −log p(x) with m = 8 in place of 1?",
      answers: ["−ELBO worse, −log p(x) better", "both better", "both worse"],
      stages: [
        first(400, {}, "m = 1"),
        then(300, { m: 8 }, "m = 8 from there"),
        first(400, {}, "m = 1, as before"),
        then(300, {}, "m = 1 for as many steps"),
        { seconds: ([, eight, , one]) => eight.seconds - one.seconds, values: {}, name: "m = 1 for as long" },
      ],
      right([, eight, , one]) {
        const [nelbo, truth] = [nelboOf, truthOf].map((of) => of(eight) < of(one));
        return truth ? (nelbo ? 1 : 0) : nelbo ? -1 : 2;
      },
      told([, eight, , one, more]) {
        const better = truthOf(eight) < truthOf(one),
          worth = truthOf(eight) < truthOf(more);
        return (
          `Step for step: −ELBO is ${f(nelboOf(eight))} with m = 8 and ${f(nelboOf(one))} with m = 1, ${training.truthName()} ${f(truthOf(eight))} and ${f(truthOf(one))}. The model is ${better ? "better" : "no better"}, and the gap is ${f(nelboOf(eight) - truthOf(eight))} nats and not ${f(nelboOf(one) - truthOf(one))}, since q is no longer asked to be the posterior. ` +
          `Second for second: m = 8 took ${f(eight.seconds)} s for ${count(eight.steps)} steps. In ${f(one.seconds + more.seconds)} s m = 1 takes ${count(one.steps + more.steps)}, and its ${training.truthName()} is then ${f(truthOf(more))}: ${worth ? "here m = 8 was worth its time" : "m = 8 is not worth its time"}.`
        );
      },
    },
    autoencoder: {
      name: "An autoencoder, KL off",
      watch: "Watch how far the codes go beyond the prior's circles, and what log p(x) says of it.",
      question: "With β = 0, what will be better than with β = 1?",
      answers: ["rec alone", "−log p(x), too", "neither"],
      stages: [first(400, {}, "β = 1"), first(400, { beta: 0 }, "β = 0")],
      right: ([a, b]) => (b.rec > a.rec ? 2 : truthOf(b) < truthOf(a) ? 1 : 0),
      told: ([a, b]) =>
        `With β = 0 rec is ${f(b.rec)} in place of ${f(a.rec)}, for a KL of ${f(b.kl)} in place of ${f(a.kl)}, and ${training.truthName()} is ${f(truthOf(b))} in place of ${f(truthOf(a))}. Beyond the 95% circle, where the prior seldom draws from, lie ${count(b.outside)} of 1,000 codes; with β = 1 there are ${count(a.outside)}.`,
    },
    units: training.given
      ? null
      : {
          name: "Too few hidden units",
          watch: "Watch the sheet: with four hidden units there is not much that a decoder can draw.",
          question: "128 units against 4: which part of −ELBO suffers most?",
          answers: ["rec", "KL", "both alike"],
          stages: [first(400, {}, "128 units"), first(400, { hidden: model.get("hidden").map(() => 4) }, "4 units")],
          right([a, b]) {
            const [rec, kl] = [b.rec - a.rec, b.kl - a.kl];
            return rec > 1.2 * kl ? 0 : kl > 1.2 * rec ? 1 : 2;
          },
          told([a, b]) {
            /** @param {number} by */
            const change = (by) => `${f(Math.abs(by))} nats ${by > 0 ? "more" : "less"}`;
            return `From 128 units to 4, rec goes from ${f(a.rec)} to ${f(b.rec)}, ${change(b.rec - a.rec)}, and KL from ${f(a.kl)} to ${f(b.kl)}, ${change(b.kl - a.kl)}.${b.rec - a.rec > Math.abs(b.kl - a.kl) ? " It is not the latents that are short: the decoder cannot draw what they say." : ""}`;
          },
        },
  };
  const names = Object.keys(PIECES).filter((key) => PIECES[key]);
  const chooser = ui.radio(view, model, {
    trait: "preset",
    legend: "One run each",
    options: names.map((key) => [key, PIECES[key].name]),
  });
  const body = ui.h("div", { class: "vw-column" });
  const part = ui.h(
    "details",
    { class: "vw-train-more" },
    ui.h("summary", {}, "Set pieces: predict, then run"),
    ui.h("div", { class: "vw-column" }, chooser, body),
  );
  /** @type {Opened | null} */
  let open = null;

  function show() {
    const key = model.get("preset"),
      piece = PIECES[key];
    if (open?.key === key) return;
    cancel();
    open = { key, running: false };
    body.dataset.value = key;
    body.replaceChildren();
    if (!piece) return;
    part.open = true;
    const mine = open,
      group = `answer-${Math.random().toString(36).slice(2)}`;
    const outcome = ui.h("div", { class: "vw-column", role: "status" });
    const button = ui.button(
      "Run it",
      () => mine.answer !== undefined && !mine.running && perform(piece, mine, outcome, button),
      "primary",
    );
    button.setAttribute("aria-disabled", "true");
    const answers = piece.answers.map((answer, i) =>
      ui.h(
        "label",
        { class: "vw-choice" },
        ui.h("input", {
          type: "radio",
          name: group,
          ...ui.KEYS,
          onchange: () => {
            mine.answer = i;
            button.setAttribute("aria-disabled", "false");
          },
        }),
        answer,
      ),
    );
    body.append(
      ui.h("p", { class: "vw-note" }, piece.watch),
      ui.h("fieldset", { class: "vw-train-answers" }, ui.h("legend", {}, `Predict first. ${piece.question}`), answers),
      ui.h("div", { class: "vw-buttons" }, button),
      outcome,
    );
  }

  // What the reader does by hand ends it.
  function cancel() {
    if (!open?.running) return;
    open.running = false;
    training.goal?.done();
    open.stopped();
  }

  /** @param {Piece} piece @param {Opened} mine @param {HTMLElement} outcome @param {HTMLButtonElement} button */
  async function perform(piece, mine, outcome, button) {
    if (!training.run) return;
    mine.running = true;
    mine.stopped = () => {
      running.textContent = "Stopped before its end.";
      button.setAttribute("aria-disabled", "false");
    };
    button.setAttribute("aria-disabled", "true");
    /** @type {Ending[]} */
    const results = [];
    const answer = mine.answer,
      running = ui.h("p", { class: "vw-heading" });
    outcome.replaceChildren(running);
    for (const stage of piece.stages) {
      running.textContent = `Running: ${stage.name}.`;
      const found = await runStage(stage, mine, results);
      if (!found) return;
      results.push({ name: stage.name, ...found });
    }
    mine.running = false;
    button.setAttribute("aria-disabled", "false");
    button.textContent = "Run it again";
    const right = piece.right(results);
    const verdict =
      answer === right
        ? "As you predicted. "
        : `You predicted: ${piece.answers[answer]}. ${right < 0 ? "None of these came." : `It is: ${piece.answers[right]}.`} `;
    const rows = results.map(({ name, ...held }) =>
      ui.h(
        "tr",
        {},
        ui.h("th", { scope: "row" }, name),
        [nelboOf(held), held.rec, held.kl, truthOf(held)].map((value) => ui.h("td", {}, f(value))),
      ),
    );
    outcome.replaceChildren(
      ui.h(
        "table",
        { class: "vw-numbers vw-train-results" },
        ui.h(
          "thead",
          {},
          ui.h(
            "tr",
            {},
            ["", "−ELBO", "rec", "KL", training.truthName()].map((head) => ui.h("th", { scope: "col" }, head)),
          ),
        ),
        ui.h("tbody", {}, rows),
      ),
      ui.h("p", { class: "vw-note" }, ui.h("strong", {}, verdict), piece.told(results)),
    );
  }

  // To the held numbers at its end, or null if another piece has been opened, or the run started anew, meanwhile.
  /** @type {(stage: Stage, mine: Opened, before: Ending[]) => Promise<Omit<Ending, "name"> | null>} */
  async function runStage({ anew, steps, seconds, values }, mine, before) {
    ui.set(model, values);
    if (anew) {
      training.restart();
      await until(() => training.ready && !training.busy, mine);
    } else {
      training.follow();
    }
    if (!mine.running) return null;
    const start = training.shown,
      end = seconds && start.spent + 1000 * seconds(before);
    /** @type {Promise<void>} */
    const ended = new Promise((done) => {
      const go = () => (training.calm ? training.step(steps) : training.play());
      const reached = () => (steps ? training.shown.steps >= start.steps + steps : training.shown.spent >= end);
      training.goal = { reached, done, go };
      go();
    });
    await ended;
    training.goal = null;
    if (!mine.running) return null;
    const {
      held,
      codes: { m },
    } = training.shown;
    return {
      ...held,
      start: start.held,
      steps: training.shown.steps - start.steps,
      seconds: (training.shown.spent - start.spent) / 1000,
      outside: training.data.labels.filter(
        (_, i) => Math.hypot(m[2 * i], m[2 * i + 1]) > Math.sqrt(-2 * Math.log(0.05)),
      ).length,
    };
  }

  /** @param {() => boolean} test @param {Opened} mine */
  async function until(test, mine) {
    while (!test() && mine.running && !view.signal.aborted) await new Promise((done) => setTimeout(done, 30));
  }

  part.addEventListener("toggle", () => part.open && show());
  return { part, show, cancel };
}
