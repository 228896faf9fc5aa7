// A VAE that learns while you watch: the plane of its codes, what each z draws, its bound and the exact log p(x).

import { count, curves, nelboOf, truthOf } from "./train_vae_chart.js";
import * as engine from "./engine.js";
import { myModel } from "./train_vae_model.js";
import { setPieces } from "./train_vae_pieces.js";
import { slowMotion } from "./train_vae_slow.js";
import * as trainer from "./trainer.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderTrainVae({ model, el }) {
  const EXTENT = 4; // of the plane of codes
  const SHEET = 3,
    SIDE = 15; // the trainer's sheet of what z draws
  const OWN = ["beta", "learning_rate", "m", "dreg", "batch"]; // settings that change without a new start
  const AT_ONCE = 50; // steps for one press, where motion is unwelcome
  const STILL = { reports: 30, nats: 0.2 }; // no better by so much for so many measurements: nothing moves any more
  const PACE = 250; // ms from a step's picture to the next step in slow mode
  const ELLIPSES = 30;
  const POINTS = 300; // of a curve: there is no room on the screen for more
  const READ = 150; // ms that a running number stands before the next
  const SPEAK = 5000; // ms between two sentences of a run
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const view = ui.frame(model, el, "A VAE that trains in the page");
  view.root.classList.add("vw-train");

  // --- the run ---

  /** @type {Training["run"]} */
  let run = null;
  /** @type {Training["data"]} */
  let data = null;
  let playing = false,
    away = false; // what the reader wants; whether the page or the widget is out of sight
  /** @type {Training["shown"]} */
  let shown = null; // the report that is drawn
  /** @type {number | null} */
  let drawing = null; // the next frame
  let ready = false; // false until the first report of a new start
  let busy = false; // a report that was asked for is under way: of the step `target`, or a later one
  let target = 0;
  const still = { best: Infinity, reports: 0 };
  /** @type {Held[]} */
  let curve = [];
  /** @type {{ curve: Held[], label: string } | null} */
  let ghost = null; // held numbers of this run, [{ steps, ... }], and the last one's
  let runs = 0,
    runLabel = "",
    note = "";
  const rate = { steps: 0, at: 0, value: NaN };
  /** @type {Training["goal"]} */
  let goal = null; // of a stage of a set piece
  /** @type {number} */
  let stopwatch;

  const settings = () => Object.fromEntries(OWN.map((trait) => [trait, model.get(trait)]));
  const start = () => (model.get("start")?.byteLength ? ui.floats(model.get("start")) : null);
  const given = Boolean(start()); // goes on from a model, whose layers stay as they are
  const begin = () => ({
    hidden: [...model.get("hidden")],
    z_dim: model.get("z_dim"),
    activation: model.get("activation"),
    seed: model.get("seed"),
    weights: start(),
  });
  /** @type {() => [number, number]} */
  const point = () => [model.get("z")[0], model.get("z")[1]];
  const isPlane = () => model.get("z_dim") === 2; // of all latents, over which log p(x) can be summed
  /** @param {number} value */
  const rateText = (value) => String(+value.toPrecision(2));
  const labelOf = () =>
    `β ${model.get("beta")} · rate ${rateText(model.get("learning_rate"))} · m ${model.get("m")}${model.get("m") > 1 && model.get("dreg") ? " dreg" : ""} · batch ${model.get("batch")} · ${model.get("hidden").join("–")} units${isPlane() ? "" : ` · ${model.get("z_dim")} latents`} · seed ${model.get("seed")}`;

  function play() {
    if (!run || playing) return;
    playing = true;
    note = "";
    Object.assign(still, { best: Infinity, reports: 0 });
    Object.assign(rate, { steps: shown?.steps ?? 0, at: performance.now(), value: NaN });
    go();
  }

  // What is wanted and may be is done.
  function go() {
    clearTimeout(stopwatch);
    if (away) run.pause();
    else if (model.get("slow")) {
      run.pause();
      stepSoon();
    } else {
      run.play();
    }
    showState();
  }

  // Slowly: a step is asked for when the one before it has been drawn for a while.
  function stepSoon() {
    clearTimeout(stopwatch);
    stopwatch = setTimeout(() => run.step(), PACE);
  }

  function pause(why = "") {
    if (!run) return;
    [playing, note] = [false, why];
    clearTimeout(stopwatch);
    run.pause();
    showState();
  }

  // `many` steps and one report of them.
  function step(many = 1) {
    if (!run || !ready) return;
    if (playing) pause();
    note = "";
    target = shown.steps + many;
    setBusy(true);
    for (let i = 0; i < many; i++) run.step();
  }

  // Anew, with what stands in the settings; what was there becomes the ghost.
  function restart() {
    if (!run) return;
    pause();
    if (curve.length > 1) ghost = { curve, label: runLabel };
    drawn.forget();
    runs += 1;
    [curve, ready, runLabel, target] = [[], false, labelOf(), 0];
    applied = snapshot();
    setBusy(true);
    mine.begin();
    run.set(settings());
    run.restart(begin());
  }

  // The weights for Python, and for other widgets of the page.
  async function keep() {
    const steps = shown?.steps ?? 0,
      trained = { hidden: [...model.get("hidden")], z_dim: model.get("z_dim") };
    const weights = await run.weights();
    if (!view.signal.aborted && ready) ui.set(model, { weights: new DataView(weights.buffer), trained, steps });
  }

  /** @param {boolean} on */
  function setBusy(on) {
    busy = on;
    view.root.setAttribute("aria-busy", String(on));
  }

  /** @param {Report} report */
  function hear(report) {
    if (view.signal.aborted) return;
    if (!ready) {
      if (report.steps !== 0 || !report.sheet) return run.drawn(); // of the run before
      ready = true;
    }
    const sheet = report.sheet ?? shown?.sheet; // one picture of four comes with a sheet
    const held = report.held ?? shown?.held;
    shown = {
      ...report,
      sheet,
      held,
      fresh: { sheet: Boolean(report.sheet) || shown?.fresh.sheet, held: Boolean(report.held) || shown?.fresh.held },
    };
    if (report.held) {
      if (held.m !== model.get("m")) held.bound = NaN; // m has changed since
      if (curve.at(-1)?.steps === held.steps) curve.pop();
      curve.push(held);
      if (curve.length > POINTS) curve = curve.filter((_, i) => i % 2 === 0 || i === curve.length - 1);
    }
    drawing ??= requestAnimationFrame(draw);
  }

  // Better by so little for so long that nobody would see it.
  /** @param {Held} held */
  function watchStill(held) {
    const value = model.get("m") > 1 ? held.bound : held.rec + model.get("beta") * held.kl;
    if (value < still.best - STILL.nats) Object.assign(still, { best: value, reports: 0 });
    else still.reports += 1;
    if (still.reports < STILL.reports || goal) return;
    pause(
      `Stopped by itself at step ${count(shown.steps)}: the loss has not improved by ${STILL.nats} nats in the last ${STILL.reports} measurements.`,
    );
  }

  // What a set piece and slow motion ask of the run, and have done.
  /** @type {Training} */
  const training = {
    given,
    calm,
    play,
    pause,
    restart,
    follow,
    settings,
    truthName: () => truthName(),
    step: (many = AT_ONCE) => step(many),
    get run() {
      return run;
    },
    get runs() {
      return runs;
    },
    get data() {
      return data;
    },
    get byLabel() {
      return byLabel;
    },
    get shown() {
      return shown;
    },
    get ready() {
      return ready;
    },
    get busy() {
      return busy;
    },
    get playing() {
      return playing;
    },
    get goal() {
      return goal;
    },
    set goal(next) {
      goal = next;
    },
  };

  // --- elements ---

  const picture = ui.digit();
  const steps = ui.output({ "data-key": "steps" });
  const pace = ui.output({ "data-key": "pace", class: "vw-status" });
  const status = ui.h("p", { class: "vw-heading vw-train-note", role: "status" });
  /** @param {string} label @param {() => unknown} act @param {string} [look] */
  const byHand = (label, act, look) =>
    ui.button(
      label,
      () => {
        pieces.cancel();
        act();
      },
      look,
    );
  const playButton = byHand(
    calm ? `Train ${AT_ONCE} steps` : "Play",
    () => (calm ? step(AT_ONCE) : playing ? pause() : play()),
    "primary",
  );
  const stepButton = byHand("One step", () => step());
  const againButton = byHand("Start again", restart);
  const seedButton = byHand("New seed", () => ui.set(model, ui.nextSeed(model)));
  const numbers = ui.numbers([
    ["nelbo", "−ELBO", "elbo"],
    ["rec", "= rec, −log p(x|z)", "rec"],
    ["kl", "+ KL", "kl"],
    ["exact", "exact −log p(x)", "truth"],
    ["estimate", "−log p(x), estimated", "iwae"],
    ["gap", "gap between them", "gap"],
    ["bound", "−IWAE bound, m", "iwae"],
    ["loss", "loss: rec + β KL"],
  ]);
  /** @type {(key: string) => HTMLElement} */
  const rowOf = (key) => numbers.table.querySelector(`[data-key=${key}]`).closest("tr");
  const drawn = curves();
  /** @param {[number, number]} z */
  const moveTo = (z) => ui.set(model, { z: z.map((value) => Math.round(value * 100) / 100) });
  const common = { onDrag: moveTo, signal: view.signal };
  const plane = ui.plane({ ...common, extent: EXTENT, draw: drawCodes, label: "The codes of test digits" });
  const sheet = ui.plane({ ...common, extent: SHEET, draw: drawSheet, label: "What each z draws" });
  const classes = ui.h(
    "p",
    { class: "vw-heading vw-keys vw-train-classes" },
    ui.CLASSES.map((colour, label) =>
      ui.h("span", {}, ui.h("span", { class: "swatch turned", style: `--colour:${colour}` }), String(label)),
    ),
  );
  const failed = ui.h(
    "div",
    { class: "vw-train-failed", hidden: true },
    ui.h("p", { class: "vw-note" }),
    ui.button("Try again", fetchData),
  );
  const waiting = ui.h("p", { class: "vw-heading" }, "The training digits, 0.95 MB, are being loaded.");
  /** @param {Parameters<typeof ui.slider>[2]} options */
  const slider = (options) => ui.slider(view, model, options);
  const words = {
    codes: ui.h("p", { class: "vw-heading" }),
    sheet: ui.h("p", { class: "vw-heading" }),
    method: ui.h("p", { class: "vw-heading" }),
    keys: ui.h("div"),
    now: ui.h("p"),
    last: ui.h("p"),
  };
  const axisSliders = [0, 1].map((index) => slider({ trait: "z", index, name: `z${ui.subscript(index + 1)}` }));
  const nats = ui.h("div", { class: "vw-train-nats" });
  const LATENTS = [2, 5, 10, 20, 50];
  const UNITS = [2, 4, 8, 16, 32, 64, 128, 300];
  const RATES = [1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.3, 1];
  const mine = myModel(model, training);
  const pieces = setPieces(view, model, training);
  const motion = slowMotion(view, model, training, () => plane.redraw());

  view.body.append(
    ui.h(
      "div",
      { class: "vw-row vw-middle" },
      ui.h("div", { class: "vw-buttons" }, playButton, stepButton, againButton, seedButton),
      !calm && ui.checkbox(view, model, { trait: "slow", label: "slow" }),
      ui.h("span", { class: "vw-train-steps" }, "step ", steps, " ", pace),
    ),
    pieces.part,
    status,
    waiting,
    failed,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h("div", { class: "vw-grow" }, plane.canvas, words.codes, classes),
      ui.h(
        "div",
        { class: "vw-grow" },
        sheet.canvas,
        words.sheet,
        ui.h("div", { class: "vw-train-z" }, picture, ui.h("div", { style: "--vw-label: 1.6rem" }, axisSliders)),
      ),
    ),
    motion.part,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-train-curves" },
        ui.h("div", { class: "vw-heading vw-train-runs" }, words.now, words.last),
        drawn.part,
        words.keys,
        nats,
      ),
      ui.h("div", { class: "vw-third vw-column" }, numbers.table, mine.part),
    ),
    ui.h(
      "div",
      { class: "vw-train-settings" },
      slider({ trait: "beta", name: "β", values: [0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 40, 100], show: String }),
      slider({ trait: "learning_rate", name: "rate", label: "learning rate", values: RATES, show: rateText }),
      slider({
        trait: "m",
        name: "m",
        label: "m, samples of z for each image",
        step: 1,
        show: String,
      }),
      slider({
        trait: "batch",
        name: "batch",
        label: "images in a batch",
        values: [16, 32, 64, 128, 256],
        show: String,
      }),
      !given &&
        ui.range(model.get("hidden").length).map((index) =>
          slider({
            trait: "hidden",
            index,
            name: "units",
            label: `units of hidden layer ${index + 1}; starts anew`,
            values: UNITS,
            show: String,
          }),
        ),
      !given &&
        slider({ trait: "z_dim", name: "latents", label: "latents; starts anew", values: LATENTS, show: String }),
      ui.checkbox(view, model, { trait: "dreg", label: "doubly reparameterised, for m > 1" }),
    ),
    words.method,
  );

  // What the latents of the plane are called, and how log p(x) is had.
  let namedFor = "";
  function nameLatents() {
    const pair = (ready && shown?.pair) || [0, 1],
      z_dim = model.get("z_dim"),
      names = pair.map((j) => `z${ui.subscript(j + 1)}`);
    if (namedFor === `${z_dim} ${pair}`) return;
    namedFor = `${z_dim} ${pair}`;
    const [those, others] = isPlane()
      ? ["", ""]
      : [
          ` in ${names.join(" and ")}, the two of ${z_dim} latents with the most KL`,
          `; the other ${z_dim - 2} latents are 0`,
        ];
    write(words.codes, `Where 1,000 test digits go${those}, thirty with their q(z|x) (1 sd); rings: the prior. Drag.`);
    write(words.sheet, `What each z draws, from −${SHEET} to ${SHEET} on both axes${others}. Drag.`);
    axisSliders.forEach((label, i) => {
      label.querySelector("span").textContent = names[i];
      label.querySelector("input").setAttribute("aria-label", names[i]);
    });
    const how = isPlane()
      ? "log p(x) by quadrature over the plane."
      : `and, since no grid fits ${z_dim} latents, an estimate in place of the exact −log p(x): the −IWAE bound with m = ${trainer.SAMPLES}, which on average is above it.`;
    write(
      words.method,
      `The numbers are means over the first 64 test digits, in nats a digit, which no step has learned from: −ELBO from 16 draws of z each, ${how} With m > 1 the loss is the −IWAE bound, in which there is no β.`,
    );
    words.keys.replaceChildren(
      ui.keys([
        ["elbo", "−ELBO"],
        ["rec", "rec; from there to −ELBO: KL"],
        isPlane() ? ["truth", "exact −log p(x)"] : ["iwae", `−log p(x), estimated, m = ${trainer.SAMPLES}`],
        ["gap", "shaded: the gap"],
        ["muted", "grey: the last run", true],
      ]),
    );
    nats.hidden = isPlane();
    if (nats.hidden) nats.replaceChildren();
  }

  // The KL of each latent: those that have collapsed have none.
  function drawNats() {
    const all = Array.from(shown.nats),
      z_dim = all.length,
      most = Math.max(...all),
      active = all.filter((value) => value > 0.01).length;
    const top = [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50].find((value) => value >= most) ?? most;
    const axes = ui.axes({
      width: 460,
      height: 150,
      label: `KL of each latent in nats: ${all.map((value) => ui.format(value)).join(", ")}`,
      x: { min: 0.4, max: z_dim + 0.6, ticks: z_dim <= 20 ? ui.range(z_dim).map((j) => j + 1) : 10, label: "latent" },
      y: { min: 0, max: top, ticks: 3, label: "KL, nats" },
    });
    axes.plot.append(
      ...all.map((value, j) =>
        ui.s("rect", {
          x: axes.x(j + 0.65),
          width: axes.x(j + 1.35) - axes.x(j + 0.65),
          y: axes.y(Math.max(0, value)),
          height: axes.box.bottom - axes.y(Math.max(0, value)),
          fill: ui.COLOURS.kl,
        }),
      ),
    );
    nats.replaceChildren(
      axes.svg,
      ui.h(
        "p",
        { class: "vw-heading" },
        "Over 1,000 test digits, ",
        ui.output({ "data-key": "active", "data-value": active }, String(active)),
        ` of ${z_dim} latents have a KL of more than 0.01 nats.`,
      ),
    );
  }

  // --- drawing: the codes, what each z draws and what has been measured, each in a frame of its own ---

  function draw() {
    const report = shown,
      { sheet, held } = report.fresh;
    const parts = [drawNow, sheet && paintSheet, held && drawMeasured].filter(Boolean);
    drawPart();

    function drawPart() {
      if (view.signal.aborted) return;
      if (shown !== report) return draw();
      const part = parts.shift(),
        now = performance.now();
      if (!parts.length) run.drawn(); // the next one may be made meanwhile
      part(now);
      drawing = parts.length ? requestAnimationFrame(drawPart) : null;
      if (!drawing) finish(now);
    }
  }

  /** @param {number} now */
  function drawNow(now) {
    showSteps(now);
    nameLatents();
    plane.redraw();
    drawZ();
  }

  /** @param {number} now */
  function drawMeasured(now) {
    drawChart();
    showNumbers(shown.held);
    if (!isPlane()) drawNats();
    if (playing && !model.get("slow")) watchStill(shown.held);
    if (playing && now - spoken < SPEAK) return;
    spoken = now;
    speak();
  }

  // What follows from a report that is drawn.
  /** @param {number} now */
  function finish(now) {
    const { fresh, finite } = shown;
    shown.fresh = {};
    if (playing && now - rate.at > 1000) {
      Object.assign(rate, {
        value: (1000 * (shown.steps - rate.steps)) / (now - rate.at),
        steps: shown.steps,
        at: now,
      });
    }
    if (!finite)
      pause("A weight is no number any more: the rate is too high for these networks. Start again with a lower one.");
    const settled = !playing && fresh.sheet && fresh.held; // the report of a pause, with all in it
    if (settled) keep();
    if (busy && (shown.steps >= target || !finite)) setBusy(false);
    if (goal && (goal.reached() || !finite)) {
      if (playing) pause();
      else if (settled) goal.done();
    } else if (goal && calm && settled && !busy) {
      goal.go();
    }
    if (playing && !away && ready && model.get("slow")) stepSoon();
    motion.update();
    showState();
  }

  // A text that changes makes the browser lay out the page.
  /** @param {Element} element @param {string} text */
  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  let written = 0,
    spoken = 0;
  /** @param {number} now */
  function showSteps(now) {
    steps.dataset.value = String(shown.steps);
    if (playing && now - written < READ) return;
    written = now;
    write(steps, count(shown.steps));
  }

  function showState() {
    for (const button of [playButton, stepButton, againButton, seedButton]) {
      if (button.getAttribute("aria-disabled") !== String(!run)) button.setAttribute("aria-disabled", String(!run));
    }
    if (!calm) write(playButton, playing ? "Pause" : "Play");
    const slow = model.get("slow");
    write(pace, playing && rate.value > 0 ? `${count(Math.round(rate.value))} a second` : slow ? "slow" : "");
    pace.dataset.value = slow ? "slow" : "full";
    const first = run && ready && shown?.steps === 0 ? "Nothing has been learned yet." : "";
    write(status, playing && away ? "Paused while out of view." : note || (playing ? "" : first));
  }

  /** @type {(context: CanvasRenderingContext2D, place: Place, scale: number) => void} */
  function drawCodes(context, place, scale) {
    const side = 2 * EXTENT * scale;
    ui.cross(context, place, EXTENT);
    ui.priorCircles(context, place, scale);
    if (shown) drawDigits(context, place, scale, side);
    ui.ring(context, ...place(...point()));
  }

  /** @type {(context: CanvasRenderingContext2D, place: Place, scale: number, side: number) => void} */
  function drawDigits(context, place, scale, side) {
    const { m, v } = shown.codes,
      size = Math.max(2.5, side / 110);
    /** @param {number} value */
    const inside = (value) => Math.min(side - size, Math.max(0, value - size / 2));
    byLabel.forEach((those, label) => {
      // a colour at a time
      context.fillStyle = ui.CLASSES[label];
      for (const i of those)
        context.fillRect(inside((m[2 * i] + EXTENT) * scale), inside((EXTENT - m[2 * i + 1]) * scale), size, size);
    });
    context.lineWidth = 1.2;
    for (let i = 0; i < Math.min(ELLIPSES, data.labels.length); i++) {
      context.strokeStyle = ui.CLASSES[data.labels[i]];
      context.beginPath();
      context.ellipse(
        ...place(m[2 * i], m[2 * i + 1]),
        scale * Math.sqrt(v[2 * i]),
        scale * Math.sqrt(v[2 * i + 1]),
        0,
        0,
        2 * Math.PI,
      );
      context.stroke();
    }
    motion.drawOn(context, place, scale);
  }

  const tiles = ui.h("canvas", { width: 28 * SIDE, height: 28 * SIDE });
  const pixels = tiles.getContext("2d").createImageData(28 * SIDE, 28 * SIDE);
  pixels.data.fill(26);

  function paintSheet() {
    for (let n = 0, p = 0; n < SIDE * SIDE; n++) {
      const corner = 28 * 28 * SIDE * Math.floor(n / SIDE) + 28 * (n % SIDE);
      for (let r = 0; r < 28; r++)
        for (let c = 0, o = corner + r * 28 * SIDE; c < 28; c++, o++) pixels.data[4 * o + 3] = shown.sheet[p++];
    }
    tiles.getContext("2d").putImageData(pixels, 0, 0);
    sheet.redraw();
  }

  /** @type {(context: CanvasRenderingContext2D, place: Place, scale: number) => void} */
  function drawSheet(context, place, scale) {
    const side = 2 * SHEET * scale;
    context.drawImage(tiles, 0, 0, side, side);
    context.lineWidth = 1;
    context.strokeStyle = ui.COLOURS.line;
    context.strokeRect(0.5, 0.5, side - 1, side - 1);
    ui.ring(context, ...place(...point()));
  }

  // What z draws: asked of the trainer, since it alone has the weights of this moment; a question at a time.
  let asking = false,
    askAgain = false;
  async function drawZ() {
    if (!ready) return;
    if (asking) {
      askAgain = true;
      return;
    }
    asking = true;
    const ink = await run.decode(Float32Array.from(point()));
    asking = false;
    if (view.signal.aborted) return;
    ui.paint(
      picture,
      Float32Array.from(ink, (grey) => grey / 255),
    );
    picture.setAttribute(
      "aria-label",
      `The digit that z = (${point()
        .map((value) => ui.format(value))
        .join(", ")}) decodes to`,
    );
    if (askAgain) {
      askAgain = false;
      drawZ();
    }
  }

  /** @param {Held} held */
  function showNumbers({ rec, kl, exact, estimate, bound }) {
    const beta = model.get("beta"),
      nelbo = rec + kl;
    numbers.show({ nelbo, rec, kl, exact, estimate, gap: nelbo - (exact ?? estimate), bound, loss: rec + beta * kl });
    rowOf("exact").hidden = exact === undefined;
    rowOf("estimate").hidden = estimate === undefined;
    rowOf("bound").hidden = model.get("m") === 1;
    rowOf("loss").hidden = beta === 1 || model.get("m") > 1;
  }

  const truthName = () => (isPlane() ? "exact −log p(x)" : "estimated −log p(x)");

  function drawChart() {
    drawn.draw(curve, ghost?.curve ?? [], isPlane());
    write(words.now, `now: ${labelOf()}`);
    write(words.last, ghost ? `last: ${ghost.label}` : "");
    const { steps: at, ...held } = curve.at(-1);
    drawn.say(
      `−ELBO and ${truthName()} over the steps; at step ${count(at)}: ${ui.format(nelboOf(held))} and ${ui.format(truthOf(held))} nats${ghost ? `; behind it the last run, ${ghost.label}` : ""}`,
    );
  }

  function speak() {
    const { rec, kl } = shown.held,
      truth = truthOf(shown.held);
    view.say(
      `Step ${count(shown.held.steps)}, ${labelOf()}: −ELBO ${ui.format(rec + kl)} = rec ${ui.format(rec)} + KL ${ui.format(kl)}, ${truthName()} ${ui.format(truth)}, gap ${ui.format(rec + kl - truth)} nats. Where z = (${point()
        .map((value) => ui.format(value))
        .join(", ")}).${note && ` ${note}`}`,
    );
  }

  // --- the data, when the widget comes into view ---

  /** @type {number[][]} */
  let byLabel; // the test digits of each class

  async function fetchData() {
    failed.hidden = true;
    waiting.hidden = false;
    setBusy(true);
    try {
      const part = await ui.follow(model, "data");
      const [images, test, labels] = ["images", "test", "labels"].map((name) => ui.bytes(part.get(name)));
      data = { images, test, labels };
      byLabel = ui.range(10).map((label) => ui.range(labels.length).filter((i) => labels[i] === label));
    } catch (error) {
      setBusy(false);
      failed.hidden = false;
      waiting.hidden = true;
      failed.firstChild.textContent = `The training digits could not be loaded (${engine.reason(error)}).`;
      return;
    }
    if (view.signal.aborted) return;
    waiting.hidden = true;
    motion.fill();
    runLabel = labelOf();
    run = trainer.start(model.get("_esm"), { images: data.images, test: data.test, ...begin() }, hear, (error) =>
      pause(`Training has failed: ${error.message}`),
    );
    data.count = data.images.length / 392;
    data.images = null; // the trainer has them
    mine.begin();
    run.set(settings());
    view.signal.addEventListener("abort", () => run.close());
    applied = snapshot();
    showState();
  }

  // --- what follows the state ---

  /** @type {() => Record<string, unknown>} */
  const snapshot = () => ({
    ...settings(),
    start: `${model.get("hidden")} ${model.get("z_dim")} ${model.get("seed")}`,
  });
  let applied = snapshot();

  function follow() {
    if (!run) return;
    const [before, now] = [applied, snapshot()];
    applied = now;
    if (now.start !== before.start) {
      if (ready || busy) restart();
      return;
    }
    const changes = OWN.filter((trait) => now[trait] !== before[trait]);
    if (!changes.length) return;
    run.set(settings());
    Object.assign(still, { best: Infinity, reports: 0 });
    if (!shown || !ready) return;
    if (shown.steps === 0) return restart(); // nothing is lost, and all numbers are of these settings
    mine.note();
    if (changes.includes("m")) shown.held = { ...shown.held, bound: NaN };
    drawChart();
    showNumbers(shown.held);
    speak();
  }

  nameLatents();
  await ui.turn(); // the page is laid out, and does what else there is
  view.watch([...OWN, "hidden", "z_dim", "seed"], follow);
  view.watch(["slow"], () => (playing ? go() : showState()));
  view.watch(["preset"], pieces.show);
  view.watch(["z"], () => {
    plane.redraw();
    sheet.redraw();
    if (!shown) return;
    drawZ();
    speak();
  });

  const look = () => {
    const before = away;
    away = document.hidden || !seen;
    if (run && away !== before && playing) {
      go();
      showState();
    }
  };
  let seen = false;
  const observer = new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen && !run && !busy && failed.hidden) fetchData();
    look();
  });
  observer.observe(view.root);
  document.addEventListener("visibilitychange", look, { signal: view.signal });
  view.signal.addEventListener("abort", () => observer.disconnect());
  view.signal.addEventListener("abort", () => clearTimeout(stopwatch));
  showState();
  view.say("A VAE that has not begun to learn. Play trains it.");
  return view.stop;
}

export default { render: renderTrainVae };
