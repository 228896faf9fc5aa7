// The plane of two latents: what each z draws, where each test digit goes.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderLatentPlane({ model, el }) {
  const extent = model.get("extent");
  const labels = ui.bytes(model.get("labels"));
  const m = ui.floats(model.get("codes_m"));
  const v = ui.floats(model.get("codes_v"));
  const raster = model.get("raster"),
    [height, width] = raster,
    side = model.get("side");
  const sheetInk = Float32Array.from(ui.bytes(model.get("sheet")), (grey) => grey / 255);
  /** @type {Decoder} */
  const sheetAlone = { grey: "identity", ask: () => (z, _, use) => use(nearest(z)) };
  const decoder = (await ui.decoderOf(model)) ?? sheetAlone;
  const view = ui.frame(model, el, "The latent plane");
  const decode = decoder.ask(view);
  const densities = model.get("densities");
  const stochastic = densities && v.some((variance) => variance > 0);

  const picture = ui.digit("", raster);
  const numbers =
    densities &&
    ui.numbers([
      ["log_p", "density of the prior, log p(z)", "prior"],
      stochastic && ["log_q", "density of all codes, log q(z)", "q"],
    ]);
  const plane = ui.plane({
    extent,
    draw,
    mark: () => model.get("z"),
    onDrag: (z) => ui.set(model, { z: z.map((value) => Math.round(value * 100) / 100) }),
    signal: view.signal,
    label: "The plane of the two latents",
  });

  /** @param {string} trait @param {string} label */
  const layer = (trait, label) => ui.checkbox(view, model, { trait, label });
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow", style: "max-width: 30rem" },
        plane.canvas,
        ui.h(
          "p",
          { class: "vw-heading" },
          `Drag anywhere.${densities ? " Rings hold 50, 80 and 95% of a density." : ""}`,
        ),
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 4.8rem" },
        ui.captioned(
          picture,
          decoder === sheetAlone
            ? `what the nearest of ${side * side} places draws; in Jupyter, every place is drawn`
            : "what this place draws",
        ),
        ["across, z₁", "up, z₂"].map((name, index) => ui.slider(view, model, { trait: "z", index, name })),
        numbers?.table,
        ui.h(
          "fieldset",
          {},
          ui.h("legend", {}, "Show"),
          labels.length > 0 && layer("points", "test digits"),
          stochastic && layer("codes", "density of all codes, q(z)"),
          densities && layer("prior", "the prior, p(z)"),
          layer("digits", "what each place draws"),
        ),
      ),
    ),
  );

  // --- what lies under the pointer ---

  // The density of all codes: the mean of the encoder's q(z|x) over the images.
  /** @param {number} z1 @param {number} z2 */
  function logDensity(z1, z2) {
    const terms = new Float64Array(labels.length);
    for (let i = 0; i < labels.length; i++) {
      const a = 2 * i;
      const d = (z1 - m[a]) ** 2 / v[a] + (z2 - m[a + 1]) ** 2 / v[a + 1];
      terms[i] = -Math.log(2 * Math.PI) - 0.5 * (Math.log(v[a] * v[a + 1]) + d);
    }
    return engine.logMeanExp(terms);
  }

  // The density on a grid, and the levels inside which half, 80 and 95% of it lie.
  /** @type {number[][][][]} */
  let contours; // of each level its pieces of line
  function codeContours() {
    if (contours) return contours;
    const n = 71;
    /** @param {number} i */
    const at = (i) => -extent + (2 * extent * i) / (n - 1);
    const values = Float64Array.from({ length: n * n }, (_, i) =>
      Math.exp(logDensity(at(i % n), at(Math.floor(i / n)))),
    );
    const sorted = values.slice().sort().reverse();
    const total = sorted.reduce((sum, value) => sum + value, 0);
    const levels = [0.5, 0.8, 0.95].map((share) => {
      let sum = 0;
      return sorted.find((value) => {
        sum += value;
        return sum >= share * total;
      });
    });
    contours = levels.map((level) => segments(values, n, level).map((pair) => pair.map(([x, y]) => [at(x), at(y)])));
    return contours;
  }

  // Marching squares: where a function on a grid crosses a level, as pieces of line in units of grid points.
  /** @param {Float64Array} values @param {number} n @param {number} level */
  function segments(values, n, level) {
    /** @type {number[][][]} */
    const lines = [];
    for (let row = 0; row + 1 < n; row++) {
      for (let column = 0; column + 1 < n; column++) {
        const corners = [
          [column, row],
          [column + 1, row],
          [column + 1, row + 1],
          [column, row + 1],
        ];
        const above = corners.map(([x, y]) => values[y * n + x] - level);
        const crossings = corners.flatMap((corner, i) => {
          const j = (i + 1) % 4;
          if (above[i] > 0 === above[j] > 0) return [];
          const t = above[i] / (above[i] - above[j]);
          return [[corner[0] + t * (corners[j][0] - corner[0]), corner[1] + t * (corners[j][1] - corner[1])]];
        });
        for (let i = 0; i + 1 < crossings.length; i += 2) lines.push([crossings[i], crossings[i + 1]]);
      }
    }
    return lines;
  }

  // What each of side x side places draws, row by row: Python has drawn it where the page has no network.
  /** @type {HTMLCanvasElement | null} */
  let sheetOf = null;
  /** @param {number} i */
  const middle = (i) => [
    extent * ((2 * (i % side) + 1) / side - 1),
    extent * (1 - (2 * Math.floor(i / side) + 1) / side),
  ];
  function sheetPictures() {
    if (sheetInk.length) return sheetInk;
    let ink;
    decode(
      Float32Array.from(ui.range(side * side).flatMap(middle)),
      side * side,
      (decoded) => (ink = engine.ink(decoder, decoded)),
    );
    return ink;
  }

  /** @param {Numbers} what */
  function nearest([z1, z2]) {
    const [column, row] = [extent + z1, extent - z2].map((from) =>
      Math.min(side - 1, Math.floor((from / (2 * extent)) * side)),
    );
    return pictureAt(sheetInk, side * row + column);
  }

  /** @param {Float32Array} ink @param {number} i */
  const pictureAt = (ink, i) => ink.subarray(height * width * i, height * width * (i + 1));

  function digitSheet() {
    if (sheetOf) return sheetOf;
    const ink = sheetPictures();
    sheetOf = ui.h("canvas", { width: width * side, height: height * side });
    const context = sheetOf.getContext("2d");
    const tile = ui.digit("", raster);
    for (let i = 0; i < side * side; i++) {
      ui.paint(tile, pictureAt(ink, i));
      context.drawImage(tile, width * (i % side), height * Math.floor(i / side));
    }
    return sheetOf;
  }

  // --- drawing ---

  /** @param {CanvasRenderingContext2D} context @param {Place} place @param {number} scale */
  function draw(context, place, scale) {
    const [left, top] = place(-extent, extent);
    if (model.get("digits")) {
      context.globalAlpha = 0.55;
      context.imageSmoothingEnabled = 2 * extent * scale < 2 * width * side; // few and large pixels stay sharp
      context.drawImage(digitSheet(), left, top, 2 * extent * scale, 2 * extent * scale);
      context.globalAlpha = 1;
    }
    ui.cross(context, place, extent);
    if (model.get("points") && labels.length) {
      context.font = "600 11px sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      labels.forEach((label, i) => {
        context.fillStyle = ui.CLASSES[label];
        context.fillText(String(label), ...place(m[2 * i], m[2 * i + 1]));
      });
    }
    if (model.get("codes") && stochastic) {
      context.strokeStyle = ui.COLOURS.q;
      context.lineWidth = 2;
      for (const lines of codeContours()) {
        context.beginPath();
        for (const [from, to] of lines) {
          context.moveTo(...place(...from));
          context.lineTo(...place(...to));
        }
        context.stroke();
      }
    }
    if (densities && model.get("prior")) ui.priorCircles(context, place, scale);
  }

  function update() {
    const z = model.get("z");
    decode(Float32Array.from(z), 1, (decoded) => ui.paint(picture, engine.ink(decoder, decoded)));
    const [log_p] = engine.logNormal(Float32Array.from(z), new Float32Array(2), new Float32Array(2).fill(1), 2, 1);
    if (densities) numbers.show({ log_p, ...(stochastic && { log_q: logDensity(z[0], z[1]) }) });
    plane.move();
    const at = z.map((value) => ui.format(value)).join(", ");
    const words = densities
      ? `z = (${at}), log p(z) = ${ui.format(log_p)} nats`
      : `The place is ${ui.format(z[0])} across, ${ui.format(z[1])} up`;
    picture.setAttribute("aria-label", `The digit that z = (${at}) decodes to`);
    plane.canvas.setAttribute("aria-label", `The plane of the two latents with z at (${at})`);
    view.say(words);
  }

  view.watch(["points", "codes", "prior", "digits"], plane.redraw);
  view.watch(["z"], update);
  return view.stop;
}

// The reader's VAE on the plane, if it has two latents; the plane of an autoencoder, whose codes have no variance, stays as
// it is.
/** @type {Parameters<typeof ui.adoptable>[1]} */
function adoptedPlane({ enc, dec, digits, labels }, model) {
  const v = ui.floats(model.get("codes_v"));
  if (dec.inputs !== 2) return null;
  if (v.length && !v.some((variance) => variance > 0)) return null;
  const codes = ui.encodeAll(enc, digits);
  return { decoder: dec, labels: Uint8Array.from(labels), codes_m: codes.m, codes_v: codes.v };
}

export default { render: ui.adoptable(renderLatentPlane, adoptedPlane) };
