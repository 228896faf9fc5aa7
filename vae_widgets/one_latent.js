// One latent, whose posterior is exact: a Gaussian q is moved, and log p(x) = ELBO + KL is a bar of constant length.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderOneLatent({ model, el }) {
  const logLik = ui.floats(model.get("log_likelihood"));
  const [first, last] = model.get("span");
  const summits = model.get("summits");
  const [mMin, mMax] = model.get("_limits").m;
  const [sMin, sMax] = model.get("_limits").s;
  const view = ui.frame(model, el, "One latent, and a q that you move");
  const { s } = ui;

  // --- the model: on a grid so fine that sums are integrals ---

  const n = logLik.length;
  const step = (last - first) / (n - 1);
  const z = Float64Array.from({ length: n }, (_, i) => first + i * step);
  /** @param {number} m @param {number} sd */
  const logNormal = (m, sd) => engine.logNormal(z, [m], [sd * sd], 1, n);
  const logJoint = logNormal(0, 1).map((logPrior, i) => logPrior + logLik[i]);
  const logPx = engine.logMeanExp(logJoint) + Math.log(n * step);
  const logPosterior = logJoint.map((value) => value - logPx);

  /** @param {number} m @param {number} sd */
  function bound(m, sd) {
    const logQ = logNormal(m, sd);
    let [elbo, kl, rec] = [0, 0, 0];
    for (let i = 0; i < n; i++) {
      const q = Math.exp(logQ[i]) * step;
      if (q === 0) continue;
      elbo += q * (logJoint[i] - logQ[i]);
      kl += q * (logQ[i] - logPosterior[i]);
      rec += q * logLik[i];
    }
    return { log_px: logPx, elbo, kl, rec, kl_prior: engine.klNormal([m], [sd * sd]) };
  }

  // Where the bars begin, whatever q is, so that log p(x) stands still: far enough for each q that has a name here.
  const named = [[0, 1], [model.get("_defaults").m, model.get("_defaults").s], ...summits].map(([m, sd]) =>
    bound(m, sd),
  );
  const low = logPx - ui.reach(Math.max(3, ...named.map(({ kl }) => kl)));
  const high = Math.max(logPx, ...named.map(({ rec }) => rec)) + 0.02 * (logPx - low);

  // --- the picture: densities over z, and below them q's mean and width as handles ---

  const shown = ui.range(n).filter((i) => Math.abs(z[i]) <= mMax);
  /** @param {number} sd */
  const peak = (sd) => 1 / (sd * Math.sqrt(2 * Math.PI));
  const yMax =
    1.25 * Math.max(...shown.map((i) => Math.exp(logPosterior[i])), ...summits.slice(0, 1).map(([, sd]) => peak(sd)));
  const axes = ui.axes({
    width: 440,
    height: 290,
    label: "The exact posterior and q",
    x: { min: mMin, max: mMax, label: "z" },
    y: { min: -0.13 * yMax, max: yMax, ticks: [0, 1, 2, 3, 4, 5, 6, 7, 8].filter((t) => t < yMax), label: "density" },
  });
  const baseline = axes.y(0);
  const strip = axes.y(-0.065 * yMax);
  /** @param {(i: number) => number} density */
  const line = (density) =>
    ui.path(
      shown.filter((_, k) => k % Math.ceil(shown.length / 400) === 0).map((i) => [axes.x(z[i]), axes.y(density(i))]),
    );
  /** @param {(i: number) => number} density */
  const area = (density) =>
    `M${axes.x(z[shown[0]])} ${baseline}L${line(density).slice(1)}L${axes.x(z[shown.at(-1)])} ${baseline}Z`;
  /** @param {number} m @param {number} sd */
  /** @type {(m: number, sd: number) => (i: number) => number} */
  const normal = (m, sd) => (i) => peak(sd) * Math.exp(-0.5 * ((z[i] - m) / sd) ** 2);
  const q = s("path", { fill: ui.COLOURS.q, "fill-opacity": 0.15, stroke: ui.COLOURS.q, "stroke-width": 2.5 });
  const width = s("line", { stroke: ui.COLOURS.q, "stroke-width": 4, y1: strip, y2: strip });
  const mean = s("circle", { r: 7, fill: ui.COLOURS.q, stroke: "#fff", "stroke-width": 1.5, cy: strip });
  const ends = [-1, 1].map(() =>
    s("rect", { width: 9, height: 15, rx: 2, y: strip - 7.5, fill: ui.COLOURS.q, stroke: "#fff", "stroke-width": 1.5 }),
  );
  /** @param {string} colour */
  const dashed = (colour) => ({
    fill: "none",
    stroke: ui.colourOf(colour),
    "stroke-width": 1.5,
    "stroke-dasharray": "5 4",
  });
  const bestQ = s("path", { d: summits.length ? line(normal(...summits[0])) : "", ...dashed("q") });
  axes.plot.append(
    s("path", { d: area((i) => Math.exp(logPosterior[i])), fill: ui.INK, "fill-opacity": 0.3 }),
    s("path", { d: line(normal(0, 1)), ...dashed("prior") }),
    q,
    bestQ,
    s("line", { x1: axes.x(mMin), x2: axes.x(mMax), y1: baseline, y2: baseline, stroke: ui.COLOURS.muted }),
    width,
    ...ends,
    mean,
  );
  const bars = ui.bars({ count: 2, label: "log p(x), split in two" });
  const numbers = ui.numbers([
    ["log_px", "log p(x)", "truth"],
    ["elbo", "ELBO", "elbo"],
    ["kl", "KL to the posterior, KL(q‖p(z∣x))", "gap"],
    ["rec", "mean log p(x∣z) under q", "rec"],
    ["kl_prior", "KL to the prior, KL(q‖p(z))", "kl"],
  ]);
  const widths = ui.range(101).map((i) => sMin * (sMax / sMin) ** (i / 100));
  /** @param {number} i */
  const label = (i) => ["Best q", "Second summit", "Third summit"][i] ?? `Summit ${i + 1}`;
  /** @param {string} name @param {[number, number]} pair */
  const button = (name, [m, sd]) => ui.button(name, () => ui.set(model, { m, s: sd }));
  const summitButtons = summits.slice(0, 3).map((best, i) => button(label(i), best));
  const bestKey = ui.keys([["q", "the best q", true]]);
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "flex-basis: 17rem" },
        axes.svg,
        ui.keys([
          ["truth", "exact posterior p(z∣x)"],
          ["q", "your q"],
          ["prior", "prior p(z)", true],
        ]),
        bestKey,
        ui.h(
          "div",
          { style: "--vw-label: 5.2rem" },
          ui.slider(view, model, { trait: "m", name: "mean of q" }),
          ui.slider(view, model, { trait: "s", name: "width of q", label: "standard deviation of q", values: widths }),
        ),
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "flex-basis: 17rem" },
        bars.svg,
        ui.h(
          "div",
          { class: "vw-buttons" },
          button("The prior", [0, 1]),
          ui.answerButton(view, model, "the best q", [bestKey, ...summitButtons]),
          summitButtons,
        ),
        numbers.table,
      ),
    ),
  );

  // --- the pointer: whichever handle is nearest, or the mean goes where it is pressed ---

  /** @type {"s" | "m"} */
  let held;
  ui.dragSideways(
    axes.svg,
    (x, y, started) => {
      const [m, sd] = [model.get("m"), model.get("s")];
      if (started) {
        /** @param {number} value */
        const distance = (value) => Math.abs(axes.x(value) - x);
        const edge = Math.min(distance(m - sd), distance(m + sd));
        held = edge < distance(m) && edge < 24 ? "s" : "m";
      }
      const [at] = axes.at(x, y);
      /** @param {number} value */
      const round = (value) => Math.round(value * 100) / 100;
      if (held === "s") ui.set(model, { s: Math.min(sMax, Math.max(sMin, round(Math.abs(at - m)))) });
      else ui.set(model, { m: Math.min(mMax, Math.max(mMin, round(at))) });
    },
    view.signal,
  );

  function update() {
    const [m, sd] = [model.get("m"), model.get("s")];
    const found = bound(m, sd);
    numbers.show(found);
    ui.put(q, { d: area(normal(m, sd)) });
    ui.put(width, { x1: axes.x(m - sd), x2: axes.x(m + sd) });
    ui.put(mean, { cx: axes.x(m) });
    ends.forEach((end, i) => ui.put(end, { x: axes.x(m + (i ? sd : -sd)) - 4.5 }));
    const { elbo, kl, rec, kl_prior } = found;
    const f = ui.format;
    bars.show({
      low,
      high,
      mark: [logPx, `log p(x) = ${f(logPx)}`],
      rows: [
        {
          name: "log p(x) = ELBO + KL(q‖p(z∣x))",
          parts: [
            [low, elbo, "elbo", `ELBO ${f(elbo)}`],
            [elbo, logPx, "gap"],
          ],
          note: `KL ${f(kl)}`,
        },
        {
          name: "ELBO = mean log p(x∣z) − KL(q‖p(z))",
          parts: [
            [low, elbo, "rec"],
            [elbo, rec, "kl"],
          ],
          note: `KL ${f(kl_prior)}`,
        },
      ],
    });
    const words = `q with mean ${f(m)} and standard deviation ${f(sd)}: log p(x) ${f(logPx)} = ELBO ${f(elbo)} + KL ${f(kl)} nats`;
    ui.put(bestQ, { visibility: model.get("answer") ? "visible" : "hidden" });
    axes.svg.setAttribute("aria-label", `The exact posterior, with ${words}`);
    bars.svg.setAttribute("aria-label", `Bars: ${words}; ELBO = ${f(rec)} − ${f(kl_prior)}`);
    view.say(words);
  }

  view.watch(["m", "s", "answer"], update);
  return view.stop;
}

export default { render: renderOneLatent };
