// Keep a style and run through the classes, or keep a class and run through styles.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderStyleContent({ model, el }) {
  const dec = await ui.network(model, "decoder");
  const dim = dec.inputs;
  const classes = ui.range(dec.y_dim);
  const raster = model.get("raster"),
    size = dec.outputs,
    blank = new Float32Array(size);
  const digits = ui.digitsOf(model.get("digits"), raster);
  const labels = ui.bytes(model.get("labels"));
  const styles = ui.floats(model.get("codes"));
  const codes = digits.map((_, i) => Array.from(styles.subarray(dim * i, dim * (i + 1))));
  const view = ui.frame(model, el, "Style and content");

  // --- elements ---

  const picture = ui.digit("", raster);
  const original = ui.digit("", raster);
  const source = ui.captioned(original, "the style’s own digit");
  const numbers = ui.numbers([
    ["read", "read as the class asked for, q(y|x)", "q", { unit: "" }],
    model.get("has_rec") && ["rec", "−log p(x|y, z), against the original", "rec"],
  ]);

  const missing = ui.h("p", { class: "vw-note", role: "status" });

  // A row of pictures, of which one is chosen; the controls beside it are how to choose by keys.
  /** @param {number} count @param {(i: number) => void} onclick @param {(i: number) => string} [caption] */
  function row(count, onclick, caption) {
    const cells = ui.range(count).map((i) => {
      const canvas = ui.digit("", raster);
      return {
        canvas,
        cell: ui.h("span", { onclick: () => onclick(i) }, canvas, caption && ui.h("small", {}, caption(i))),
      };
    });
    const strip = ui.h(
      "div",
      { class: "vw-strip vw-choices", role: "group" },
      cells.map(({ cell }) => cell),
    );
    /** @param {Float32Array} ink @param {number} chosen @param {(i: number) => string} words */
    const show = (ink, chosen, words) =>
      cells.forEach(({ canvas, cell }, i) => {
        ui.paint(canvas, ink.subarray(size * i, size * (i + 1)));
        canvas.setAttribute("aria-label", words(i));
        cell.classList.toggle("chosen", i === chosen);
      });
    return { strip, show };
  }

  const byClass = row(classes.length, (y) => ui.set(model, { y }), String);
  const byStyle = row(digits.length, (digit) => ui.set(model, { digit }));
  const classTitle = ui.h("p", { class: "vw-heading" });
  const styleTitle = ui.h("p", { class: "vw-heading" });
  const choice = ui.digitChoice(view, model, digits, { labels, legend: "Style z from a test digit" });

  view.body.append(
    choice,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h("div", { class: "vw-pair" }, ui.captioned(picture, "z and y, decoded"), source),
      ui.h(
        "div",
        { class: "vw-grow vw-column" },
        ui.slider(view, model, {
          trait: "y",
          name: "y",
          label: "class y",
          step: 1,
          digits: 0,
        }),
        numbers.table,
        missing,
        ui.h(
          "div",
          {},
          ui.button("Draw z from the prior", () => ui.set(model, { digit: -1, ...ui.nextSeed(model) })),
        ),
      ),
    ),
    ui.h("div", {}, classTitle, byClass.strip),
    ui.h("div", {}, styleTitle, byStyle.strip),
  );

  // --- drawing ---

  /** @type {Network | null} */
  let cls = null; // it comes after the pictures

  // The probability of y for the picture, black and white if the digits are.
  /** @param {Float32Array} ink @param {number} y */
  function reading(ink, y) {
    const log_q = engine.forward(cls, raster[2] === 1 ? ink.map((p) => (p >= 0.5 ? 1 : 0)) : ink);
    return Math.exp(log_q[y] - engine.logMeanExp(log_q) - Math.log(classes.length));
  }

  function update() {
    const [y, digit, seed] = ["y", "digit", "seed"].map((trait) => model.get(trait));
    const x = digits[digit];
    const z = x ? codes[digit] : Array.from(engine.normals(seed).fill(new Float32Array(dim)));
    if (String(z) !== String(model.get("z"))) ui.set(model, { z });
    const repeated = Float32Array.from(classes.flatMap(() => z));
    const logits = engine.forward(dec, repeated, classes.length, classes);
    const own = logits.subarray(size * y, size * (y + 1));
    const ink = engine.ink(dec, own);
    const read = cls ? reading(ink, y) : NaN;
    const rec = x ? -engine.logBernoulli(x, own, size)[0] : NaN;

    ui.paint(picture, ink);
    ui.paint(original, x ?? blank);
    source.style.visibility = x ? "visible" : "hidden";
    numbers.show({ read, ...(model.get("has_rec") && { rec }) });
    byClass.show(engine.ink(dec, logits), y, (i) => `This style as a ${i}`);
    const all = engine.forward(
      dec,
      styles,
      digits.length,
      digits.map(() => y),
    );
    byStyle.show(engine.ink(dec, all), digit, (i) => `A ${y} in the style of test digit ${i + 1}`);

    const whose = x ? `of test digit ${digit + 1}, a ${labels[digit]}` : "drawn from the prior";
    classTitle.textContent = `The same z, ${whose}, with each class y.`;
    styleTitle.textContent = `The same class, y = ${y}, with the z of each test digit.`;
    byClass.strip.setAttribute("aria-label", "The style with each class");
    byStyle.strip.setAttribute("aria-label", `A ${y} in each style`);
    picture.setAttribute("aria-label", `A ${y} in the style ${whose}`);
    original.setAttribute("aria-label", x ? `The original, a ${labels[digit]}` : "No original");
    view.say(
      `A ${y} in the style ${whose}${cls ? `; the classifier reads it as a ${y} with probability ${ui.format(read)}` : ""}`,
    );
  }

  view.watch(["y", "digit", "seed"], update);
  view.root.setAttribute("aria-busy", "true");
  ui.network(model, "classifier")
    .then(
      (network) => {
        cls = network;
        if (!view.signal.aborted) update();
      },
      (error) =>
        missing.replaceChildren(
          `The classifier could not be loaded (${engine.reason(error)}): the pictures need none.`,
        ),
    )
    .finally(() => view.root.setAttribute("aria-busy", "false"));
  return view.stop;
}

export default { render: ui.following(renderStyleContent) };
