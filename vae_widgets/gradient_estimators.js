// Two estimates of the same gradient from the same draws: how far each is off, by the number of draws.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderGradientEstimators({ model, el }) {
  const SAMPLES = model.get("samples");
  const COUNT = SAMPLES.at(-1);
  const SPAN = 200; // of the error's axis, whatever is shown: it is linear within 0.1, logarithmic beyond
  /** @param {number} error */
  const bend = (error) => Math.asinh(error / 0.1);
  const TICKS = [-100, -10, -1, 0, 1, 10, 100];
  // f, its derivative, and d/dm E[f] for z ~ N(m, v).
  /** @type {Record<string, { name: string, f: Scalar, slope: Scalar, exact: (m: number, v: number) => number }>} */
  const FUNCTIONS = {
    square: { name: "z²", f: (z) => z * z, slope: (z) => 2 * z, exact: (m) => 2 * m },
    shifted: { name: "z² + 10", f: (z) => z * z + 10, slope: (z) => 2 * z, exact: (m) => 2 * m },
    step: {
      name: "1 if z > 1, else 0",
      f: (z) => +(z > 1),
      slope: () => 0,
      exact: (m, v) => Math.exp(engine.logNormal([1], [m], [v], 1)[0]),
    },
  };
  /** @type {["score" | "path", string, string][]} */
  const LINES = [
    ["score", "score function", ui.COLOURS.one],
    ["path", "reparameterised", ui.COLOURS.other],
  ];
  const view = ui.frame(model, el, "Two estimates of a gradient");

  const place = ui.h("div"); // of the picture
  const note = ui.h("p", { class: "vw-heading" });
  /** @param {string} key */
  const cell = (key) => ui.h("td", {}, ui.output({ "data-key": key }));
  const sds = [ui.h("th", { scope: "col" }, "s.d. of one"), ui.h("td"), cell("path_sd"), cell("score_sd")];
  /** @param {string} colour */
  const swatch = (colour) => ui.h("span", { class: "swatch", style: `background:${colour}` });
  const table = ui.h(
    "table",
    { class: "vw-numbers" },
    ui.h(
      "thead",
      {},
      ui.h("tr", {}, ui.h("th", { scope: "col" }, "gradient"), ui.h("th", { scope: "col" }, "mean of n"), sds[0]),
    ),
    ui.h(
      "tbody",
      {},
      ui.h("tr", {}, ui.h("th", { scope: "row" }, "exact"), cell("exact"), sds[1]),
      [...LINES]
        .reverse()
        .map(([key, label, colour], i) =>
          ui.h(
            "tr",
            {},
            ui.h("th", { scope: "row", style: "white-space: nowrap" }, swatch(colour), label),
            cell(`${key}_mean`),
            sds[2 + i],
          ),
        ),
    ),
  );
  const ratio = ui.numbers([["ratio", "score-function draws worth one of the other"]], { digits: 1, unit: "" });
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h("div", { class: "vw-grow", style: "flex-basis: 20rem" }, place, note, table, ratio.table),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 5.6rem" },
        ui.radio(view, model, {
          trait: "f",
          legend: "f(z), whose mean is to grow",
          options: model.get("functions").map((key) => [key, FUNCTIONS[key].name]),
        }),
        ui.slider(view, model, { trait: "m", name: "mean m" }),
        ui.slider(view, model, { trait: "v", name: "variance v" }),
        ui.slider(view, model, { trait: "n", name: "draws n", values: SAMPLES, show: (n) => n.toLocaleString("en") }),
        ui.checkbox(view, model, { trait: "baseline", label: "baseline: take the mean of f from f" }),
        ui.h(
          "div",
          { class: "vw-buttons" },
          ui.answerButton(view, model, "how far one draw is off", [...sds, ratio.table]),
          ui.button("Draw new ε", () => ui.set(model, { seed: (model.get("seed") % 1e6) + 1 })),
        ),
      ),
    ),
  );

  /** @type {number} */
  let seed;
  /** @type {Float64Array} */
  let noise; // changes with the seed and with nothing else
  function epsilon() {
    if (seed !== model.get("seed")) {
      seed = model.get("seed");
      noise = engine.normals(seed).fill(new Float64Array(COUNT));
    }
    return noise;
  }

  // Each estimate's mean over the first 1, 2, … draws, and the standard deviation of one draw.
  function measure() {
    const [m, v] = [model.get("m"), model.get("v")];
    const { f, slope } = FUNCTIONS[model.get("f")];
    const deviation = Math.sqrt(v);
    const z = epsilon().map((e) => m + deviation * e);
    const value = z.map((at) => f(at));
    const baseline = model.get("baseline") ? value.reduce((sum, y) => sum + y, 0) / COUNT : 0;
    const draws = { path: z.map((at) => slope(at)), score: z.map((at, i) => ((value[i] - baseline) * (at - m)) / v) };
    return { path: summary(draws.path), score: summary(draws.score) };
  }

  /** @param {Float64Array} draw */
  function summary(draw) {
    let sum = 0;
    const means = draw.map((value, i) => {
      sum += value;
      return sum / (i + 1);
    });
    const squares = draw.reduce((total, value) => total + (value - means[COUNT - 1]) ** 2, 0);
    return { means, sd: Math.sqrt(squares / (COUNT - 1)) };
  }

  // Where the running means are drawn: each of the first, then fewer and fewer.
  const steps = [...new Set(ui.range(160).map((i) => Math.round(COUNT ** (i / 159))))];

  /** @param {ReturnType<typeof measure>} results @param {number} exact @param {number} n */
  function draw(results, exact, n) {
    const axes = ui.axes({
      x: {
        min: 1,
        max: COUNT,
        log: true,
        ticks: [1, 10, 100, 1000, COUNT],
        label: "draws n",
        format: (t) => t.toLocaleString("en"),
      },
      y: {
        min: bend(-SPAN),
        max: bend(SPAN),
        ticks: TICKS.map(bend),
        label: "estimate − exact",
        format: (value) => String(TICKS[TICKS.map(bend).indexOf(value)]).replace("-", "−"),
      },
      height: 300,
      left: 58,
      label: "Error of both estimates by the number of draws",
    });
    /** @param {number[][]} points @param {Attributes} attributes */
    const line = (points, attributes) =>
      ui.s("path", { d: ui.path(points.map(([x, y]) => [axes.x(x), axes.y(bend(y))])), ...attributes });
    axes.plot.append(
      line(
        [
          [1, 0],
          [COUNT, 0],
        ],
        { stroke: ui.INK },
      ),
    );
    for (const [key, , colour] of LINES) {
      const { means, sd } = results[key];
      /** @param {number} i */
      const error = (i) => sd / Math.sqrt(i);
      const band = [...steps.map((i) => [i, error(i)]), ...[...steps].reverse().map((i) => [i, -error(i)])];
      axes.plot.append(
        line(band, { fill: colour, "fill-opacity": 0.14 }),
        line(
          steps.map((i) => [i, means[i - 1] - exact]),
          { fill: "none", stroke: colour, "stroke-width": 2 },
        ),
      );
    }
    axes.plot.append(
      line(
        [
          [n, -SPAN],
          [n, SPAN],
        ],
        { stroke: ui.COLOURS.muted, "stroke-dasharray": "4 3" },
      ),
      ...LINES.map(([key, , colour]) =>
        ui.s("circle", { cx: axes.x(n), cy: axes.y(bend(results[key].means[n - 1] - exact)), r: 5, fill: colour }),
      ),
    );
    place.replaceChildren(axes.svg);
    return axes.svg;
  }

  function update() {
    const n = model.get("n");
    const { name, exact: gradient } = FUNCTIONS[model.get("f")];
    const exact = gradient(model.get("m"), model.get("v"));
    const results = measure();
    const svg = draw(results, exact, n);
    const shown = {
      exact,
      path_mean: results.path.means[n - 1],
      path_sd: results.path.sd,
      score_mean: results.score.means[n - 1],
      score_sd: results.score.sd,
    };
    for (const [key, value] of Object.entries(shown)) {
      /** @type {HTMLOutputElement} */
      const output = table.querySelector(`[data-key="${key}"]`);
      output.value = ui.format(value);
      output.dataset.value = String(value);
    }
    ratio.show({ ratio: shown.path_sd > 0 ? (shown.score_sd / shown.path_sd) ** 2 : NaN });
    note.textContent =
      results.path.sd === 0
        ? "This f has no slope to follow. The reparameterised estimate is always 0, and wrong."
        : "A line is what the first n draws give. Shaded is one standard error, s.d. / √n.";
    const words =
      `For f(z) = ${name}, the gradient is ${ui.format(exact)}; from ${n} draws, reparameterised ` +
      `${ui.format(shown.path_mean)}, by the score function ${ui.format(shown.score_mean)}`;
    svg.setAttribute("aria-label", `Error of both estimates by the number of draws. ${words}.`);
    view.say(words);
  }

  view.watch(["f", "m", "v", "baseline", "n", "seed"], update);
  return view.stop;
}

export default { render: renderGradientEstimators };
