// A bivariate normal, and the product of its two marginals.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderGaussianPrior({ model, el }) {
  const EXTENT = 4,
    DRAWS = 400;
  const view = ui.frame(model, el, "A bivariate normal and the product of its marginals");
  const epsilon = engine.normals(1).fill(new Float64Array(2 * DRAWS));

  const numbers = ui.numbers([
    ["log_1", "z₁ by itself, log p(z₁)"],
    ["log_2", "z₂ by itself, log p(z₂)"],
    ["product", "the product, log p(z₁) + log p(z₂)", "muted"],
    ["joint", "the joint, log p(z₁, z₂)", "prior"],
    ["difference", "joint less product"],
  ]);
  const verdict = ui.h("p", { class: "vw-note" });
  const plane = ui.plane({
    extent: EXTENT,
    draw,
    mark: () => model.get("z"),
    onDrag: (z) => ui.set(model, { z: z.map((value) => Math.round(value * 100) / 100) }),
    signal: view.signal,
    label: "The plane of two latents",
  });
  /** @param {string} trait @param {string} name */
  const pair = (trait, name) =>
    [0, 1].map((index) => ui.slider(view, model, { trait, index, name: name + ui.subscript(index + 1) }));

  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow", style: "max-width: 28rem" },
        plane.canvas,
        ui.h(
          "p",
          { class: "vw-heading" },
          "Rings hold 50, 80 and 95%. Full ones are the joint’s, dashed ones the product’s. At the edges stands each latent by itself.",
        ),
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 6.6rem; gap: 0.2rem" },
        ui.slider(view, model, { trait: "rho", name: "correlation" }),
        pair("m", "mean of z"),
        pair("sd", "spread of z"),
        pair("z", "point z"),
        ui.h("div", {}, numbers.table),
        verdict,
      ),
    ),
  );

  /** @param {number} z @param {number} m @param {number} sd */
  const one = (z, m, sd) => engine.logNormal([z], [m], [sd * sd], 1)[0];

  function densities() {
    const [m1, m2] = model.get("m"),
      [s1, s2] = model.get("sd"),
      rho = model.get("rho"),
      [z1, z2] = model.get("z");
    const log_1 = one(z1, m1, s1),
      log_2 = one(z2, m2, s2);
    // The chain rule: p(z1) p(z2 | z1), both univariate normals.
    const log_2_given_1 = one(z2, m2 + rho * (s2 / s1) * (z1 - m1), s2 * Math.sqrt(1 - rho * rho));
    return { log_1, log_2, product: log_1 + log_2, joint: log_1 + log_2_given_1, difference: log_2_given_1 - log_2 };
  }

  // A standard normal pair turned into one with these means, spreads and correlation.
  /** @param {number} e1 @param {number} e2 @param {number} rho */
  function placeOf(e1, e2, rho) {
    const [m1, m2] = model.get("m"),
      [s1, s2] = model.get("sd");
    return [m1 + s1 * e1, m2 + s2 * (rho * e1 + Math.sqrt(1 - rho * rho) * e2)];
  }

  /** @param {CanvasRenderingContext2D} context @param {Place} place @param {number} rho */
  function rings(context, place, rho) {
    for (const share of [0.5, 0.8, 0.95]) {
      const radius = Math.sqrt(-2 * Math.log(1 - share));
      context.beginPath();
      for (let i = 0; i <= 120; i++) {
        const angle = (i / 60) * Math.PI;
        context.lineTo(...place(...placeOf(radius * Math.cos(angle), radius * Math.sin(angle), rho)));
      }
      context.stroke();
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {Place} place @param {number} scale */
  function draw(context, place, scale) {
    const rho = model.get("rho"),
      [m1, m2] = model.get("m"),
      [s1, s2] = model.get("sd"),
      [z1, z2] = model.get("z");
    context.lineWidth = 1;
    context.strokeStyle = ui.COLOURS.line;
    context.strokeRect(0.5, 0.5, 2 * EXTENT * scale - 1, 2 * EXTENT * scale - 1);
    context.fillStyle = ui.COLOURS.prior;
    context.globalAlpha = 0.45;
    for (let i = 0; i < DRAWS; i++) {
      const [x, y] = place(...placeOf(epsilon[2 * i], epsilon[2 * i + 1], rho));
      context.beginPath();
      context.arc(x, y, 2, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = ui.COLOURS.prior;
    rings(context, place, rho);
    context.setLineDash([5, 4]);
    context.lineWidth = 1.5;
    context.strokeStyle = ui.COLOURS.muted;
    rings(context, place, 0);
    context.setLineDash([1, 3]);
    context.beginPath();
    context.moveTo(...place(z1, z2));
    context.lineTo(...place(z1, -EXTENT));
    context.moveTo(...place(z1, z2));
    context.lineTo(...place(-EXTENT, z2));
    context.stroke();
    context.setLineDash([]);
    // The marginals stand on the edges.
    context.strokeStyle = ui.INK;
    /** @type {[m: number, s: number, at: Place][]} */
    const edges = [
      [m1, s1, (z, p) => place(z, p - EXTENT)],
      [m2, s2, (z, p) => place(p - EXTENT, z)],
    ];
    for (const [m, s, at] of edges) {
      context.beginPath();
      for (let i = 0; i <= 160; i++) {
        const z = EXTENT * (i / 80 - 1);
        context.lineTo(...at(z, 2 * Math.exp(one(z, m, s))));
      }
      context.stroke();
    }
  }

  function update() {
    const shown = densities(),
      gap = ui.format(Math.abs(shown.difference));
    numbers.show(shown);
    plane.redraw();
    verdict.textContent =
      model.get("rho") === 0
        ? "At correlation 0 the latents are independent. The joint is the product at every point."
        : `The latents are correlated. The product is no longer the joint: at this point it is ${gap} nats too ${shown.difference < 0 ? "high" : "low"}.`;
    const at = model
      .get("z")
      .map((value) => ui.format(value))
      .join(", ");
    plane.canvas.setAttribute(
      "aria-label",
      `A bivariate normal with correlation ${ui.format(model.get("rho"))}, and the point (${at})`,
    );
    view.say(`At (${at}), log p(z₁, z₂) = ${ui.format(shown.joint)} nats. ${verdict.textContent}`);
  }

  view.watch(["m", "sd", "rho", "z"], update);
  return view.stop;
}

export default { render: renderGaussianPrior };
