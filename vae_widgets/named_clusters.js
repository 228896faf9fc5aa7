// Digits that are named from a few labels: a Gaussian a class over the codes of all digits, fitted by EM step by step.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

// EM for p(y) p(z|y), p(y) uniform and p(z|y) a Gaussian a class. z: codes, row after row; label: of each code its class,
// or -1 where it is not known. mixtures[k] are the Gaussians after k steps, and logLik[k] the mean over the codes of
// log p(z), or log p(y, z) where y is known. advance(rows) works on so many codes and returns whether a step is done.
/** @param {{ z: Float64Array, label: Int8Array, dim: number, classes: number, diagonal: boolean }} what */
function expectationMaximisation({ z, label, dim, classes, diagonal }) {
  const n = label.length,
    size = dim * dim,
    ridge = 1e-6; // keeps a class of few codes from having no volume
  const logs = new Float64Array(classes),
    shares = new Float64Array(classes);
  const mixtures = [start()];
  /** @type {number[]} */
  const logLik = [];
  /** @type {{ count: Float64Array, first: Float64Array, second: Float64Array, logLik: number }} */
  let sums;
  let at = 0;

  // The labelled codes' means, and half the covariance of all codes for each.
  function start() {
    const mean = new Float64Array(dim),
      all = new Float64Array(size),
      away = new Float64Array(dim);
    for (let i = 0; i < n * dim; i++) mean[i % dim] += z[i] / n;
    for (let i = 0; i < n; i++) {
      for (let r = 0; r < dim; r++) away[r] = z[i * dim + r] - mean[r];
      addOuter(all, 0, away, 0.5 / (n - 1));
    }
    return ui.range(classes).map((c) => {
      const m = new Float64Array(dim),
        those = ui.range(n).filter((i) => label[i] === c);
      for (const i of those) for (let r = 0; r < dim; r++) m[r] += z[i * dim + r] / those.length;
      return engine.gaussian(m, whole(all));
    });
  }

  // Adds w a aᵀ to the lower triangle of a matrix that begins at `from`.
  /** @param {Float64Array} matrix @param {number} from @param {Float64Array} a @param {number} w */
  function addOuter(matrix, from, a, w) {
    for (let r = 0; r < dim; r++) {
      const wr = w * a[r],
        row = from + r * dim;
      for (let c = diagonal ? r : 0; c <= r; c++) matrix[row + c] += wr * a[c];
    }
  }

  // A covariance from its lower triangle.
  /** @param {Float64Array} lower */
  function whole(lower) {
    return lower.map((_, i) => {
      const r = Math.floor(i / dim),
        c = i % dim;
      return lower[r >= c ? i : c * dim + r] + (r === c ? ridge : 0);
    });
  }

  // The names' probabilities for a code, p(y|z), in `shares`; returns log p(z).
  /** @param {Gaussian[]} mixture @param {Float64Array} codes @param {number} row */
  function name(mixture, codes, row) {
    let best = -Infinity,
      sum = 0;
    for (let c = 0; c < classes; c++) {
      logs[c] = engine.logGaussian(codes, row * dim, mixture[c]) - Math.log(classes);
      best = Math.max(best, logs[c]);
    }
    for (let c = 0; c < classes; c++) sum += shares[c] = Math.exp(logs[c] - best);
    for (let c = 0; c < classes; c++) shares[c] /= sum;
    return best + Math.log(sum);
  }

  /** @param {number} rows */
  function advance(rows) {
    const mixture = mixtures.at(-1);
    if (at === 0)
      sums = {
        count: new Float64Array(classes),
        first: new Float64Array(classes * dim),
        second: new Float64Array(classes * size),
        logLik: 0,
      };
    for (const end = Math.min(n, at + rows); at < end; at++) {
      const log = name(mixture, z, at);
      sums.logLik += label[at] < 0 ? log : logs[label[at]];
      if (label[at] >= 0) shares.fill(0)[label[at]] = 1;
      for (let c = 0; c < classes; c++) {
        const share = shares[c],
          { away } = mixture[c]; // about the old mean, which is near
        if (share < 1e-12) continue;
        sums.count[c] += share;
        for (let r = 0; r < dim; r++) sums.first[c * dim + r] += share * away[r];
        addOuter(sums.second, c * size, away, share);
      }
    }
    if (at < n) return false;
    at = 0;
    logLik.push(sums.logLik / n);
    mixtures.push(
      mixture.map(({ m }, c) => {
        const shift = sums.first.slice(c * dim, (c + 1) * dim).map((sum) => sum / sums.count[c]);
        const second = sums.second.slice(c * size, (c + 1) * size).map((sum) => sum / sums.count[c]);
        addOuter(second, 0, shift, -1);
        return engine.gaussian(
          m.map((mean, r) => mean + shift[r]),
          whole(second),
        );
      }),
    );
    return true;
  }

  return {
    mixtures,
    logLik,
    advance,
    /** @param {number} k @param {Float64Array} codes @param {number} row */
    shares(k, codes, row) {
      name(mixtures[k], codes, row);
      return Array.from(shares);
    },
  };
}

