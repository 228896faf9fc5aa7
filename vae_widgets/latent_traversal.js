// One slider for each latent, what z draws, and a film strip along one latent.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderLatentTraversal({ model, el }) {
  const mixture = await ui.mixture(model, "mixture");
  const { extent, order, nats, has_prior } = Object.fromEntries(
    ["extent", "order", "nats", "has_prior"].map((trait) => [trait, model.get(trait)]),
  );
  const decoder = await ui.decoderOf(model);
  const raster = model.get("raster"),
    size = raster[0] * raster[1],
    blank = new Float32Array(size);
  const digits = ui.digitsOf(model.get("digits"), raster);
  const labels = ui.bytes(model.get("labels"));
  const dim = order.length;
  const [step, places] = extent > 20 ? [1, 0] : extent > 5 ? [0.1, 1] : [0.05, 2]; // and decimal places
  const reach = 0.75 * extent; // of the film strip
  const stops = ui.range(9).map((i) => (i / 4 - 1) * reach);
  /** @param {number} i */
  const latent = (i) => `z${ui.subscript(i + 1)}`;
  /** @param {number} value */
  const fit = (value) => Math.min(extent, Math.max(-extent, Math.round(value * 1000) / 1000)); // short in a link
  const view = ui.frame(model, el, "Traversal of the latents");

  const [decodeOne, decodeStrip] = [decoder?.ask(view), decoder?.ask(view)];

  // The q(z|x) of each digit; of an autoencoder the code alone.
  const [m, v] = ["codes_m", "codes_v"].map((trait) => ui.floats(model.get(trait)));
  const codes = digits.map((_, i) => ({
    m: m.subarray(dim * i, dim * (i + 1)),
    v: v.length ? v.subarray(dim * i, dim * (i + 1)) : null,
  }));

  // --- elements ---

  const picture = ui.digit("", raster);
  const original = ui.digit("", raster);
  const originalFigure = ui.captioned(original, "original");
  const hasRec = digits.length > 0 && decoder && model.get("has_rec");
  const numbers = ui.numbers([
    hasRec && ["rec", has_prior ? "−log p(x|z)" : "cross-entropy", "rec"],
    has_prior && ["log_p", "log p(z)", "prior"],
  ]);

  const group = `vw-latents-${Math.random()}`;
  /** @type {number[]} */
  const latents = order;
  const rows = latents.map((i) => {
    const radio = ui.h("input", {
      type: "radio",
      name: group,
      ...ui.KEYS,
      "data-trait": "dimension",
      value: i,
      "aria-label": `Film strip along ${latent(i)}`,
    });
    const band = ui.h("span");
    const slider = ui.slider(view, model, {
      trait: "z",
      index: i,
      label: latent(i),
      step,
      digits: places,
      name: ui.h("span", {}, latent(i), nats.length > 0 && ui.h("small", {}, `${ui.format(nats[i])} nats`)),
    });
    slider.querySelector("input").after(ui.h("span", { class: "vw-band" }, band));
    const row = ui.h("div", { class: "vw-latent" }, radio, slider);
    const choose = () => model.get("dimension") !== i && ui.set(model, { dimension: i });
    radio.addEventListener("change", choose);
    for (const event of ["focusin", "input"]) slider.addEventListener(event, choose);
    return { i, row, radio, band };
  });

  const stripHeading = ui.h("p", { class: "vw-heading" });
  // A click on a picture of the strip sets its value; the slider is what does so by keys.
  const frames = stops.map((value) => {
    const canvas = ui.digit("", raster);
    const onclick = () => ui.setAt(model, "z", model.get("dimension"), fit(value));
    return {
      canvas,
      cell: ui.h(
        "span",
        { onclick },
        canvas,
        ui.h("small", {}, ui.format(value, places).replace(/\.0+$|(?<=\.\d)0$/, "")),
      ),
    };
  });
  const marker = ui.h("span", { class: "vw-marker", "aria-hidden": "true" }, "▲");
  const strip = ui.h(
    "div",
    { class: "vw-strip", role: "group" },
    frames.map(({ cell }) => cell),
    marker,
  );

  const choice =
    digits.length > 0 && ui.digitChoice(view, model, digits, { labels, legend: "Start from the code of a test digit" });
  // A click also when the digit is the chosen one: back to its code.
  if (choice)
    choice.addEventListener("click", ({ target }) => target instanceof HTMLInputElement && startFrom(+target.value));

  const bandKey = ui.h(
    "span",
    { class: "vw-nowrap" },
    ui.h("span", { class: "swatch", style: `background:${ui.COLOURS.q}` }),
    "q(z|x), ± 2 s.d.",
  );
  const heading = nats.length > 0 ? "Most used first, by each latent’s mean KL. " : "The latents. ";
  if (!decoder)
    view.body.append(
      ui.h(
        "p",
        { class: "vw-note" },
        "A page cannot run this decoder. Open the notebook in Jupyter to see what z draws.",
      ),
    );
  view.body.append(
    ui.h(
      "div",
      { class: "vw-traversal" },
      ui.h(
        "div",
        { class: "vw-traversal-picture vw-column" },
        ui.h(
          "div",
          { class: "vw-pair" },
          decoder && ui.captioned(picture, "what z draws"),
          digits.length > 0 && originalFigure,
        ),
        numbers.table,
      ),
      ui.h(
        "div",
        { class: "vw-traversal-start vw-column" },
        choice,
        has_prior && ui.button("Draw z from the prior", () => ui.set(model, ui.nextSeed(model))),
      ),
      ui.h(
        "div",
        { class: "vw-traversal-latents" },
        ui.h("p", { class: "vw-heading" }, heading, bandKey),
        ui.h(
          "div",
          { class: `vw-latents ${dim > 10 ? "compact" : ""}` },
          rows.map(({ row }) => row),
        ),
      ),
      decoder && ui.h("div", { class: "vw-traversal-strip" }, stripHeading, strip),
    ),
  );

  // --- where z comes from ---

  /** @param {number} digit */
  function startFrom(digit) {
    ui.set(model, { digit, z: Array.from(codes[digit].m, fit) });
  }

  function drawFromPrior() {
    const source = engine.normals(model.get("seed"));
    const noise = source.fill(new Float32Array(dim));
    const z = mixture ? engine.mixtureSample(mixture, noise, source.uniform()) : noise;
    ui.set(model, { digit: -1, z: Array.from(z, fit) });
  }

  model.on("change:seed", drawFromPrior);
  view.signal.addEventListener("abort", () => model.off("change:seed", drawFromPrior));

  // --- drawing ---

  let shown = ""; // the strip that is drawn: it changes with the other latents alone

  /** @param {number[]} z @param {number} dimension */
  function drawStrip(z, dimension) {
    const key = `${dimension} ${ui.changed(z, dimension, 0)}`;
    if (key === shown) return;
    shown = key;
    const along = Float32Array.from(stops.flatMap((value) => ui.changed(z, dimension, value)));
    decodeStrip?.(along, stops.length, (decoded) => {
      const ink = engine.ink(decoder, decoded);
      frames.forEach(({ canvas }, n) => ui.paint(canvas, ink.subarray(size * n, size * (n + 1))));
    });
    frames.forEach(({ canvas }, n) => {
      canvas.setAttribute("aria-label", `The digit at ${latent(dimension)} = ${ui.format(stops[n], places)}`);
    });
  }

  /** @param {number} digit */
  function drawBands(digit) {
    const { m, v } = codes[digit] ?? {};
    bandKey.hidden = !v;
    for (const { i, band } of rows) {
      band.hidden = !v;
      if (!v) continue;
      const [from, to] = [-2, 2].map(
        (n) => 50 + (50 / extent) * Math.min(extent, Math.max(-extent, m[i] + n * Math.sqrt(v[i]))),
      );
      band.style.left = `${from}%`;
      band.style.width = `${to - from}%`;
    }
  }

  function update() {
    const z = model.get("z");
    const dimension = model.get("dimension");
    const digit = model.get("digit");
    const x = digits[digit];
    const at = Float32Array.from(z);
    originalFigure.style.visibility = x ? "visible" : "hidden";
    ui.paint(original, x ?? blank);
    const log_p = mixture
      ? engine.logMixture(at, mixture)[0]
      : engine.logNormal(at, new Float32Array(dim), new Float32Array(dim).fill(1), dim)[0];
    if (has_prior) numbers.show({ log_p });
    /** @param {number} [rec] */
    const words = (rec) =>
      `${latent(dimension)} = ${value}` +
      (x && hasRec ? `, −log p(x|z) = ${ui.format(rec)} nats` : "") +
      (has_prior ? `, log p(z) = ${ui.format(log_p)} nats` : "");
    const value = ui.format(z[dimension], places);
    if (!decoder) view.say(words());
    decodeOne?.(at, 1, (decoded) => {
      ui.paint(picture, engine.ink(decoder, decoded));
      const rec = x && hasRec ? -engine.logBernoulli(x, decoded, size)[0] : NaN;
      if (hasRec) numbers.show({ rec });
      view.say(words(rec));
    });

    drawStrip(z, dimension);
    drawBands(digit);
    const place = (0.5 + 4 * (z[dimension] / reach + 1)) / 9;
    marker.textContent = place > 1 ? "▶" : place < 0 ? "◀" : "▲"; // the sliders reach further than the strip
    marker.style.left = `${100 * Math.min(0.975, Math.max(0.025, place))}%`;
    stripHeading.textContent = `Along ${latent(dimension)}, the others as they are.`;
    strip.setAttribute("aria-label", `Film strip along ${latent(dimension)}`);
    for (const { i, radio, row } of rows) {
      radio.checked = i === dimension;
      row.classList.toggle("chosen", i === dimension);
    }
    original.setAttribute("aria-label", x ? `The original, a ${labels[digit]}` : "No original");
    picture.setAttribute("aria-label", `The digit that z decodes to; ${latent(dimension)} is ${value}`);
  }

  view.watch(["z", "dimension", "digit"], update);
  return view.stop;
}

