// Jensen's inequality on the logarithm's curve: the centre of the dots lies below it.

import * as ui from "./ui.js";

/** @type {Render} */
async function renderJensen({ model, el }) {
  const [low, high] = model.get("_limits").values;
  const [fewest, most] = model.get("_limits").n;
  const view = ui.frame(model, el, "Jensen's inequality");
  const { s } = ui;

  const axes = ui.axes({
    width: 440,
    height: 300,
    label: "The curve of the logarithm",
    x: { min: 0, max: 6.4, ticks: ui.range(7), label: "t" },
    y: { min: -2.5, max: 2.1, ticks: ui.range(5).map((i) => i - 2), label: "log t" },
  });
  const curve = ui.range(200).map((i) => 0.07 + (i * 6.33) / 199);
  const curvePath = s("path", {
    d: ui.path(curve.map((t) => [axes.x(t), axes.y(Math.log(t))])),
    fill: "none",
    stroke: ui.COLOURS.truth,
    "stroke-width": 1.8,
  });
  const hull = s("path", {
    fill: ui.COLOURS.elbo,
    "fill-opacity": 0.12,
    stroke: ui.COLOURS.elbo,
    "stroke-opacity": 0.35,
  });
  const tangent = s("line", { stroke: ui.COLOURS.muted, "stroke-width": 1.5, "stroke-dasharray": "6 4" });
  const gap = s("line", { stroke: ui.COLOURS.gap, "stroke-width": 5 });
  const dots = ui.range(most).map(() => s("circle", { fill: ui.COLOURS.elbo, stroke: "#fff", "stroke-width": 1.5 }));
  const names = dots.map((_, i) =>
    s("text", { fill: "#fff", "font-weight": 600, "text-anchor": "middle" }, String(i + 1)),
  );
  const centre = s("rect", { width: 11, height: 11, fill: ui.COLOURS.elbo, stroke: "#fff", "stroke-width": 1.5 });
  const above = s("circle", { r: 5.5, fill: ui.COLOURS.truth, stroke: "#fff", "stroke-width": 1.5 });
  const words = ["truth", "elbo", "gap"].map((colour) =>
    s("text", {
      fill: ui.colourOf(colour),
      "font-weight": 600,
      style: "paint-order: stroke",
      stroke: "#fff",
      "stroke-width": 3,
    }),
  );
  const answer = s("g", {}, gap, centre, above, words);
  axes.plot.append(hull, tangent, curvePath, ...dots.flatMap((dot, i) => [dot, names[i]]), answer);

  const numbers = ui.numbers(
    [
      ["mean", "mean, E[t]"],
      ["log_of_mean", "log of the mean, log E[t]", "truth"],
      ["mean_of_logs", "mean of the logs, E[log t]", "elbo"],
      ["gap", "gap between the two", "gap"],
    ],
    { unit: "" },
  );

  const presets = {
    "Far apart": [0.2, 5.9, 1.9, 4.4, 0.6, 3.1],
    Close: [1.9, 3.3, 2.6, 3.0, 2.2, 2.8],
    "All equal": new Array(most).fill(2.5),
  };
  /** @type {[number, string][]} */
  const counts = ui.range(most - fewest + 1).map((i) => [fewest + i, String(fewest + i)]);
  /** @param {number} weight */
  /** @type {(some: number[]) => number} */
  const sumOf = (some) => some.reduce((a, b) => a + b);
  /** @param {number} weight */
  const share = (weight) => `${Math.round((100 * weight) / sumOf(model.get("weights").slice(0, model.get("n"))))}%`;
  const sliders = ui.range(most).map((index) => [
    ui.slider(view, model, { trait: "values", index, name: `t${ui.subscript(index + 1)}` }),
    ui.slider(view, model, {
      trait: "weights",
      index,
      name: `p${ui.subscript(index + 1)}`,
      label: `weight of t${ui.subscript(index + 1)}`,
      show: share,
    }),
  ]);
  const averages = ui.h(
    "div",
    { class: "vw-row" },
    numbers.table,
    ui.h(
      "div",
      { class: "vw-grow vw-column", style: "gap: 0.4rem" },
      ui.h("p", { class: "vw-heading" }, "The square is the dots’ centre of gravity."),
      ui.h(
        "div",
        { class: "vw-buttons" },
        Object.entries(presets).map(([label, values]) => ui.button(label, () => ui.set(model, { values }))),
      ),
      ui.checkbox(view, model, { trait: "tangent", label: "the tangent above the mean" }),
    ),
  );
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "flex-basis: 22rem" },
        axes.svg,
        ui.h("p", { class: "vw-heading" }, "Drag the dots."),
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 1.6rem; gap: 0.4rem" },
        ui.radio(view, model, { trait: "n", legend: "How many values", options: counts }),
        ui.h("div", {}, sliders),
        ui.checkbox(view, model, { trait: "weighted", label: "with probabilities of their own" }),
      ),
    ),
    ui.h("div", {}, ui.answerButton(view, model, "both averages", [averages])),
    averages,
  );

  /** @type {number} */
  let held; // the dot that the pointer holds
  ui.dragSideways(
    axes.svg,
    (x, y, started) => {
      const values = model.get("values");
      if (started) {
        /** @param {number} i */
        const distance = (i) => Math.hypot(axes.x(values[i]) - x, axes.y(Math.log(values[i])) - y);
        held = ui.range(model.get("n")).reduce((best, i) => (distance(i) < distance(best) ? i : best), 0);
      }
      const t = Math.round(axes.at(x, y)[0] * 100) / 100;
      ui.setAt(model, "values", held, Math.min(high, Math.max(low, t)));
    },
    view.signal,
  );

  function update() {
    const n = model.get("n"),
      shown = model.get("answer");
    const weighted = model.get("weighted");
    const values = model.get("values").slice(0, n);
    const weights = weighted ? model.get("weights").slice(0, n) : values.map(() => 1);
    const total = sumOf(weights);
    /** @param {(t: number) => number} f */
    const expect = (f) => values.reduce((sum, t, i) => sum + (weights[i] / total) * f(t), 0);
    const mean = expect((t) => t);
    const log_of_mean = Math.log(mean);
    const mean_of_logs = expect(Math.log);
    const difference = Math.max(0, log_of_mean - mean_of_logs); // rounding may take it below zero
    numbers.show({ mean, log_of_mean, mean_of_logs, gap: difference });

    sliders.forEach(([value, weight], i) => {
      value.hidden = i >= n;
      weight.hidden = i >= n || !weighted;
      weight.querySelector("output").value = share(model.get("weights")[i]); // it changes with n as well
    });
    dots.forEach((dot, i) => {
      const visibility = i < n ? "visible" : "hidden";
      const t = values[i] ?? mean;
      const radius = 10 * Math.sqrt(i < n ? (n * weights[i]) / total : 0); // its area is its probability
      ui.put(dot, { cx: axes.x(t), cy: axes.y(Math.log(t)), r: radius, visibility });
      ui.put(names[i], { x: axes.x(t), y: axes.y(Math.log(t)) + 0.45 * radius, "font-size": 1.3 * radius, visibility });
    });
    const corners = values
      .slice()
      .sort((a, b) => a - b)
      .map((t) => [axes.x(t), axes.y(Math.log(t))]);
    hull.setAttribute("d", `${ui.path(corners)}Z`);
    const [x, top, bottom] = [axes.x(mean), axes.y(log_of_mean), axes.y(mean_of_logs)];
    ui.put(gap, { x1: x, x2: x, y1: top, y2: bottom });
    ui.put(centre, { x: x - 5.5, y: bottom - 5.5 });
    ui.put(above, { cx: x, cy: top });
    /** @param {number} t */
    const line = (t) => axes.y(log_of_mean + (t - mean) / mean);
    ui.put(tangent, {
      x1: axes.x(0),
      y1: line(0),
      x2: axes.x(6.4),
      y2: line(6.4),
      visibility: shown && model.get("tangent") ? "visible" : "hidden",
    });
    ui.put(answer, { visibility: shown ? "visible" : "hidden" });
    /**
     * @param {SVGTextElement} text
     * @param {string} content
     * @param {Attributes} at
     */
    const label = (text, content, at) => {
      text.textContent = content;
      ui.put(text, at);
    };
    label(words[0], "log E[t]", { x: x - 10, y: top - 8, "text-anchor": "end" });
    label(words[1], "E[log t]", { x: x + 11, y: bottom + 19 });
    label(words[2], `gap ${ui.format(difference)}`, { x: x + 11, y: Math.max((top + bottom) / 2 + 5, top + 4) });
    const described = !shown
      ? values.map((t) => ui.format(t)).join(", ")
      : `log E[t] = ${ui.format(log_of_mean)}, E[log t] = ${ui.format(mean_of_logs)}, gap ${ui.format(difference)}`;
    axes.svg.setAttribute("aria-label", `The curve of the logarithm with ${n} values: ${described}`);
    view.say(described);
  }

  view.watch(["n", "values", "weights", "weighted", "tangent", "answer"], update);
  return view.stop;
}

export default { render: renderJensen };