/** @type {Render} */
async function renderNamedClusters({ model, el }) {
  const CLASSES = 10,
    EXTENT = 1.1; // of the plane, in which codes reach to about 1
  const PACE = 300; // ms from step to step
  const ROWS = 100; // codes in a slice of the arithmetic
  const STILL = 1e-3; // nats a code: a step that brings less is the last one of a run
  const SHOWN = 6; // test digits whose first name is wrong
  const MARKED = 10; // labelled codes of a class that are drawn
  const HALF = Math.sqrt(2 * Math.log(2)); // of a Gaussian in a plane lies within so many standard deviations
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const scale = model.get("scale"),
    dim = scale.length,
    axes = model.get("axes");
  const [, most] = model.get("_limits").known,
    [, STEPS] = model.get("_limits").steps;
  const labels = ui.bytes(model.get("train_labels")),
    truth = ui.bytes(model.get("test_labels"));
  const pictures = ui.digitsOf(model.get("test_digits"), model.get("raster"));
  /** @param {string} trait */
  const unpack = (trait) =>
    Float64Array.from(new Int8Array(ui.bytes(model.get(trait)).slice().buffer), (whole, i) => whole * scale[i % dim]);
  const z = unpack("train"),
    zTest = unpack("test");
  const view = ui.frame(model, el, "Digits named from a few labels");
  /** @param {number} share */
  const percent = (share, digits = 1) => `${ui.format(100 * share, digits)}%`;

  // --- elements ---

  const plane = ui.plane({
    extent: EXTENT,
    draw,
    mark: () => project(zTest, model.get("digit")),
    onDrag: choose,
    signal: view.signal,
    label: "",
  });
  const playButton = ui.button(
    calm ? "All steps" : "Play",
    () => (calm ? ui.set(model, { steps: STEPS }) : playing ? pause() : play()),
    "primary",
  );
  /** @param {string} label @param {() => void} act */
  const byHand = (label, act) =>
    ui.button(label, () => {
      pause();
      act();
    });
  const stepButton = byHand("One step", () => ui.set(model, { steps: Math.min(STEPS, model.get("steps") + 1) }));
  const againButton = byHand("Start again", () => ui.set(model, { steps: 0 }));
  const otherButton = ui.button("Other labels", () => ui.set(model, { seed: (model.get("seed") % 1e6) + 1 }));
  const numbers = ui.numbers([
    ["right", "test digits named correctly", "one", { digits: 1, unit: "%" }],
    ["loglik", "log-likelihood of a code", "prior"],
  ]);
  const changes = ui.sentence("Since the start, {better} names have become right and {worse} wrong.");
  const charts = { right: ui.h("div"), loglik: ui.h("div") };
  const status = ui.h("p", { class: "vw-heading vw-train-note", role: "status" });
  const chosen = ui.digit("small", model.get("raster")),
    about = ui.h("figcaption");
  const bars = ui.range(CLASSES).map((c) => {
    const bar = ui.h("span", { class: "swatch turned" }),
      words = ui.h("small");
    return { bar, words, whole: ui.h("div", {}, ui.h("span", { class: "vw-share" }, bar), String(c), words) };
  });
  const posterior = ui.h(
    "div",
    { class: "vw-shares vw-clusters-bars", style: `--count:${CLASSES}`, role: "img" },
    bars.map(({ whole }) => whole),
  );
  const mended = ui.range(SHOWN).map(() => {
    const picture = ui.digit("small", model.get("raster")),
      words = ui.h("figcaption");
    return { picture, words, whole: ui.h("figure", {}, picture, words) };
  });
  const names = ui.keys(ui.range(CLASSES).map((c) => [ui.CLASSES[c], String(c)]));
  names.classList.add("vw-train-classes");
  names.querySelectorAll(".swatch").forEach((swatch) => swatch.classList.add("turned")); // as the plane is
  const count = labels.length.toLocaleString("en");

  view.body.append(
    ui.h("div", { class: "vw-buttons" }, playButton, stepButton, againButton, otherButton),
    status,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow" },
        plane.canvas,
        names,
        ui.h(
          "p",
          { class: "vw-heading" },
          `${truth.length.toLocaleString("en")} test digits in the colours of their names at present; a cross is a wrong name. Small digits: labelled codes, at most ${MARKED} of a class. ` +
            "Large digits and ellipses: each class’s mean, and the half of its Gaussian around it. Click a dot.",
        ),
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 4.8rem" },
        ui.h(
          "div",
          {},
          ui.slider(view, model, {
            trait: "known",
            name: "labels",
            label: "known labels",
            values: [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].filter((n) => n <= most),
            show: (n) => n.toLocaleString("en"),
          }),
          ui.slider(view, model, { trait: "steps", name: "EM steps", step: 1, show: String }),
          ui.slider(view, model, {
            trait: "digit",
            name: "test digit",
            label: "test digit to look at",
            step: 1,
            show: (i) => `${i + 1}`,
          }),
          ui.checkbox(view, model, { trait: "diagonal", label: "diagonal covariances" }),
        ),
        numbers.table,
        charts.right,
        charts.loglik,
      ),
    ),
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow" },
        ui.h("p", { class: "vw-heading" }, "Bayes’ rule for the chosen test digit: p(y|z)"),
        ui.h("div", { class: "vw-clusters-one" }, ui.h("figure", {}, chosen, about), posterior),
      ),
      ui.h(
        "div",
        { class: "vw-grow" },
        ui.h("p", { class: "vw-heading" }, `The first ${SHOWN} test digits whose name is wrong at the start`),
        ui.h(
          "div",
          { class: "vw-clusters-mended" },
          mended.map(({ whole }) => whole),
        ),
        changes.line,
      ),
    ),
    ui.h(
      "p",
      { class: "vw-heading" },
      `The plane is a shadow of ${dim} latents, chosen with all labels for your eyes only. EM has all ${dim} latents of ${count} other digits, and the labels that are known.`,
    ),
  );

  // --- the arithmetic: as many steps as are asked for, each once ---

  /** @type {Fit} */
  let fit;
  let key = "",
    stopSlices = () => {};

  // The labelled images: of each class the first of a shuffled order, so that more labels are the same ones and more.
  function drawLabels() {
    const order = engine.normals(model.get("seed")).fill(new Float32Array(labels.length));
    const each = model.get("known") / CLASSES;
    return ui.range(CLASSES).flatMap((c) =>
      ui
        .range(labels.length)
        .filter((i) => labels[i] === c)
        .sort((i, j) => order[i] - order[j])
        .slice(0, each),
    );
  }

  function begin() {
    const labelled = drawLabels(),
      label = new Int8Array(labels.length).fill(-1);
    for (const i of labelled) label[i] = labels[i];
    fit = {
      ...expectationMaximisation({ z, label, dim, classes: CLASSES, diagonal: model.get("diagonal") }),
      labelled,
      names: [],
      right: [],
    };
    ui.set(model, { labelled });
    while (!compute(labels.length));
  }

  // Some codes' share of a step. Returns whether the step is done: the Gaussians before it are judged then.
  /** @param {number} rows */
  function compute(rows) {
    if (!fit.advance(rows)) return false;
    const k = fit.names.length;
    const names = Uint8Array.from(truth, (_, i) => best(fit.shares(k, zTest, i)));
    fit.names.push(names);
    fit.right.push(names.filter((name, i) => name === truth[i]).length / truth.length);
    return true;
  }

  /** @param {number[]} shares */
  const best = (shares) => shares.indexOf(Math.max(...shares));
  const step = () => Math.min(model.get("steps"), fit.names.length - 1); // that is shown
  const behind = () => fit.names.length <= model.get("steps");

  function work() {
    stopSlices();
    view.root.setAttribute("aria-busy", String(behind()));
    if (!behind()) return;
    stopSlices = ui.slices(view, () => {
      if (!compute(ROWS)) return false;
      if (behind()) {
        if (!calm && drawing === null) drawing = requestAnimationFrame(show);
        return false;
      }
      if (drawing === null) drawing = requestAnimationFrame(show);
      return true;
    });
  }

  // --- the run ---

  let playing = false,
    away = false,
    expected = 0;
  /** @type {number} */
  let timer;
  /** @type {number | null} */
  let drawing = null;

  function play() {
    playing = true;
    if (model.get("steps") === STEPS) ui.set(model, { steps: 0 });
    expected = model.get("steps");
    status.textContent = "";
    playButton.textContent = "Pause";
    soon();
  }

  function soon() {
    clearTimeout(timer);
    if (playing && !away) timer = setTimeout(next, PACE);
  }

  function next() {
    if (behind()) return soon();
    const k = model.get("steps"),
      gain = k ? fit.logLik[k] - fit.logLik[k - 1] : Infinity;
    if (k === STEPS) return pause();
    if (gain < STILL)
      return pause(`Stopped by itself: the last step raised the log-likelihood by less than ${STILL} nats a code.`);
    expected = k + 1;
    ui.set(model, { steps: expected });
    soon();
  }

  function pause(why = "") {
    playing = false;
    clearTimeout(timer);
    if (!calm) playButton.textContent = "Play";
    status.textContent = why;
  }

  let seen = true;
  const look = () => {
    away = document.hidden || !seen;
    soon();
  };
  const observer = new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    look();
  });
  observer.observe(view.root);
  document.addEventListener("visibilitychange", look, { signal: view.signal });
  view.signal.addEventListener("abort", () => {
    observer.disconnect();
    clearTimeout(timer);
    stopSlices();
  });

  // --- drawing ---

  /** @returns {[number, number]} */
  /** @param {Numbers} codes @param {number} row */
  function project(codes, row) {
    const place = [0, 0];
    for (let r = 0; r < dim; r++) for (const a of [0, 1]) place[a] += axes[a * dim + r] * codes[row * dim + r];
    const [x, y] = place.map((value) => Math.max(-EXTENT, Math.min(EXTENT, value)));
    return [x, y];
  }
  const places = ui.range(truth.length).map((row) => project(zTest, row));

  // The test digit whose dot is nearest.
  /** @param {[number, number]} what */
  function choose([x, y]) {
    const distance = places.map(([px, py]) => (px - x) ** 2 + (py - y) ** 2);
    ui.set(model, { digit: distance.indexOf(Math.min(...distance)) });
  }

  /** @param {CanvasRenderingContext2D} context @param {Place} place @param {number} unit */
  function draw(context, place, unit) {
    const k = step(),
      names = fit.names[k],
      side = 2 * EXTENT * unit,
      size = Math.max(1.6, side / 230);
    ui.cross(context, place, EXTENT);
    context.lineWidth = 1.3;
    places.forEach((at, i) => {
      const [x, y] = place(...at);
      context.fillStyle = context.strokeStyle = ui.CLASSES[names[i]];
      context.beginPath();
      if (names[i] === truth[i]) {
        context.arc(x, y, size, 0, 2 * Math.PI);
        context.fill();
      } else {
        for (const turn of [-1, 1]) {
          context.moveTo(x - 1.4 * size, y - turn * 1.4 * size);
          context.lineTo(x + 1.4 * size, y + turn * 1.4 * size);
        }
        context.stroke();
      }
    });
    context.textAlign = "center";
    context.textBaseline = "middle";
    const drawn = new Array(CLASSES).fill(0);
    for (const i of fit.labelled)
      if (drawn[labels[i]]++ < MARKED) letter(context, labels[i], place(...project(z, i)), 11, 3);
    fit.mixtures[k].forEach(({ m, covariance }, c) => {
      const [a, b, d] = shadow(covariance),
        middle = (a + d) / 2,
        spread = Math.hypot((a - d) / 2, b);
      const [x, y] = place(...project(m, 0));
      /** @type {[number, string][]} */
      const strokes = [
        [5, "#fff"],
        [2.5, ui.CLASSES[c]],
      ];
      for (const [width, colour] of strokes) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.beginPath();
        context.ellipse(
          x,
          y,
          HALF * unit * Math.sqrt(middle + spread),
          HALF * unit * Math.sqrt(Math.max(0, middle - spread)),
          -Math.atan2(2 * b, a - d) / 2,
          0,
          2 * Math.PI,
        );
        context.stroke();
      }
    });
    fit.mixtures[k].forEach(({ m }, c) => letter(context, c, place(...project(m, 0)), 24, 6));
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} c
   * @param {[number, number]} rest
   * @param {number} size
   * @param {number} halo
   */
  function letter(context, c, [x, y], size, halo) {
    context.font = `700 ${size}px sans-serif`;
    context.lineJoin = "round";
    context.lineWidth = halo;
    context.strokeStyle = "#fff";
    context.strokeText(String(c), x, y);
    context.fillStyle = ui.CLASSES[c];
    context.fillText(String(c), x, y);
  }

  // The covariance in the plane: across, mixed and up.
  /** @param {Numbers} covariance */
  function shadow(covariance) {
    return [
      [0, 0],
      [0, 1],
      [1, 1],
    ].map(([p, q]) => {
      let sum = 0;
      for (let r = 0; r < dim; r++)
        for (let c = 0; c < dim; c++) sum += axes[p * dim + r] * covariance[r * dim + c] * axes[q * dim + c];
      return sum;
    });
  }

  /**
   * @param {"right" | "loglik"} name
   * @param {number[]} values
   * @param {{ colour: string, label: string, low: number, high: number, words: string }} what
   */
  function drawChart(name, values, { colour, label, low, high, words }) {
    const { svg, plot, x, y } = ui.axes({
      width: 420,
      height: 158,
      left: 56,
      label: words,
      x: { min: 0, max: STEPS, ticks: 6, label: "steps of EM" },
      y: { min: low, max: high, ticks: 4, label },
    });
    plot.append(
      ui.s("path", {
        d: ui.path(values.map((value, k) => [x(k), y(value)])),
        fill: "none",
        stroke: colour,
        "stroke-width": 2.2,
      }),
    );
    svg.append(ui.s("circle", { cx: x(values.length - 1), cy: y(values.at(-1)), r: 4.5, fill: colour }));
    charts[name].replaceChildren(svg);
  }

  function drawDigit() {
    const i = model.get("digit"),
      k = step(),
      shares = fit.shares(k, zTest, i),
      name = fit.names[k][i];
    ui.paint(chosen, pictures[i]);
    chosen.setAttribute("aria-label", `Test digit ${i + 1}`);
    about.textContent = `a ${truth[i]}, named ${name}`;
    bars.forEach(({ bar, words }, c) => {
      ui.put(bar, { style: `--colour:${ui.CLASSES[c]};height:${100 * shares[c]}%` });
      words.textContent = shares[c] < 0.005 ? "" : percent(shares[c], 0);
    });
    const heard = ui
      .range(CLASSES)
      .filter((c) => shares[c] >= 0.005)
      .map((c) => `${c}: ${percent(shares[c], 0)}`)
      .join(", ");
    posterior.setAttribute("aria-label", `p(y|z) of test digit ${i + 1}, a ${truth[i]}: ${heard}`);
  }

  function drawMended() {
    const first = fit.names[0],
      names = fit.names[step()],
      all = ui.range(truth.length);
    const wrong = all.filter((i) => first[i] !== truth[i]);
    mended.forEach(({ picture, words, whole }, n) => {
      const i = wrong[n];
      whole.style.visibility = i === undefined ? "hidden" : "";
      if (i === undefined) return;
      ui.paint(picture, pictures[i]);
      picture.setAttribute("aria-label", `Test digit ${i + 1}, a ${truth[i]}`);
      words.textContent = `${first[i]}${names[i] === first[i] ? "" : `→${names[i]}`} ${names[i] === truth[i] ? "✓" : "✗"}`;
    });
    changes.show({
      better: wrong.filter((i) => names[i] === truth[i]).length,
      worse: all.filter((i) => first[i] === truth[i] && names[i] !== truth[i]).length,
    });
  }

  function show() {
    drawing = null;
    if (view.signal.aborted) return;
    view.root.setAttribute("aria-busy", String(behind()));
    const k = step(),
      right = fit.right.slice(0, k + 1),
      logLik = fit.logLik.slice(0, k + 1);
    plane.redraw();
    numbers.show({ right: 100 * right[k], loglik: logLik[k] });
    const words = [
      `${percent(right[k])} of the test digits are named correctly${k ? `, from ${percent(right[0])} at the start` : ""}`,
      `the mean log-likelihood of a code is ${ui.format(logLik[k])} nats`,
    ];
    drawChart(
      "right",
      right.map((share) => 100 * share),
      { colour: ui.COLOURS.one, label: "% correct", low: 0, high: 100, words: `Step by step: ${words[0]}` },
    );
    const low = Math.floor(logLik[0]);
    drawChart("loglik", logLik, {
      colour: ui.COLOURS.prior,
      label: "nats a code",
      low,
      high: Math.max(low + 8, Math.ceil(logLik[k]) + 1),
      words: `Step by step: ${words[1]}`,
    });
    drawDigit();
    drawMended();
    plane.canvas.setAttribute(
      "aria-label",
      `The codes of test digits in a plane, in the colours of their names after ${k} steps of EM; ${words[0]}`,
    );
    view.say(
      `${model.get("known")} known labels, ${model.get("diagonal") ? "diagonal" : "full"} covariances, step ${k}: ${words.join("; ")}. ` +
        `Test digit ${model.get("digit") + 1}, a ${truth[model.get("digit")]}, is named ${fit.names[k][model.get("digit")]}.`,
    );
  }

  function update() {
    const now = ["known", "seed", "diagonal"].map((trait) => model.get(trait)).join(" ");
    if (now !== key) {
      key = now;
      begin();
    }
    if (playing && model.get("steps") !== expected) pause();
    work();
    if (!behind() || !calm) show();
  }

  view.watch(["known", "seed", "steps", "diagonal"], update);
  view.watch(["digit"], () => {
    plane.move();
    drawDigit();
    view.say(
      `Test digit ${model.get("digit") + 1}, a ${truth[model.get("digit")]}, is named ${fit.names[step()][model.get("digit")]}.`,
    );
  });
  return view.stop;
}

export default { render: renderNamedClusters };
