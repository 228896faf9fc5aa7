// The posterior is N(0, 1), q is N(0, v): two thousand draws of two gradients that have one mean, and how far each scatters.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderGradientNoise({ model, el }) {
  const COUNT = 2000; // gradients
  const SHOWN = 150; // of them, as strokes
  const [LEAST, MOST] = [0.01, 10]; // noise that the axis has room for
  const variances = model.get("variances");
  const [vMin, vMax] = [variances[0], variances.at(-1)];
  const GRID = ui.range(81).map((i) => vMin * (vMax / vMin) ** (i / 80));
  /** @type {["plain" | "dreg", string, string][]} */
  const LINES = [
    ["plain", "plain", ui.COLOURS.one],
    ["dreg", "doubly reparameterised", ui.COLOURS.other],
  ];
  const view = ui.frame(model, el, "Whose gradient is noisier?");
  const { s } = ui;

  // --- the pictures ---

  const Z = ui.range(121).map((i) => i / 15 - 4);
  const densities = ui.axes({
    height: 170,
    label: "The posterior and q",
    x: { min: -4, max: 4, label: "z" },
    y: { min: 0, max: 0.95, ticks: [0, 0.4, 0.8], label: "density" },
  });
  /** @param {number} v */
  const normal = (v) =>
    [...engine.logNormal(Float64Array.from(Z), [0], [v], 1, Z.length)].map((log, i) => [
      densities.x(Z[i]),
      densities.y(Math.exp(log)),
    ]);
  const q = s("path", { fill: ui.COLOURS.q, "fill-opacity": 0.15, stroke: ui.COLOURS.q, "stroke-width": 2.5 });
  densities.plot.append(s("path", { d: ui.path(normal(1)), fill: ui.INK, "fill-opacity": 0.3 }), q);

  const draws = ui.axes({
    height: 140,
    label: "Single gradients",
    x: { min: -5, max: 5, label: "single gradients, and two standard deviations" },
    y: { min: 0, max: 2, ticks: [] },
  });
  const rows = LINES.map(([, , colour], i) => {
    const strokes = s("path", { fill: "none", stroke: colour, "stroke-opacity": 0.5 });
    const reach = s("line", { y1: draws.y(1.12 - i), y2: draws.y(1.12 - i), stroke: colour, "stroke-width": 4 });
    draws.plot.append(strokes, reach);
    return { strokes, reach };
  });

  const curves = ui.axes({
    height: 300,
    label: "Noise by the variance of q",
    x: { min: vMin, max: vMax, log: true, ticks: [0.2, 0.5, 1, 2, 4], label: "variance of q, v" },
    y: { min: LEAST, max: MOST, log: true, ticks: [0.01, 0.1, 1, 10], label: "noise: variance of a single gradient" },
  });
  /** @param {number} v @param {number} noise */
  const place = (v, noise) => [curves.x(v), curves.y(Math.max(noise, LEAST / 2))]; // what is less is out of sight
  const now = s("line", {
    y1: curves.y(LEAST),
    y2: curves.y(MOST),
    stroke: ui.COLOURS.muted,
    "stroke-dasharray": "4 3",
  });
  const lines = LINES.map(([, , colour]) => s("path", { fill: "none", stroke: colour, "stroke-width": 2.5 }));
  const dots = LINES.map(([, , colour]) => s("circle", { r: 5, fill: colour }));
  curves.plot.append(now, ...lines, ...dots);

  const numbers = ui.numbers(
    [
      ["plain", `noise, ${LINES[0][1]}`, LINES[0][2]],
      ["dreg", `noise, ${LINES[1][1]}`, LINES[1][2]],
      ["ratio", "second over first"],
    ],
    { unit: "" },
  );
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow", style: "flex-basis: 17rem" },
        densities.svg,
        ui.keys([
          [ui.INK, "posterior"],
          ["q", "q"],
        ]),
        draws.svg,
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "flex-basis: 17rem; --vw-label: 6.5rem" },
        curves.svg,
        ui.slider(view, model, { trait: "v", name: "variance of q", values: variances }),
        ui.slider(view, model, { trait: "k", name: "weights k", values: model.get("weights"), show: String }),
        numbers.table,
      ),
    ),
  );

  // --- the gradients: of log (1/k) sum w, with respect to the mean of q ---

  const noise = engine.normals(1).fill(new Float64Array(COUNT * model.get("weights").at(-1)));

  // Of `k` weights each; their mean is 0 and their variance 1, as those of the law.
  /** @param {number} k */
  function epsilon(k) {
    const e = noise.slice(0, COUNT * k);
    const mean = e.reduce((sum, x) => sum + x, 0) / e.length;
    const sd = Math.sqrt(e.reduce((sum, x) => sum + (x - mean) ** 2, 0) / e.length);
    return e.map((x) => (x - mean) / sd);
  }

  // z = sd ε and log w = (ε² - z²) / 2, up to a constant. Along z alone the slope of log w is ε / sd - z, of both ways -z.
  /** @param {Float64Array} e @param {number} k @param {number} v */
  function gradients(e, k, v) {
    const sd = Math.sqrt(v);
    const found = { plain: new Float64Array(COUNT), dreg: new Float64Array(COUNT) };
    for (let i = 0; i < COUNT; i++) {
      let [total, plain, dreg] = [0, 0, 0];
      for (let j = i * k; j < (i + 1) * k; j++) {
        const w = Math.exp(0.5 * e[j] * e[j] * (1 - v));
        total += w;
        plain -= w * sd * e[j];
        dreg += w * w * e[j] * (1 / sd - sd);
      }
      found.plain[i] = plain / total;
      found.dreg[i] = dreg / (total * total);
    }
    return found;
  }

  /** @param {Float64Array} values */
  function variance(values) {
    const mean = values.reduce((sum, x) => sum + x, 0) / COUNT;
    return values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / COUNT;
  }

  /** @type {number} */
  let drawn; // the k that the curves are of, and its noise
  /** @type {Float64Array} */
  let e;
  /** @param {number} k */
  function redraw(k) {
    if (drawn === k) return;
    drawn = k;
    e = epsilon(k);
    const all = GRID.map((v) => gradients(e, k, v));
    LINES.forEach(([key], i) =>
      ui.put(lines[i], { d: ui.path(GRID.map((v, at) => place(v, variance(all[at][key])))) }),
    );
  }

  function update() {
    const [v, k] = [model.get("v"), model.get("k")];
    redraw(k);
    const found = gradients(e, k, v);
    const shown = { plain: variance(found.plain), dreg: variance(found.dreg) };
    ui.put(q, { d: ui.path(normal(v)) });
    ui.put(now, { x1: curves.x(v), x2: curves.x(v) });
    LINES.forEach(([key], i) => {
      const [top, bottom, sd] = [draws.y(1.85 - i), draws.y(1.25 - i), Math.sqrt(shown[key])];
      const [cx, cy] = place(v, shown[key]);
      ui.put(dots[i], { cx, cy });
      ui.put(rows[i].strokes, {
        d: [...found[key].slice(0, SHOWN)].map((g) => `M${draws.x(g).toFixed(1)} ${top}V${bottom}`).join(""),
      });
      ui.put(rows[i].reach, { x1: draws.x(-2 * sd), x2: draws.x(2 * sd) });
    });
    numbers.show({ ...shown, ratio: shown.dreg / shown.plain });
    const words =
      `q with variance ${ui.format(v)}, ${k} ${k === 1 ? "weight" : "weights"}: the plain gradient's noise is ` +
      `${ui.format(shown.plain)}, the doubly reparameterised one's ${ui.format(shown.dreg)}`;
    curves.svg.setAttribute("aria-label", `Noise of both gradients by the variance of q. ${words}.`);
    view.say(words);
  }

  view.watch(["v", "k"], update);
  return view.stop;
}

export default { render: renderGradientNoise };
