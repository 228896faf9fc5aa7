// The same noise under any m and v: each draw z slides along with them, which is why it has a derivative.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderReparameterise({ model, el }) {
  const COUNT = 12;
  const EXTENT = 5; // of the axis, both ways
  const WIDTH = 420;
  const UPPER = 62; // where the axis of epsilon is, and below it that of z
  const LOWER = 246;
  const UNIT = 100; // pixels a unit of density
  const view = ui.frame(model, el, "Draws that move with m and v");
  /** @param {number} value */
  const at = (value) => ((value + EXTENT) / (2 * EXTENT)) * WIDTH;

  /** @param {string} content @param {Attributes} attributes */
  const text = (content, attributes) => ui.s("text", { fill: ui.COLOURS.muted, ...attributes }, content);
  const grid = Float32Array.from({ length: 241 }, (_, i) => EXTENT * (i / 120 - 1));
  /** @param {number} m @param {number} v @param {number} base */
  const density = (m, v, base) => {
    const log = engine.logNormal(grid, [m], [v], 1, grid.length);
    return ui.path([...grid].map((z, i) => [at(z), base - UNIT * Math.exp(log[i])]));
  };
  const curve = ui.s("path", { fill: ui.COLOURS.q, "fill-opacity": 0.25, stroke: ui.COLOURS.q });
  const formula = text("z = m + √v ε", { y: LOWER - 12 });
  const moving = ui.s("g");
  const svg = ui.legible(
    ui.s(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} 330`,
        role: "img",
        style: "cursor: pointer; overflow: hidden; max-width: 34rem; touch-action: manipulation",
      },
      ui.s("path", { d: density(0, 1, UPPER), fill: ui.COLOURS.line, "fill-opacity": 0.45, stroke: ui.COLOURS.muted }),
      text("ε ~ N(0, 1)", { x: 4, y: UPPER - 12 }),
      curve,
      [UPPER, LOWER].map((y) => ui.s("line", { x1: 0, x2: WIDTH, y1: y, y2: y, stroke: ui.COLOURS.muted })),
      [-4, -2, 0, 2, 4].map((z) => [
        ui.s("line", { x1: at(z), x2: at(z), y1: LOWER, y2: LOWER + 4, stroke: ui.COLOURS.muted }),
        text(String(z).replace("-", "−"), { x: at(z), y: LOWER + 19, "text-anchor": "middle" }),
      ]),
      formula,
      moving,
    ),
  );

  const numbers = ui.numbers(
    [
      ["epsilon", "noise, ε"],
      ["z", "draw, z = m + √v ε"],
      ["dz_dm", "∂z/∂m = 1"],
      ["dz_dv", "∂z/∂v = ε / 2√v"],
    ],
    { unit: "" },
  );
  const arrowsSay = ui.h("p", { class: "vw-heading" }, "An arrow is as long as z goes if m, or v, grows by 1.");
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow", style: "flex-basis: 20rem" },
        svg,
        ui.h("p", { class: "vw-heading" }, "Click a draw to look at it."),
        arrowsSay,
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 6.5rem" },
        ui.slider(view, model, { trait: "m", name: "mean m" }),
        ui.slider(view, model, { trait: "v", name: "variance v" }),
        ui.slider(view, model, {
          trait: "draw",
          name: "look at draw",
          step: 1,
          show: (i) => `${i + 1} of ${COUNT}`,
        }),
        numbers.table,
        ui.h(
          "div",
          { class: "vw-buttons" },
          ui.answerButton(view, model, "the derivatives", [arrowsSay, numbers.rows.dz_dm, numbers.rows.dz_dv]),
          ui.button("Draw new ε", () => ui.set(model, { seed: (model.get("seed") % 1e6) + 1 })),
        ),
      ),
    ),
  );

  // A click looks at the nearest draw, of z or of epsilon.
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const box = svg.getBoundingClientRect();
    const scale = WIDTH / box.width;
    const z = (((event.clientX - box.left) * scale) / WIDTH) * 2 * EXTENT - EXTENT;
    const upper = (event.clientY - box.top) * scale < (UPPER + LOWER) / 2;
    const places = upper ? noise() : draws();
    const distance = places.map((place) => Math.abs(place - z));
    ui.set(model, { draw: distance.indexOf(Math.min(...distance)) });
  });

  // The noise changes with the seed and with nothing else.
  /** @type {number} */
  let seed;
  /** @type {number[]} */
  let epsilon;
  /** @type {() => number[]} */
  function noise() {
    if (seed !== model.get("seed")) {
      seed = model.get("seed");
      epsilon = [...engine.normals(seed).fill(new Float32Array(COUNT))].sort((a, b) => a - b);
      ui.set(model, { epsilon });
    }
    return epsilon;
  }

  /** @type {() => number[]} */
  const draws = () => noise().map((e) => model.get("m") + Math.sqrt(model.get("v")) * e);

  // How far z goes if m, or v, grows by one: an arrow below the axis.
  /** @param {number} z @param {number} derivative @param {number} y @param {string} name */
  function arrow(z, derivative, y, name) {
    const end = z + derivative;
    const head = Math.sign(derivative) * Math.min(7, Math.abs(at(derivative) - at(0)));
    const right = Math.max(at(z), at(end)) < WIDTH - 55;
    return [
      ui.s("line", { x1: at(z), x2: at(end) - head / 2, y1: y, y2: y, stroke: ui.COLOURS.q, "stroke-width": 2.5 }),
      ui.s("path", { d: `M${at(end)} ${y}l${-head} -5v10z`, fill: ui.COLOURS.q }),
      text(name, {
        x: right ? Math.max(at(z), at(end)) + 8 : Math.min(at(z), at(end)) - 8,
        y: y + 5,
        "text-anchor": right ? "start" : "end",
        fill: ui.COLOURS.q,
      }),
    ];
  }

  function update() {
    const [m, v, chosen] = ["m", "v", "draw"].map((trait) => model.get(trait));
    const z = draws(),
      shown = model.get("answer"),
      derivative = epsilon[chosen] / (2 * Math.sqrt(v));
    curve.setAttribute("d", density(m, v, LOWER));
    formula.setAttribute("x", String(m < 0 ? WIDTH - 4 : 4)); // on the side where there is room
    formula.setAttribute("text-anchor", m < 0 ? "end" : "start");
    const order = [...epsilon.keys()].sort((a, b) => +(a === chosen) - +(b === chosen)); // the chosen one on top
    moving.replaceChildren(
      ...order.flatMap((i) => {
        const strong = i === chosen;
        const colour = strong ? ui.COLOURS.q : ui.INK;
        /** @param {number} x @param {number} y */
        const dot = (x, y) =>
          ui.s("circle", { cx: at(x), cy: y, r: strong ? 6 : 4, fill: colour, "fill-opacity": strong ? 1 : 0.7 });
        return [
          ui.s("line", {
            x1: at(epsilon[i]),
            x2: at(z[i]),
            y1: UPPER,
            y2: LOWER,
            stroke: colour,
            "stroke-width": strong ? 2.5 : 0.8,
            "stroke-opacity": strong ? 1 : 0.6,
          }),
          dot(epsilon[i], UPPER),
          dot(z[i], LOWER),
        ];
      }),
      ...(shown ? arrow(z[chosen], 1, 284, "∂z/∂m") : []),
      ...(shown ? arrow(z[chosen], derivative, 312, "∂z/∂v") : []),
    );
    numbers.show({ epsilon: epsilon[chosen], z: z[chosen], dz_dm: 1, dz_dv: derivative });
    const words =
      `m = ${ui.format(m)}, v = ${ui.format(v)}: draw ${chosen + 1} is at z = ${ui.format(z[chosen])}` +
      (shown ? `, and moves by ${ui.format(derivative)} for each unit of v` : "");
    svg.setAttribute("aria-label", `Twelve draws ε, each joined to its z = m + √v ε. With ${words}.`);
    view.say(words);
  }

  view.watch(["m", "v", "draw", "seed", "answer"], update);
  return view.stop;
}

export default { render: renderReparameterise };
