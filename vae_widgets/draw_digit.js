// Draw a digit, and see what the model makes of it.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderDrawDigit({ model, el }) {
  const SAMPLES = 6;
  const parts = { dec: await ui.network(model, "decoder"), prior: await ui.mixture(model, "mixture") };
  const { prior } = parts;
  const proposals = ui.proposals(model, parts.dec);
  const cls = parts.dec.y_dim > 0; // is there a classifier?
  const dim = parts.dec.inputs;
  const digits = ui.digitsOf(model.get("digits"), model.get("raster"));
  const labels = ui.bytes(model.get("labels"));
  const view = ui.frame(model, el, "Draw a digit");

  // --- elements ---

  let drawn = ""; // the pixels that the strokes made: others come from elsewhere, and have no strokes
  const paper = ui.paper({
    onDrawn(pixels) {
      drawn = pixels;
      ui.set(model, { digit: -1, pixels });
      paper.show(image()); // also where the stroke changed none of the 784 pixels
    },
  });
  const { canvas } = paper;
  const undo = ui.button("Undo", () => paper.count() && paper.take(paper.count() - 1));
  const clear = ui.button("Clear", () => paper.take(0));
  const seen = ui.digit();
  const rebuilt = ui.digit();
  const samples = ui.range(SAMPLES).map(() => ui.digit("small"));
  const numbers = ui.numbers([
    ["rec", `reconstruction, rec, from ${SAMPLES} samples`, "rec"],
    ["kl", cls ? "KL of y and z, from the samples" : prior ? "KL(q ‖ p), from the samples" : "KL(q ‖ p), exact", "kl"],
    ["elbo", "ELBO = −(rec + KL)", "elbo"],
  ]);
  const waiting = ui.h("p", { class: "vw-note", role: "status", hidden: true });
  const codeName = ui.h("span");
  /** @param {string} colour */
  const swatch = (colour) => ui.h("span", { class: "swatch", style: `background:${ui.colourOf(colour)}` });
  const codeTitle = ui.h(
    "p",
    { class: "vw-heading vw-keys" },
    ui.h("span", {}, swatch("q"), codeName),
    ui.h("span", {}, swatch("prior"), "p(z)"),
  );
  const code = ui.h("div");
  const classes = ui.h("div");
  const bounds = ui.h("div");
  const reading = ui.h(
    "div",
    {},
    ui.h("p", { class: "vw-heading" }, "q(y|x): which digit is it?"),
    classes,
    ui.h("p", { class: "vw-heading" }, "Bound of log p(x, y), in nats under the best y"),
    bounds,
  );
  const sampled = ui.h(
    "div",
    { class: "vw-column" },
    ui.h("p", { class: "vw-heading" }, `${SAMPLES} draws ${cls ? "of y and z" : "of z"} from q, decoded`),
    ui.h("div", { class: "vw-samples" }, samples),
    ui.h(
      "div",
      {},
      ui.button("New samples", () => ui.set(model, ui.nextSeed(model))),
    ),
  );

  view.body.append(
    ui.digitChoice(view, model, digits, {
      labels,
      legend: "Draw with mouse, pen or finger; or choose a test digit, also by keyboard",
    }),
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h("div", { class: "vw-column" }, canvas, ui.h("div", { class: "vw-buttons" }, undo, clear)),
      ui.h(
        "div",
        { class: "vw-grow vw-column" },
        ui.h(
          "div",
          { class: "vw-row" },
          ui.captioned(seen, "what the model sees"),
          ui.captioned(rebuilt, "rebuilt from q’s mean"),
        ),
        waiting,
        numbers.table,
        ui.h(
          "p",
          { class: "vw-heading" },
          "As in MNIST, a drawing is scaled to 20 × 20 pixels and centred by its mass. " +
            "A pixel is on where ink covers half of it or more.",
        ),
      ),
    ),
    ui.h(
      "div",
      { class: "vw-row" },
      cls &&
        ui.h(
          "div",
          { class: "vw-grow vw-column" },
          ui.h("div", {}, ui.answerButton(view, model, "which digit it reads", [reading])),
          reading,
        ),
      ui.h("div", { class: "vw-grow" }, codeTitle, code, cls && sampled),
      !cls && ui.h("div", { class: "vw-grow" }, sampled),
    ),
  );

  // --- what the model makes of it ---

  /** @param {number[] | Float64Array} values */
  const mean = (values) => {
    let sum = 0;
    for (const value of values) sum += value;
    return sum / values.length;
  };

  function image() {
    const { pixels, digit } = { pixels: model.get("pixels"), digit: model.get("digit") };
    return (pixels ? ui.imageOf(pixels) : digits[digit]) ?? new Float32Array(784);
  }

  // The prior's mean and variance along each latent.
  function priorMoments() {
    if (!prior) return { m: new Float32Array(dim), v: new Float32Array(dim).fill(1) };
    /** @param {(at: number) => number} term */
    const average = (term) =>
      Float32Array.from({ length: dim }, (_, i) => mean(ui.range(prior.k).map((j) => term(j * dim + i))));
    const m = average((at) => prior.m[at]);
    return { m, v: average((at) => prior.v[at] + prior.m[at] ** 2).map((square, i) => square - m[i] ** 2) };
  }

  const p = priorMoments();

  // How far an axis of z reaches both ways: as far as the test digits need, and further only where a drawing does, so that
  // the prior stands still. `deviations` beyond the mean are to be seen.
  /** @param {Moments[]} all @param {number} deviations */
  const reach = (all, deviations) =>
    Math.max(...all.map(({ m, v }) => Math.max(...m.map((mean, i) => Math.abs(mean) + deviations * Math.sqrt(v[i])))));
  /** @param {Moments} q @param {number} deviations */
  const extentFor = (q, deviations) =>
    Math.max(Math.ceil(Math.max(3.5, reach(proposals, deviations))), Math.ceil(reach([q], deviations)));

  // q(z|x) of two latents: its ellipses on the plane, and the samples.
  /** @param {Proposal} what @param {Float32Array} z */
  function drawPlane({ m, v }, z) {
    const extent = extentFor({ m, v }, 2);
    /** @param {string} label */
    const axis = (label) => ({ min: -extent, max: extent, ticks: 4, label });
    const axes = ui.axes({ width: 300, height: 290, left: 42, x: axis("z₁"), y: axis("z₂") });
    /** @param {Moments} of @param {number} n @param {string} colour @param {number} opacity */
    const ellipse = (of, n, colour, opacity) =>
      ui.s("ellipse", {
        cx: axes.x(of.m[0]),
        cy: axes.y(of.m[1]),
        stroke: colour,
        "stroke-width": 2,
        fill: colour,
        "fill-opacity": opacity,
        rx: axes.x(n * Math.sqrt(of.v[0])) - axes.x(0),
        ry: axes.y(0) - axes.y(n * Math.sqrt(of.v[1])),
      });
    axes.plot.append(
      ...[1, 2].map((n) => ellipse(p, n, ui.COLOURS.prior, 0)),
      ...[1, 2].map((n) => ellipse({ m, v }, n, ui.COLOURS.q, 0.25)),
      ...ui
        .range(SAMPLES)
        .map((i) => ui.s("circle", { cx: axes.x(z[2 * i]), cy: axes.y(z[2 * i + 1]), r: 2.5, fill: ui.INK })),
    );
    return axes.svg;
  }

  // q(z|x) of many: mean ± sd of each latent, over the prior's.
  /** @param {Proposal} what */
  function drawBars({ m, v }) {
    const extent = extentFor({ m, v }, 1);
    const axes = ui.axes({
      width: 360,
      height: 200,
      left: 42,
      y: { min: -extent, max: extent, ticks: 4, label: "z" },
      x: { min: 0.25, max: dim + 0.75, ticks: dim > 12 ? 6 : ui.range(dim).map((i) => i + 1), label: "latent" },
    });
    const step = axes.x(2) - axes.x(1);
    const width = Math.min(10, 0.6 * step);
    /** @param {Moments} of @param {number} i @param {number} wide @param {Attributes} attributes */
    const bar = (of, i, wide, attributes) => {
      const [from, to] = [1, -1].map((n) => axes.y(of.m[i] + n * Math.sqrt(of.v[i])));
      return ui.s("rect", {
        x: axes.x(i + 1) - wide / 2,
        width: wide,
        y: from,
        height: Math.max(1, to - from),
        ...attributes,
      });
    };
    axes.plot.append(
      ...ui.range(dim).map((i) => bar(p, i, step, { fill: ui.COLOURS.prior, opacity: 0.3 })),
      ...ui.range(dim).map((i) => bar({ m, v }, i, width, { fill: ui.COLOURS.q })),
      ...ui.range(dim).map((i) => bar({ m, v: new Float32Array(dim) }, i, width, { fill: ui.INK })),
    );
    return axes.svg;
  }

  /** @param {number[]} probabilities */
  function drawClasses(probabilities) {
    const axes = ui.axes({
      width: 360,
      height: 200,
      left: 42,
      x: { min: -0.6, max: probabilities.length - 0.4, ticks: probabilities.map((_, y) => y), label: "y" },
      y: { min: 0, max: 1, ticks: 2 },
    });
    const width = axes.x(0.7) - axes.x(0);
    axes.plot.append(
      ...probabilities.map((p, y) =>
        ui.s("rect", {
          x: axes.x(y) - width / 2,
          width,
          y: axes.y(p),
          height: axes.y(0) - axes.y(p),
          fill: ui.COLOURS.q,
          "data-probability": p,
        }),
      ),
    );
    return axes.svg;
  }

  // The bound of log p(x, y) for each class, from samples of z: bars hang from the best.
  /** @param {number[]} bound */
  function drawBounds(bound) {
    const best = Math.max(...bound);
    const depth = ui.reach(best - Math.min(...bound)); // in steps, so that the axis stays while a digit is drawn
    const axes = ui.axes({
      width: 360,
      height: 170,
      left: 42,
      x: { min: -0.6, max: bound.length - 0.4, ticks: bound.map((_, y) => y), label: "y" },
      y: { min: -depth, max: 0, ticks: 3 },
    });
    const width = axes.x(0.7) - axes.x(0);
    axes.plot.append(
      ...bound.map((value, y) =>
        ui.s("rect", {
          x: axes.x(y) - width / 2,
          width,
          y: axes.y(0),
          height: Math.max(1, axes.y(value - best) - axes.y(0)),
          fill: ui.COLOURS.elbo,
          "data-bound": value,
        }),
      ),
    );
    axes.svg.setAttribute("aria-label", `The bound is highest for ${bound.indexOf(best)}`);
    return axes.svg;
  }

  // What a drawing needs besides: encoder and classifier.
  /** @type {Promise<unknown>} */
  let encoders; // promise of { enc, cls }, once they are asked for
  /** @type {Models | null} */
  let whole = null; // parts and encoders, once they are there

  function fetchEncoders() {
    encoders ??= Promise.all([ui.network(model, "encoder"), ui.network(model, "classifier")]).then(
      ([enc, cls]) => (whole = { ...parts, enc, cls }),
      (error) => {
        encoders = undefined; // the next drawing tries again
        throw error;
      },
    );
    return encoders;
  }

  /** @type {() => Promise<void>} */
  async function update() {
    if (model.get("digit") >= 0 || model.get("pixels") !== drawn) {
      paper.forget();
      drawn = "";
    }
    const chosen = model.get("pixels") ? undefined : proposals[model.get("digit")];
    const busy = !chosen && !whole;
    waiting.hidden = !busy;
    view.root.setAttribute("aria-busy", String(busy));
    paper.show(image());
    ui.paint(seen, image());
    if (busy) {
      waiting.textContent = "The encoder is being loaded, which reads drawings.";
      try {
        await fetchEncoders();
      } catch (error) {
        waiting.textContent = `The encoder could not be loaded (${engine.reason(error)}): test digits alone can be shown.`;
        view.root.setAttribute("aria-busy", "false");
        return;
      }
      return view.signal.aborted ? undefined : update();
    }
    const x = image();
    const known = chosen ?? engine.proposal(whole, x);
    const probabilities = cls && Array.from(known.log_q, Math.exp);
    const likely = cls && probabilities.indexOf(Math.max(...probabilities));
    const q = cls ? engine.proposal(parts, x, { known, y: likely }) : known;
    const { z, y, rec, kl } = engine.logWeights(parts, x, SAMPLES, engine.normals(model.get("seed")), { known });
    const shown = { rec: mean(rec), kl: prior || cls ? mean(kl) : engine.klNormal(q.m, q.v), elbo: NaN };
    shown.elbo = -(shown.rec + shown.kl);

    ui.paint(rebuilt, engine.sigmoid(engine.forward(parts.dec, q.m, 1, cls && [likely])));
    const ink = engine.sigmoid(engine.forward(parts.dec, z, SAMPLES, y));
    samples.forEach((picture, i) => {
      ui.paint(picture, ink.subarray(784 * i, 784 * (i + 1)));
      picture.setAttribute("aria-label", `Sample ${i + 1}, decoded`);
    });
    numbers.show(shown);
    // Not `disabled`: whoever has just pressed one with a key would lose their place.
    for (const button of [undo, clear]) button.setAttribute("aria-disabled", String(paper.count() === 0));
    const told = cls && model.get("answer");
    codeName.textContent = `q(z|x${told ? `, y = ${likely}` : cls ? ", y" : ""}), ${dim === 2 ? "1 and 2 s.d., samples" : "mean ± s.d."}`;
    const picture = dim === 2 ? drawPlane(q, z) : drawBars(q);
    code.replaceChildren(picture);
    picture.setAttribute(
      "aria-label",
      `q(z|x): ${ui
        .range(Math.min(dim, 10))
        .map((i) => `z${ui.subscript(i + 1)} ${ui.format(q.m[i])} ± ${ui.format(Math.sqrt(q.v[i]))}`)
        .join(", ")}`,
    );
    if (cls) {
      const bars = drawClasses(probabilities);
      bars.setAttribute("aria-label", `q(y|x): ${likely} with probability ${ui.format(probabilities[likely])}`);
      classes.replaceChildren(bars);
      bounds.replaceChildren(
        drawBounds(
          probabilities.map((_, y) => {
            const under = engine.logWeights(parts, x, SAMPLES, engine.normals(model.get("seed")), { known, y });
            return -(mean(under.rec) + mean(under.kl));
          }),
        ),
      );
    }

    const digit = model.get("digit");
    const what =
      digit >= 0 ? `Test digit ${digit + 1}, a ${labels[digit]}` : x.some(Boolean) ? "Your digit" : "An empty image";
    canvas.setAttribute(
      "aria-label",
      paper.count()
        ? `Your drawing, ${paper.count()} ${paper.count() === 1 ? "stroke" : "strokes"}`
        : "An empty canvas to draw on",
    );
    seen.setAttribute("aria-label", `What the model sees: ${what}, ${x.reduce((sum, on) => sum + on, 0)} pixels on`);
    rebuilt.setAttribute("aria-label", "What the mean of q(z|x) decodes to");
    view.say(
      `${what}${told ? `, read as ${likely}` : ""}: rec ${ui.format(shown.rec)}, KL ${ui.format(shown.kl)}, ELBO ${ui.format(shown.elbo)} nats`,
    );
  }

  ui.digitOrDrawing(view, model);
  const observer = new ResizeObserver(() => paper.show(image()));
  observer.observe(canvas);
  view.signal.addEventListener("abort", () => observer.disconnect());
  if (model.get("pixels") || model.get("digit") < 0) await fetchEncoders().catch(() => {}); // update() says why
  ui.onceSeen(view, () => fetchEncoders().catch(() => {}));
  view.watch(["digit", "pixels", "seed", "answer"], update);
  return view.stop;
}

export default { render: ui.adoptable(renderDrawDigit, ui.adoptedParts) };
