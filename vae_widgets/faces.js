// Four latents draw a face; every combination of their settings is held against a photo.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderFaces({ model, el }) {
  const SIZE = 24,
    SHARP = 96;
  const names = model.get("names"),
    reach = model.get("reach"),
    variance = model.get("noise") ** 2;
  const grain = ui.floats(model.get("grain"));
  const view = ui.frame(model, el, "Faces and their causes");

  // --- the model: a face is the darker of its lines and its shade, as in vae_widgets/faces.py ---

  // The head's own axes at each pixel, and how far out the pixel is (1 on the outline).
  /** @param {number} tilt @param {number} size */
  function axesOf(tilt, size) {
    const cos = Math.cos(0.2 * tilt),
      sin = Math.sin(0.2 * tilt);
    return ui.range(size * size).map((i) => {
      const right = -1.2 + (2.4 * (i % size)) / (size - 1),
        up = 1.2 - (2.4 * Math.floor(i / size)) / (size - 1);
      const a = cos * right + sin * up,
        b = cos * up - sin * right;
      return { right, a, b, r: (a / 0.85) ** 2 + b * b };
    });
  }

  /** @param {number} a */
  const sigmoid = (a) => engine.sigmoid(a);

  /** @param {Head} head @param {number} smile */
  const lines = (head, smile) =>
    Float64Array.from(head, ({ a, b, r }) => {
      const outline = Math.exp(-(((r - 1) / 0.1) ** 2));
      const eyes = Math.exp(-((Math.abs(a) - 0.33) ** 2 + (b - 0.22) ** 2) / 0.012);
      const lips = -0.42 + 0.13 * smile * ((a / 0.4) ** 2 - 0.5);
      const mouth = Math.exp(-(((b - lips) / 0.06) ** 2)) * sigmoid(25 * (0.42 - Math.abs(a)));
      return 0.95 * Math.max(outline, eyes, mouth);
    });

  // The shade without light, and what full light takes away.
  /** @param {Head} head */
  const dark = (head) => Float64Array.from(head, ({ r }) => 0.62 * sigmoid(12 * (1 - r)));
  /** @param {Head} head @param {number} light */
  const lit = (head, light) =>
    Float64Array.from(head, ({ right, r }) =>
      Math.max(0, right * Math.sin(0.6 * light) + Math.sqrt(Math.max(0, 1 - r)) * Math.cos(0.6 * light)),
    );

  /** @param {Float64Array} darkness @param {Float64Array} light @param {number} intensity */
  function shadeOf(darkness, light, intensity) {
    const share = sigmoid(intensity);
    return light.map((value, i) => darkness[i] * (1 - share * value));
  }

  /** @param {number[]} what @param {number} size */
  function face([light, smile, tilt, intensity], size) {
    const head = axesOf(tilt, size),
      shade = shadeOf(dark(head), lit(head, light), intensity);
    return lines(head, smile).map((line, i) => Math.max(line, shade[i]));
  }

  // log N(photo; face, variance): the density at its peak, less the squared distance.
  const peak = engine.logNormal(new Float32Array(1), new Float32Array(1), [variance], 1)[0] * SIZE * SIZE;
  /** @type {(photo: Float64Array, lineInk: Float64Array, shade: Float64Array) => number} */
  function logLikelihood(photo, lineInk, shade) {
    let sum = 0;
    for (let i = 0; i < photo.length; i++) {
      const d = photo[i] - Math.max(lineInk[i], shade[i]);
      sum += d * d;
    }
    return peak - sum / (2 * variance);
  }

  function photograph() {
    const normals = engine.normals(model.get("seed"));
    const noise = model.get("seed") ? Float64Array.from(grain, () => Math.sqrt(variance) * normals.next()) : grain;
    return face(model.get("truth"), SIZE).map((ink, i) => ink + noise[i]);
  }

  // --- what is shown ---

  const mine = ui.digit("photo", [SHARP, SHARP]),
    photoPicture = ui.digit("photo", [SIZE, SIZE]),
    best = ui.digit("photo", [SHARP, SHARP]);
  const bestCaption = ui.h("span");
  const numbers = ui.numbers([
    ["mine", "fit of your face, log p(x | z)"],
    ["best", "fit of the best guess, log p(x | z)"],
    ["log_px", "all faces together, log p(x)"],
  ]);
  const counts = ui.sentence(
    "{n} settings of each of 4 latents make {faces} faces. Comparing them took {time}. It takes {needed} of them to gather " +
      "90% of the probability. Five latents would make {five} faces. Ten would make {ten} and take {wait}. Even ten switches, on or off, make {switches}.",
  );
  const bars = names.map(() =>
    ui.s("svg", {
      role: "img",
      viewBox: "0 0 200 44",
      preserveAspectRatio: "none",
      style: "height:2.75rem; overflow:hidden",
    }),
  );

  const rows = names.map((name, index) =>
    ui.h(
      "div",
      { class: "vw-grow vw-over" },
      bars[index],
      ui.slider(view, model, { trait: "z", index, name, step: 0.1, digits: 1 }),
    ),
  );

  /** @param {(seed: number) => number[]} of */
  const photographNext = (of) => () => {
    const { seed } = ui.nextSeed(model);
    ui.set(model, { truth: of(seed), seed, reveal: false });
  };
  /** @param {number} seed */
  const stranger = (seed) => {
    const normals = engine.normals(-seed);
    return names.map(() => Math.min(reach, Math.max(-reach, Math.round(10 * normals.next()) / 10)));
  };

  const guess = ui.captioned(best, bestCaption);
  const barsSay = ui.h("p", { class: "vw-heading" }, "A bar says how probable a setting is, given the photo.");
  const fineness = ui.h(
    "div",
    { style: "--vw-label: 5.2rem" },
    ui.slider(view, model, {
      trait: "n",
      name: "settings",
      label: "settings of each latent",
      step: 1,
      digits: 0,
    }),
  );
  const mark = ui.checkbox(view, model, { trait: "reveal", label: "mark what was photographed" });
  view.body.append(
    ui.h(
      "div",
      { class: "vw-row vw-trio" },
      ui.captioned(mine, "your face"),
      ui.captioned(photoPicture, "the photo x"),
      guess,
    ),
    ui.h("p", { class: "vw-heading" }, "The sliders set the latents z of your face."),
    ui.h("div", { class: "vw-row", style: "gap: 0.2rem 1.6rem; --vw-label: 5.2rem" }, rows),
    ui.h("div", {}, numbers.table),
    ui.h(
      "div",
      {},
      ui.answerButton(view, model, "what comparing every face finds", [
        guess,
        ...bars,
        barsSay,
        fineness,
        mark,
        numbers.rows.best,
        numbers.rows.log_px,
        counts.line,
      ]),
    ),
    barsSay,
    fineness,
    counts.line,
    ui.h(
      "div",
      { class: "vw-row", style: "gap: 0.5rem" },
      ui.button(
        "Photograph your face",
        photographNext(() => [...model.get("z")]),
      ),
      ui.button("Photograph a stranger", photographNext(stranger)),
      mark,
    ),
  );

  // --- every combination ---

  /** @type {Float64Array} */
  let photo;
  /** @type {() => void} */
  let stop;
  /** @type {ReturnType<typeof conclude>} */
  let found; // of the last finished comparison
  counts.line.style.visibility = "hidden"; // until there is one

  function compare() {
    stop?.();
    const n = model.get("n"),
      total = n ** 4;
    const settings = ui.range(n).map((i) => -reach + (2 * reach * i) / (n - 1));
    const ones = new Float32Array(1).fill(1);
    const raw = settings.map((z) => engine.logNormal([z], [0], ones, 1)[0]);
    const logPrior = raw.map((value) => value - engine.logMeanExp(raw) - Math.log(n)); // on the grid it adds up to one
    /** @type {{ head: Head, darkness: Float64Array, smiles: Float64Array[] }[]} */
    const tilted = []; // for each tilt what does not depend on the light
    const logJoint = new Float64Array(total);
    let pair = 0,
      busy = 0; // pairs of a light angle and a tilt
    stop = ui.slices(view, () => {
      const start = performance.now();
      const i = Math.floor(pair / n),
        k = pair % n;
      if (!tilted[k]) {
        const head = axesOf(settings[k], SIZE);
        tilted[k] = { head, darkness: dark(head), smiles: settings.map((smile) => lines(head, smile)) };
      }
      const { head, darkness, smiles } = tilted[k],
        light = lit(head, settings[i]);
      settings.forEach((intensity, l) => {
        const shade = shadeOf(darkness, light, intensity);
        for (let j = 0; j < n; j++) {
          logJoint[((i * n + j) * n + k) * n + l] =
            logLikelihood(photo, smiles[j], shade) + logPrior[i] + logPrior[j] + logPrior[k] + logPrior[l];
        }
      });
      busy += performance.now() - start;
      if (++pair < n * n) return false;
      found = conclude(n, settings, logPrior, logJoint, busy);
      showFound();
      return true;
    });
  }

  /**
   * @param {number} n
   * @param {number[]} settings
   * @param {number[]} logPrior
   * @param {Float64Array} logJoint
   * @param {number} busy
   */
  function conclude(n, settings, logPrior, logJoint, busy) {
    const log_px = engine.logMeanExp(logJoint) + Math.log(logJoint.length);
    const posterior = logJoint.map((value) => Math.exp(value - log_px));
    const marginals = names.map(() => new Float64Array(n));
    let top = 0;
    /** @param {number} at */
    /** @param {number} at */
    const indices = (at) => [3, 2, 1, 0].map((power) => Math.floor(at / n ** power) % n);
    posterior.forEach((p, at) => {
      if (p > posterior[top]) top = at;
      if (p > 0) indices(at).forEach((index, latent) => (marginals[latent][index] += p));
    });
    const sorted = posterior.slice().sort();
    let needed = 0;
    for (let sum = 0; sum < 0.9; needed++) sum += sorted[sorted.length - 1 - needed];
    const at = indices(top);
    return {
      n,
      settings,
      marginals,
      needed,
      busy,
      log_px,
      share: posterior[top],
      z: at.map((index) => settings[index]),
      best: logJoint[top] - at.reduce((sum, index) => sum + logPrior[index], 0),
    };
  }

  function showFound() {
    const { n, settings, marginals, needed, busy, log_px, share, z } = found;
    counts.line.style.visibility = "visible";
    ui.paint(best, face(z, SHARP));
    bestCaption.textContent = `best guess, ${ui.format(100 * share, 1)}%`;
    best.setAttribute("aria-label", `The most probable face: ${sentence(z)}`);
    numbers.show({ best: found.best, log_px });
    counts.show({
      n,
      faces: n ** 4,
      needed,
      five: n ** 5,
      ten: n ** 10,
      switches: 2 ** 10,
      time: ui.duration(busy / 1000),
      wait: ui.duration((busy / 1000) * n ** 6),
    });
    // The bars stand over the places that the slider's thumb takes: its range is 200 wide here, bars hang over its ends.
    const width = 200 / (n - 1),
      unit = 42 / Math.max(...marginals.map((p) => Math.max(...p)));
    marginals.forEach((p, latent) => {
      const truth = model.get("reveal") ? 100 * (1 + model.get("truth")[latent] / reach) : null;
      bars[latent].replaceChildren(
        ...settings.map((_, i) =>
          ui.s("rect", {
            x: (i - 0.4) * width,
            width: 0.8 * width,
            y: 43 - unit * p[i],
            height: unit * p[i] + 1,
            fill: ui.INK,
            "fill-opacity": 0.4,
            "data-value": p[i],
          }),
        ),
        ...(truth === null
          ? []
          : [
              ui.s("line", {
                x1: truth,
                x2: truth,
                y1: 0,
                y2: 44,
                stroke: ui.INK,
                "stroke-width": 3,
                "vector-effect": "non-scaling-stroke",
              }),
            ]),
      );
      const likely = p.indexOf(Math.max(...p));
      bars[latent].setAttribute(
        "aria-label",
        `${names[latent]}: ${ui.format(settings[likely], 1)} is most probable, with ${ui.format(100 * p[likely], 0)}%`,
      );
    });
    say();
  }

  /** @param {number[]} z */
  const sentence = (z) => names.map((name, i) => `${name} ${ui.format(z[i], 1)}`).join(", ");
  function say() {
    const others =
      found && model.get("answer")
        ? ` Of ${(found.n ** 4).toLocaleString("en")} faces the most probable one has ${sentence(found.z)}.`
        : "";
    view.say(`Your face has ${sentence(model.get("z"))}.${others}`);
  }

  function drawMine() {
    const z = model.get("z");
    ui.paint(mine, face(z, SHARP));
    mine.setAttribute("aria-label", `Your face: ${sentence(z)}`);
    numbers.show({ mine: logLikelihood(photo, face(z, SIZE), new Float64Array(SIZE * SIZE)) });
    say();
  }

  function takePhoto() {
    photo = photograph();
    ui.paint(
      photoPicture,
      photo.map((value) => Math.min(1, Math.max(0, (value + 0.7) / 2.4))),
    );
    photoPicture.setAttribute("aria-label", "The photo: a small, noisy face");
  }

  view.watch(["truth", "seed"], takePhoto);
  view.watch(["z", "truth", "seed"], drawMine);
  view.watch(["n", "truth", "seed"], compare);
  view.watch(["reveal", "answer"], () => found && showFound());
  return view.stop;
}

export default { render: renderFaces };