// The reader's VAE, with the widget's own digits to start from. A GMVAE's or an autoencoder's traversal stays as it is.
/** @type {Parameters<typeof ui.adoptable>[1]} */
function adoptedTraversal({ enc, dec, digits }, model) {
  if (model.get("mixture") || !model.get("has_prior")) return null;
  const dim = dec.inputs,
    own = ui.digitsOf(model.get("digits"));
  const all = ui.encodeAll(enc, digits),
    known = own.length ? ui.encodeAll(enc, own) : null,
    codes = known?.m ?? new Float32Array();
  /** @param {number} m @param {number} v */
  const kl = (m, v) => (m * m + v - 1 - Math.log(v)) / 2;
  const nats = ui
    .range(dim)
    .map((i) => digits.reduce((sum, _, n) => sum + kl(all.m[dim * n + i], all.v[dim * n + i]), 0) / digits.length);
  const order = ui.range(dim).sort((a, b) => nats[b] - nats[a]);
  const extent = Math.ceil(Math.max(4, ...Array.from(codes, Math.abs)));
  const { digit } = model.get("_defaults");
  const z = ui.range(dim).map((i) => (digit >= 0 && own.length ? Math.round(1000 * codes[dim * digit + i]) / 1000 : 0));
  return {
    decoder: dec,
    order,
    ...(known && { codes_m: known.m, codes_v: known.v }),
    nats: own.length ? nats : [],
    extent,
    defaults: { z, dimension: order[0] },
    limits: { z: [-extent, extent, dim], dimension: [0, dim - 1] },
  };
}

export default { render: ui.adoptable(renderLatentTraversal, adoptedTraversal) };
