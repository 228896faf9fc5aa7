// The KL to the prior estimated from S samples: a hundred estimates, and how far they spread by S.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderSampledKl({ model, el }) {
  const SIZES = model.get("sizes");
  const ESTIMATES = model.get("estimates");
  const COUNT = ESTIMATES * SIZES.at(-1); // terms, so that no two estimates share one
  const mixtures = await ui.mixture(model, "mixtures");
  const digits = ui.digitsOf(model.get("digits"), model.get("raster"));
  const labels = ui.bytes(model.get("labels"));
  /** @type {number[]} */
  const dims = model.get("z_dims");
  const codes = ui.floats(model.get("codes"));
  const starts = dims.map((_, i) => 2 * digits.length * dims.slice(0, i).reduce((sum, dim) => sum + dim, 0));
  const view = ui.frame(model, el, "The KL from samples");
  /** @param {number} n */
  const count = (n) => n.toLocaleString("en");

  const spread = ui.h("div", { class: "vw-grow" });
  const law = ui.h("div", { class: "vw-grow" });
  const numbers = ui.numbers([
    ["exact", "KL, in closed form", "truth"],
    ["all", `mean of all ${count(COUNT)} terms`],
    ["mean", `mean of the ${ESTIMATES} estimates`, "kl"],
    ["sd", "their standard deviation"],
    ["law", "σ / √S"],
  ]);
  const lawKey = ui.keys([["line", "KL ± σ / √S"]]);
  view.body.append(
    ui.radio(view, model, { trait: "prior", legend: "Prior", options: model.get("names").map((name, i) => [i, name]) }),
    ui.digitChoice(view, model, digits, { labels }),
    ui.slider(view, model, {
      trait: "samples",
      name: "S",
      label: "S, the samples that one estimate averages",
      values: SIZES,
      show: count,
    }),
    ui.h("div", { class: "vw-row" }, spread, law),
    ui.h(
      "div",
      { class: "vw-row" },
      ui.keys([
        ["kl", "an estimate; their mean"],
        ["truth", "the KL", true],
      ]),
      lawKey,
    ),
    ui.h(
      "div",
      { class: "vw-row vw-middle" },
      numbers.table,
      ui.answerButton(view, model, "how the spread falls with S", [law, lawKey, numbers.rows.law]),
      ui.button("Draw anew", () => ui.set(model, ui.nextSeed(model))),
    ),
  );

  // --- the terms log q(z|x) − log p(z), z ~ q ---

  let drawnFor = ""; // which prior, digit and seed
  /** @type {Float64Array} */
  let terms;
  /** @type {number} */
  let exact; // NaN for a mixture
  /** @type {{ mean: number, sd: number }} */
  let all; // their mean, and their standard deviation σ

  /** @param {number} prior @param {number} digit @param {number} seed */
  function draw(prior, digit, seed) {
    const dim = dims[prior];
    const at = starts[prior] + digit * dim;
    const [m, v] = [at, at + digits.length * dim].map((from) => codes.subarray(from, from + dim));
    const scale = v.map(Math.sqrt);
    const z = engine
      .normals(seed)
      .fill(new Float32Array(COUNT * dim))
      .map((e, i) => m[i % dim] + scale[i % dim] * e);
    const mixture = mixtures[prior];
    const log_p = mixture
      ? engine.logMixture(z, mixture, COUNT)
      : engine.logNormal(z, new Float32Array(dim), new Float32Array(dim).fill(1), dim, COUNT);
    terms = engine.logNormal(z, m, v, dim, COUNT).map((log_q, i) => log_q - log_p[i]);
    exact = mixture ? NaN : engine.klNormal(m, v);
    all = summary(terms);
  }

  /** @param {Float64Array | number[]} values */
  function summary(values) {
    const all = Array.from(values),
      mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    return { mean, sd: Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (all.length - 1)) };
  }

  // Each estimate is the mean of S terms of its own.
  /** @param {number} size */
  const estimatesOf = (size) => ui.range(ESTIMATES).map((i) => summary(terms.subarray(i * size, (i + 1) * size)).mean);

  // --- drawing ---

  // The axes of a prior and a digit are those of the first draws: they stay as they are when S changes, or the draws do.
  /** @type {Map<string, { truth: number, sd: number }>} */
  const scales = new Map();
  /** @param {number} prior @param {number} digit @param {number} truth */
  function scaleOf(prior, digit, truth) {
    const key = `${prior} ${digit}`;
    if (!scales.has(key)) scales.set(key, { truth, sd: all.sd });
    return scales.get(key);
  }

  // The estimates side by side along the axis in nats.
  /**
   * @param {number} size
   * @param {number[]} estimates
   * @param {number} mean
   * @param {number} truth
   * @param {{ truth: number, sd: number }} scale
   */
  function drawSpread(size, estimates, mean, truth, scale) {
    const reach = 3.5 * scale.sd;
    const x = { min: scale.truth - reach, max: scale.truth + reach, ticks: 6, label: "estimate (nats)" };
    const axes = ui.axes({ width: 360, height: 250, left: 14, x, y: { min: 0, max: 1, ticks: [] } });
    const [low, high] = [-1, 1].map((sign) => axes.x(truth + (sign * all.sd) / Math.sqrt(size)));
    /** @param {number} value @param {string} stroke @param {Attributes} more */
    const upright = (value, stroke, more) =>
      ui.s("line", { x1: axes.x(value), x2: axes.x(value), y1: axes.box.top, y2: axes.box.bottom, stroke, ...more });
    axes.plot.append(
      ...(model.get("answer")
        ? [
            ui.s("rect", {
              x: low,
              width: high - low,
              y: axes.box.top,
              height: axes.box.bottom - axes.box.top,
              fill: ui.COLOURS.line,
              opacity: 0.5,
            }),
          ]
        : []),
      ...estimates.map((value, i) =>
        ui.s("circle", {
          // heights that fill the band evenly in any order
          cx: axes.x(value),
          cy: axes.y(0.06 + 0.88 * ((i * 0.618034) % 1)),
          r: 3.5,
          fill: ui.COLOURS.kl,
          opacity: 0.6,
        }),
      ),
      upright(mean, ui.COLOURS.kl, { "stroke-width": 3 }),
      upright(truth, ui.INK, { "stroke-width": 1.5, "stroke-dasharray": "6 4" }),
    );
    spread.replaceChildren(axes.svg);
    return axes.svg;
  }

  // The spread by S, measured and by the law.
  /** @param {number} size @param {{ truth: number, sd: number }} scale */
  function drawLaw(size, scale) {
    const sigma = all.sd;
    const last = SIZES.at(-1);
    const y = {
      min: (0.6 * scale.sd) / Math.sqrt(last),
      max: 1.7 * scale.sd,
      log: true,
      label: "standard deviation (nats)",
    };
    const ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10].filter((t) => y.min < t && t < y.max);
    const axes = ui.axes({
      width: 360,
      height: 250,
      left: 58,
      x: { min: 0.8, max: 1.25 * last, log: true, ticks: SIZES, label: "S" },
      y: { ...y, ticks },
    });
    /** @param {number} s @param {number} sd */
    const place = (s, sd) => [axes.x(s), axes.y(sd)];
    axes.plot.append(
      ui.s("path", {
        d: ui.path([place(1, sigma), place(last, sigma / Math.sqrt(last))]),
        stroke: ui.COLOURS.muted,
        "stroke-width": 1.5,
      }),
      ...SIZES.map((s) => {
        const [cx, cy] = place(s, summary(estimatesOf(s)).sd);
        return ui.s("circle", {
          cx,
          cy,
          r: s === size ? 7 : 4,
          fill: ui.COLOURS.kl,
          stroke: s === size && ui.INK,
          "stroke-width": 2,
        });
      }),
    );
    axes.svg.setAttribute(
      "aria-label",
      `The standard deviation of an estimate falls from ${ui.format(sigma)} nats at S = 1 as one over the root of S.`,
    );
    law.replaceChildren(axes.svg);
  }

  function update() {
    const [prior, digit, size, seed] = ["prior", "digit", "samples", "seed"].map((trait) => model.get(trait));
    if (drawnFor !== `${prior} ${digit} ${seed}`) draw(prior, digit, seed);
    drawnFor = `${prior} ${digit} ${seed}`;
    const truth = mixtures[prior] ? all.mean : exact;
    const estimates = estimatesOf(size);
    const { mean, sd } = summary(estimates);
    const scale = scaleOf(prior, digit, truth);
    const svg = drawSpread(size, estimates, mean, truth, scale);
    drawLaw(size, scale);
    numbers.show({ exact, all: all.mean, mean, sd, law: all.sd / Math.sqrt(size) });
    const words =
      `S = ${size}: ${ESTIMATES} estimates with mean ${ui.format(mean)} and standard deviation ${ui.format(sd)} nats; ` +
      (mixtures[prior]
        ? `the mean of all ${count(COUNT)} terms is ${ui.format(all.mean)}`
        : `the KL is ${ui.format(exact)}`);
    svg.setAttribute(
      "aria-label",
      `Estimates of the KL for test digit ${digit + 1}, a ${labels[digit]}, under ${model.get("names")[prior]}. ${words}.`,
    );
    view.say(words);
  }

  view.watch(["prior", "digit", "samples", "seed", "answer"], update);
  return view.stop;
}

export default { render: ui.following(renderSampledKl) };
