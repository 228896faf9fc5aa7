// The bound from m samples: how it rises with m, how it spreads, and which weights carry it.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderIwaeBound({ model, el }) {
  const WEIGHTS = 5000;
  const AT_ONCE = 50; // weights that are there at the first paint; a Worker draws the rest
  const SIZES = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000];
  const BINS = 40;
  const parts = { dec: await ui.network(model, "decoder"), prior: await ui.mixture(model, "mixture") };
  const proposals = ui.proposals(model, parts.dec);
  const digits = ui.digitsOf(model.get("digits"), model.get("raster"));
  const labels = ui.bytes(model.get("labels"));
  const exacts = model.get("log_px");
  const view = ui.frame(model, el, "The bound from m samples");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  /** @param {number} n */
  const count = (n) => n.toLocaleString("en");

  // --- elements ---

  const numbers = ui.numbers([
    ["bound", "bound, the mean of the groups", "iwae"],
    ["spread", "s.d. of the groups"],
    ["elbo", "ELBO, the mean of log w", "elbo"],
    exacts.length > 0 && ["exact", "log p(x), exact", "truth"],
    exacts.length > 0 && ["gap", "gap, log p(x) − bound", "gap"],
  ]);
  const few = ui.numbers(
    [
      ["groups", "groups of m weights", null, { digits: 0 }],
      ["ess", "effective size of the first m", null, { digits: 1 }],
      ["share", "as a share of m", null, { digits: 1, unit: "%" }],
    ],
    { unit: "" },
  );
  const progress = ui.h("progress", { max: WEIGHTS, "aria-label": "weights drawn" });
  const drawnText = ui.h("span", { class: "vw-status" });
  const rise = ui.h("div", { class: "vw-grow" });
  const pile = ui.h("div", { class: "vw-grow" });
  /** @param {string} colour @param {string} words */
  const key = (colour, words) =>
    ui.h(
      "span",
      { class: "vw-key" },
      ui.h("span", { class: "swatch", style: `background:${ui.colourOf(colour)}` }),
      words,
    );

  view.body.append(
    ui.digitChoice(view, model, digits, { labels }),
    ui.slider(view, model, {
      trait: "m",
      name: "m",
      label: "m, the weights that are averaged",
      values: SIZES,
      show: count,
    }),
    ui.h("div", { class: "vw-row" }, rise, pile),
    ui.h(
      "p",
      { class: "vw-heading vw-keys" },
      key("iwae", "groups of m: mean ± s.d.; outline: share of the sum of w"),
      key("muted", "the first m alone"),
      key("elbo", "log w; their mean, the ELBO"),
      exacts.length > 0 && key("truth", "exact log p(x)"),
    ),
    ui.h("div", { class: "vw-row" }, numbers.table, few.table),
    ui.h(
      "div",
      { class: "vw-row vw-middle" },
      ui.button("Draw anew", () => ui.set(model, ui.nextSeed(model))),
      progress,
      drawnText,
    ),
  );

  // --- the weights ---

  const weights = new Float64Array(WEIGHTS); // log w, of which `drawn` are there
  let drawn = 0;
  let drawnFor = ""; // which digit and seed
  /** @type {ReturnType<typeof engine.boundJob>} */
  let job;

  /** @param {number} digit @param {number} seed */
  function drawWeights(digit, seed) {
    const x = digits[digit],
      known = proposals[digit];
    weights.set(engine.logWeights(parts, x, AT_ONCE, engine.normals(seed), { known }).logW);
    drawn = AT_ONCE;
    job = engine.boundJob(
      model.get("_esm"),
      parts,
      x,
      WEIGHTS,
      seed,
      ({ logW, done }) => {
        weights.set(logW, done - logW.length);
        drawn = Math.max(drawn, done);
        if (!calm || done === WEIGHTS) drawPool();
      },
      (error) => {
        if (error) drawnText.textContent = `No more weights: ${error.message}`;
      },
      { replaces: job, known },
    );
  }

  view.signal.addEventListener("abort", () => job.cancel());

  // The weights in groups of m, as far as they are drawn: each group is one draw of the bound.
  /** @param {number} m */
  function groupsOf(m) {
    const size = Math.min(m, drawn);
    const bounds = ui
      .range(Math.floor(drawn / size))
      .map((g) => engine.logMeanExp(weights.subarray(g * size, (g + 1) * size)));
    const mean = bounds.reduce((sum, b) => sum + b, 0) / bounds.length;
    const variance = bounds.reduce((sum, b) => sum + (b - mean) ** 2, 0) / (bounds.length - 1);
    return { m: size, mean, spread: Math.sqrt(variance), groups: bounds.length };
  }

  // (sum w)^2 / sum w^2 of the first m.
  /** @param {number} m */
  function effectiveSize(m) {
    const first = weights.subarray(0, Math.min(m, drawn));
    return first.length * Math.exp(2 * engine.logMeanExp(first) - engine.logMeanExp(first.map((w) => 2 * w)));
  }

  // The bound from the first k weights alone, for k on a log scale, as [k, bound].
  function firstAlone() {
    /** @type {[number, number][]} */
    const points = [];
    let sum = -Infinity;
    for (let k = 1; k <= drawn; k++) {
      const [low, high] = [Math.min(sum, weights[k - 1]), Math.max(sum, weights[k - 1])];
      sum = high + Math.log1p(Math.exp(low - high));
      if (k < 20 || Math.floor(40 * Math.log(k)) > Math.floor(40 * Math.log(k - 1)) || k === drawn)
        points.push([k, sum - Math.log(k)]);
    }
    return points;
  }

  // --- drawing ---

  /** @type {{ left: Axes, right: Axes, marks: SVGGElement[], elbo: number, exact: number }} */
  let chart; // the axes of the pictures, and where the chosen m is marked in each

  /** @type {(x1: number, y1: number, x2: number, y2: number, colour: string, more?: Attributes) => SVGElement} */
  const line = (x1, y1, x2, y2, colour, more) =>
    ui.s("line", { x1, y1, x2, y2, stroke: ui.colourOf(colour), "stroke-width": 2, ...more });
  /** @type {(axes: Axes, value: number, colour: string, dash?: string) => SVGElement} */
  const across = ({ box, y }, value, colour, dash) =>
    line(box.left, y(value), box.right, y(value), colour, { "stroke-dasharray": dash });

  // The axis in nats is of the digit: it grows where a weight needs room, and else stays, so that log p(x) does.
  /** @type {Map<number, { min: number, max: number }>} */
  const rooms = new Map();
  /** @param {number} bottom @param {number} top */
  function roomFor(bottom, top) {
    const digit = model.get("digit"),
      { min, max } = rooms.get(digit) ?? { min: bottom, max: top };
    const above = top > max || !rooms.has(digit) ? top + 0.2 * (top - bottom) : max; // some room, for those still to come
    rooms.set(digit, { min: Math.min(min, bottom), max: above });
    return rooms.get(digit);
  }

  // Everything that changes with the weights.
  function drawPool() {
    const exact = exacts[model.get("digit")];
    const log_w = weights.subarray(0, drawn);
    const sorted = log_w.slice().sort();
    const sizes = SIZES.filter((m) => m <= drawn).map(groupsOf);
    const elbo = sizes[0].mean;
    const top = Math.max(sorted[drawn - 1], exact ?? -Infinity);
    const bottom = Math.min(elbo - sizes[0].spread / 2, sorted[Math.floor(drawn / 10)]);
    const y = { ...roomFor(bottom, top), label: "nats" };
    const frame = { width: 360, height: 280, left: 58, y };

    const left = ui.axes({
      ...frame,
      x: {
        min: 0.85,
        max: 6000,
        log: true,
        ticks: [1, 10, 100, 1000, 5000],
        format: count,
        label: "m, weights averaged",
      },
    });
    const band = sizes.filter(({ groups }) => groups > 1);
    /** @param {number} sign */
    const edge = (sign) => band.map(({ m, mean, spread }) => [left.x(m), left.y(mean + sign * spread)]);
    left.plot.append(
      ui.s("path", { d: `${ui.path([...edge(1), ...edge(-1).reverse()])}Z`, fill: ui.COLOURS.iwae, opacity: 0.3 }),
      across(left, elbo, "elbo", "2 4"),
      exact === undefined ? "" : across(left, exact, "truth", "6 4"),
      ui.s("path", {
        d: ui.path(firstAlone().map(([k, b]) => [left.x(k), left.y(b)])),
        fill: "none",
        stroke: ui.COLOURS.muted,
        "stroke-width": 1.2,
      }),
      ui.s("path", {
        d: ui.path(sizes.map(({ m, mean }) => [left.x(m), left.y(mean)])),
        fill: "none",
        stroke: ui.COLOURS.iwae,
        "stroke-width": 2.5,
      }),
    );

    const right = ui.axes({
      ...frame,
      x: { min: 0, max: 1.05, ticks: [], label: "how many draws, and their share of the sum" },
    });
    const bin = (y.max - y.min) / BINS;
    const [many, share] = [new Float64Array(BINS), new Float64Array(BINS)];
    for (const w of log_w) {
      const at = Math.floor((w - y.min) / bin);
      if (at < 0) continue;
      many[at] += 1;
      share[at] += Math.exp(w - top);
    }
    const [most, largest] = [Math.max(...many), Math.max(...share)];
    const edges = ui.range(BINS).map((i) => [right.y(y.min + (i + 1) * bin), right.y(y.min + i * bin)]);
    right.plot.append(
      ...edges.map(([from, to], i) =>
        ui.s("rect", {
          x: right.x(0),
          y: from,
          width: right.x(many[i] / most) - right.x(0),
          height: to - from,
          fill: ui.COLOURS.elbo,
          opacity: 0.45,
        }),
      ),
      across(right, elbo, "elbo", "2 4"),
      exact === undefined ? "" : across(right, exact, "truth", "6 4"),
      ui.s("path", {
        d: ui.path(
          edges.flatMap(([from, to], i) => [
            [right.x(share[i] / largest), to],
            [right.x(share[i] / largest), from],
          ]),
        ),
        fill: "none",
        stroke: ui.COLOURS.iwae,
        "stroke-width": 2,
      }),
    );

    const marks = [left, right].map((axes) => axes.plot.appendChild(ui.s("g")));
    rise.replaceChildren(left.svg);
    pile.replaceChildren(right.svg);
    chart = { left, right, marks, elbo, exact };
    progress.value = drawn;
    view.root.setAttribute("aria-busy", String(drawn < WEIGHTS));
    drawnText.replaceChildren(
      ui.output({ "data-key": "drawn", "data-value": drawn }, count(drawn)),
      ` of ${count(WEIGHTS)} weights drawn`,
    );
    drawChosen();
  }

  // What changes with m.
  function drawChosen() {
    const { left, right, marks, elbo, exact } = chart;
    const { m, mean, spread, groups } = groupsOf(model.get("m"));
    const ess = effectiveSize(m);
    const at = left.x(m);
    marks[0].replaceChildren(
      line(at, left.box.top, at, left.box.bottom, "line"),
      groups > 1 ? line(at, left.y(mean - spread), at, left.y(mean + spread), "iwae", { "stroke-width": 4 }) : "",
      ui.s("circle", { cx: at, cy: left.y(mean), r: 6, fill: ui.COLOURS.iwae, stroke: ui.INK, "stroke-width": 2 }),
    );
    marks[1].replaceChildren(across(right, mean, "iwae"));
    numbers.show({ bound: mean, spread, elbo, ...(exact !== undefined && { exact, gap: exact - mean }) });
    few.show({ groups, ess, share: (100 * ess) / m });

    const words =
      `m = ${count(m)}: bound ${ui.format(mean)} nats, mean of ${count(groups)} ${groups === 1 ? "group" : "groups"}` +
      (groups > 1 ? `, s.d. ${ui.format(spread)}` : "") +
      (exact === undefined ? "" : `; exact log p(x) ${ui.format(exact)}`) +
      `; effective sample size ${ui.format(ess, 1)}`;
    left.svg.setAttribute("aria-label", `The bound against m, for a ${labels[model.get("digit")]}. ${words}`);
    right.svg.setAttribute(
      "aria-label",
      `Histogram of ${count(drawn)} log weights, with mean ${ui.format(elbo)} nats, and of their share of the sum`,
    );
    view.say(words);
  }

  function update() {
    const [digit, seed] = [model.get("digit"), model.get("seed")];
    if (drawnFor === `${digit} ${seed}`) return drawChosen();
    drawnFor = `${digit} ${seed}`;
    drawWeights(digit, seed);
    drawPool();
  }

  view.watch(["digit", "m", "seed"], update);
  return view.stop;
}

// The reader's VAE, with the exact log p(x) of the widget's digits where there is one.
/** @type {Parameters<typeof ui.adoptable>[1]} */
async function adoptedBound(trained, model) {
  const state = ui.adoptedParts(trained, model);
  if (state && trained.logMarginal)
    state.log_px = await trained.logMarginal(ui.digitsOf(model.get("digits"), model.get("raster")));
  return state;
}

export default { render: ui.adoptable(renderIwaeBound, adoptedBound) };
