// log p(x) with two latents: its integrand over the plane, a grid's sum, and samples from the prior.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderIntegral({ model, el }) {
  const decoder = await ui.network(model, "decoder");
  const digits = ui.digitsOf(model.get("digits"), model.get("raster")),
    labels = ui.bytes(model.get("labels"));
  const exact = model.get("exact"),
    spots = model.get("spots");
  const limit = model.get("limit"),
    sizes = model.get("sizes"),
    counts = model.get("counts");
  const FINEST = sizes.at(-1),
    MOST = counts.at(-1);
  const SHOWN = 51; // grid points along a side of the plane's picture; the grids up to it are always computed
  const CLOSE = 41; // and of the close-up's
  const BATCH = 32; // decodes in one slice
  const MARGIN = 100; // nats below the peak: what lies deeper in the grid of SHOWN is not looked at more finely
  // A link may ask for what is not on the sliders.
  /** @type {[trait: string, allowed: unknown[]][]} */
  const choices = [
    ["n", sizes],
    ["m", counts],
    ["method", ["grid", "samples"]],
  ];
  for (const [trait, allowed] of choices) {
    if (!allowed.includes(model.get(trait))) model.set(trait, model.get("_defaults")[trait]);
  }
  const view = ui.frame(model, el, "The integral behind log p(x)");

  // --- what is shown ---

  const wide = ui.plane({
    extent: limit,
    draw: drawPlane,
    signal: view.signal,
    label: "The integrand over the latent plane",
  });
  const near = ui.plane({ extent: 1, draw: drawNear, signal: view.signal, label: "The integrand where it is largest" });
  const numbers = ui.numbers([
    ["exact", "log p(x), exact", "truth"],
    ["grid", "log p(x) by the grid", "one"],
    ["grid_error", "error of the grid"],
    ["samples", "log p(x) by the samples", "prior"],
    ["samples_error", "error of the samples"],
  ]);
  const work = ui.sentence("The grid has {n} × {n2} = {points} points. {state}");
  const more = ui.sentence("With {latents} latents it would have {count} points.");
  const time = ui.sentence("One decode takes {each} here, and all of those {wait}.");
  time.line.hidden = true; // until one has been timed

  // Errors of thousands and of thousandths in one picture: linear within 0.1, logarithmic beyond.
  /** @param {number} error */
  const bend = (error) => Math.asinh(error / 0.1);
  const ticks = [-1000, -100, -10, -1, 0, 1, 10];
  const powers = [1, 10, 100, 1000, 10_000, 100_000];
  const plot = ui.axes({
    width: 420,
    height: 250,
    left: 58,
    label: "Error of both estimates by the number of decodes",
    x: {
      min: 1,
      max: 200_000,
      log: true,
      ticks: powers,
      label: "decodes",
      format: (value) => value.toLocaleString("en"),
    },
    y: {
      min: bend(-5000),
      max: bend(30),
      ticks: ticks.map(bend),
      label: "error (nats)",
      format: (value) =>
        String(Math.round(10 * Math.sinh(value)) / 100)
          .replace(/\.\d+/, "")
          .replace("-", "−"),
    },
  });
  const curves = ui.s("g");
  plot.plot.append(curves);

  const errors = ui.h(
    "div",
    { class: "vw-grow" },
    plot.svg,
    ui.keys([
      ["one", "error of each grid"],
      ["prior", "error of the samples, as they come"],
    ]),
  );
  view.body.append(
    ui.digitChoice(view, model, digits, { labels, legend: "The digit x" }),
    ui.h(
      "div",
      { class: "vw-row vw-two" },
      ui.h(
        "div",
        {},
        wide.canvas,
        ui.h(
          "p",
          { class: "vw-heading" },
          "log p(x | z) p(z) over the plane, down to 60 nats below its peak. The rings are the prior.",
        ),
      ),
      ui.h(
        "div",
        {},
        near.canvas,
        ui.h("p", { class: "vw-heading" }, "p(x | z) p(z) in the small square. What falls in here makes the sum."),
      ),
    ),
    ui.radio(view, model, {
      trait: "method",
      legend: "Show the points of",
      options: [
        ["grid", "the grid"],
        ["samples", "the samples"],
      ],
    }),
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "--vw-label: 6.6rem; gap: 0.2rem" },
        ui.slider(view, model, { trait: "n", name: "grid, a side", values: sizes, digits: 0 }),
        ui.slider(view, model, {
          trait: "m",
          name: "samples",
          values: counts,
          show: (value) => value.toLocaleString("en"),
        }),
        ui.slider(view, model, { trait: "latents", name: "latents", step: 1, digits: 0 }),
        ui.h(
          "div",
          { class: "vw-buttons" },
          ui.button("Other samples", () => ui.set(model, ui.nextSeed(model))),
          ui.answerButton(view, model, "the exact value", [
            errors,
            numbers.rows.exact,
            numbers.rows.grid_error,
            numbers.rows.samples_error,
          ]),
        ),
        ui.h("div", {}, numbers.table),
      ),
      errors,
    ),
    ui.h("div", {}, work.line, more.line, time.line),
  );

  // --- the integrand, point by point: every decode serves all digits ---

  /** @type {[Numbers, Numbers]} */
  const standard = [new Float32Array(2), new Float32Array(2).fill(1)];
  let decoded = 0,
    busy = 0; // since the page was opened, in points and ms

  /** @param {Float32Array} z */
  function logJoints(z, some = digits) {
    const start = performance.now(),
      rows = z.length / 2;
    const logits = engine.forward(decoder, z, rows);
    const log_prior = engine.logNormal(z, ...standard, 2, rows);
    const joints = some.map((x) =>
      engine.logBernoulli(x, logits, decoder.outputs, rows).map((value, i) => value + log_prior[i]),
    );
    decoded += rows;
    busy += performance.now() - start;
    return joints;
  }

  // The finest grid, of which the others are a part: what is known of it so far.
  const known = new Uint8Array(FINEST * FINEST);
  const lattice = digits.map(() => new Float32Array(FINEST * FINEST).fill(NaN));
  /** @param {number} index */
  const at = (index) => -limit + (2 * limit * index) / (FINEST - 1);
  const progress = Object.fromEntries(sizes.map((n) => [n, 0])); // points of each grid that have been looked at
  /** @param {number} n */
  const isDone = (n, digit = model.get("digit")) => progress[n] === n * n || refined.get(`${digit} ${n}`)?.isDone;
  /** @param {number} n @param {number} i */
  const place = (n, i) => {
    const step = (FINEST - 1) / (n - 1);
    return step * Math.floor(i / n) * FINEST + step * (i % n); // rows: z₂, columns: z₁
  };

  /** @param {number} n */
  function extendGrid(n) {
    /** @type {number[]} */
    const batch = [];
    while (batch.length < BATCH && !isDone(n)) {
      const index = place(n, progress[n]++);
      if (!known[index]) batch.push(index);
    }
    if (!batch.length) return;
    const z = Float32Array.from(batch.flatMap((index) => [at(index % FINEST), at(Math.floor(index / FINEST))]));
    logJoints(z).forEach((joint, d) => batch.forEach((index, i) => (lattice[d][index] = joint[i])));
    batch.forEach((index) => (known[index] = 1));
  }

  // A grid that is the one of SHOWN with its spacing halved once or more is looked at where that one is high: what is
  // left out, of one digit, adds less than 10⁻⁹ to its sum. Spacing by spacing, the neighbours of what lies near the peak.
  const COARSE = (FINEST - 1) / (SHOWN - 1); // its spacing, in points of the finest grid
  /** @param {number} n */
  const isRefined = (n) => n > SHOWN && Number.isInteger(Math.log2((n - 1) / (SHOWN - 1)));
  /** @type {Map<string, { spacing: number, todo: number[], isDone: boolean }>} */
  const refined = new Map(); // [digit, n] -> { spacing, todo: indices, isDone }

  /** @param {Float32Array} values @param {number} spacing */
  function neighbours(values, spacing) {
    const found = new Set(),
      half = spacing / 2;
    let top = -Infinity;
    for (let row = 0; row < FINEST; row += spacing) {
      for (let column = 0; column < FINEST; column += spacing) {
        const value = values[FINEST * row + column];
        if (value > top) top = value;
      }
    }
    const least = top - (MARGIN * spacing) / COARSE;
    for (let row = 0; row < FINEST; row += spacing) {
      for (let column = 0; column < FINEST; column += spacing) {
        if (!(values[FINEST * row + column] >= least)) continue;
        for (const r of [row - half, row, row + half]) {
          for (const c of [column - half, column, column + half]) {
            if (r >= 0 && c >= 0 && r < FINEST && c < FINEST && Number.isNaN(values[FINEST * r + c]))
              found.add(FINEST * r + c);
          }
        }
      }
    }
    return [...found];
  }

  /** @param {number} digit @param {number} n */
  function refineGrid(digit, n) {
    const key = `${digit} ${n}`;
    if (!refined.has(key)) refined.set(key, { spacing: COARSE, todo: [], isDone: false });
    const state = refined.get(key);
    while (!state.todo.length && state.spacing > (FINEST - 1) / (n - 1)) {
      state.todo = neighbours(lattice[digit], state.spacing);
      state.spacing /= 2;
    }
    const batch = state.todo.splice(0, BATCH);
    state.isDone = !batch.length;
    if (state.isDone) return;
    const z = Float32Array.from(batch.flatMap((index) => [at(index % FINEST), at(Math.floor(index / FINEST))]));
    const [joint] = logJoints(z, [digits[digit]]);
    batch.forEach((index, i) => (lattice[digit][index] = joint[i]));
  }

  /** @type {Map<string, { log_px: number, count: number }>} */
  const sums = new Map(); // [digit, n] -> log p(x) by that grid, and how many of its points were decoded
  /** @param {number} digit @param {number} n */
  function gridSum(digit, n) {
    if (!isDone(n, digit)) return { log_px: NaN, count: 0 };
    const key = `${digit} ${n}`;
    if (!sums.has(key)) {
      const terms = Float64Array.from({ length: n * n }, (_, i) => lattice[digit][place(n, i)]).filter(
        (term) => !Number.isNaN(term),
      );
      const count = terms.length;
      sums.set(key, {
        count,
        log_px: engine.logMeanExp(terms) + Math.log(count) + 2 * Math.log((2 * limit) / (n - 1)),
      });
    }
    return sums.get(key);
  }

  const closeUps = digits.map(() => ({ values: new Float64Array(CLOSE * CLOSE), filled: 0 }));
  /** @param {number} digit */
  function extendCloseUp(digit) {
    const { values, filled } = closeUps[digit],
      [m1, m2, half] = spots[digit];
    const rows = Math.min(BATCH, values.length - filled);
    const z = Float32Array.from({ length: 2 * rows }, (_, k) => {
      const i = filled + (k >> 1);
      return k % 2
        ? m2 + half * (1 - (2 * Math.floor(i / CLOSE)) / (CLOSE - 1))
        : m1 + half * ((2 * (i % CLOSE)) / (CLOSE - 1) - 1);
    });
    values.set(logJoints(z, [digits[digit]])[0], filled);
    closeUps[digit].filled += rows;
  }

  // What is wanted next: coarse grids for a first picture, the close-up, the other small grids, the one asked for.
  let running = false;
  function workOn() {
    if (running) return;
    running = true;
    ui.slices(view, () => {
      const digit = model.get("digit"),
        n = model.get("n");
      const small = sizes.find((size) => size <= SHOWN && !isDone(size, digit));
      if (small < 30) extendGrid(small);
      else if (closeUps[digit].filled < CLOSE * CLOSE) extendCloseUp(digit);
      else if (small) extendGrid(small);
      else if (!isDone(n)) isRefined(n) ? refineGrid(digit, n) : extendGrid(n);
      else running = false;
      redraw(running ? 100 : 0);
      return !running;
    });
  }

  // --- samples from the prior, in a Worker: with q = p(z), a log weight is log p(x|z) ---

  const drawn = { key: "", count: 0, wanted: 0, z: new Float32Array(2 * MOST), estimate: new Float64Array(MOST) };
  /** @type {ReturnType<typeof engine.boundJob>} */
  let job;
  view.signal.addEventListener("abort", () => job?.cancel());

  function sample() {
    const digit = model.get("digit"),
      seed = model.get("seed"),
      m = model.get("m"),
      key = `${digit} ${seed}`;
    if (drawn.key !== key) Object.assign(drawn, { key, count: 0, wanted: 0 });
    if (drawn.wanted >= m) return;
    drawn.wanted = m;
    let done = 0,
      top = -Infinity,
      sum = 0; // of the weights so far: their sum is sum * e^top
    const q = { m: standard[0], v: standard[1] };
    job = engine.boundJob(
      model.get("_esm"),
      { dec: decoder },
      digits[digit],
      m,
      seed,
      ({ logW, z }) => {
        drawn.z.set(z, 2 * done);
        for (const value of logW) {
          if (value > top) {
            sum *= Math.exp(top - value);
            top = value;
          }
          sum += Math.exp(value - top);
          drawn.estimate[done++] = top + Math.log(sum / done);
        }
        drawn.count = Math.max(drawn.count, done);
        redraw(100);
      },
      (error) => error && view.say(`No more samples: ${error.message}`),
      { q, replaces: job },
    );
  }

  // --- drawing ---

  // Values on a grid as a picture, their peak in full ink; rows run down.
  /** @param {Float64Array} values @param {number} n @param {(value: number) => number} opacity */
  function pictureOf(values, n, opacity) {
    const canvas = ui.h("canvas", { width: n, height: n }),
      context = canvas.getContext("2d");
    const image = context.createImageData(n, n),
      top = values.reduce((a, b) => Math.max(a, b), -Infinity);
    image.data.fill(26);
    values.forEach((value, i) => (image.data[4 * i + 3] = 255 * opacity(value - top)));
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** @type {Map<string, HTMLCanvasElement>} */
  const pictures = new Map();
  /** @param {string} key @param {() => HTMLCanvasElement} make */
  function remember(key, make) {
    if (!pictures.has(key)) pictures.set(key, make());
    return pictures.get(key);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} side @param {HTMLCanvasElement} picture */
  function drawPicture(context, side, picture) {
    // The outer points lie on the edge, their pixels reach half beyond it.
    const beyond = side / (picture.width - 1) / 2;
    context.save();
    context.beginPath();
    context.rect(0, 0, side, side);
    context.clip();
    context.drawImage(picture, -beyond, -beyond, side + 2 * beyond, side + 2 * beyond);
    context.restore();
  }

  // The points of the chosen method as squares, unless they would cover all; `spacing` is that of the grid's, in pixels.
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Place} toPixels
   * @param {number} side
   * @param {number} spacing
   * @param {number} size
   * @param {number} most
   */
  function drawPoints(context, toPixels, side, spacing, size, most) {
    /** @param {number} z1 @param {number} z2 */
    const dot = (z1, z2) => {
      const [x, y] = toPixels(z1, z2);
      if (x >= 0 && y >= 0 && x <= side && y <= side) context.fillRect(x - size / 2, y - size / 2, size, size);
    };
    context.globalAlpha = 0.6;
    if (model.get("method") === "grid" && spacing > 5) {
      const n = model.get("n"),
        z = ui.range(n).map((i) => -limit + (2 * limit * i) / (n - 1));
      context.fillStyle = ui.COLOURS.one;
      for (const z1 of z) for (const z2 of z) dot(z1, z2);
    } else if (model.get("method") === "samples") {
      context.fillStyle = ui.COLOURS.prior;
      const count = Math.min(model.get("m"), drawn.count, most);
      for (let i = 0; i < count; i++) dot(drawn.z[2 * i], drawn.z[2 * i + 1]);
    }
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {Place} toPixels @param {number} scale */
  function drawPlane(context, toPixels, scale) {
    const digit = model.get("digit"),
      n = sizes.findLast((size) => size <= SHOWN && isDone(size)),
      side = 2 * limit * scale;
    context.strokeStyle = ui.COLOURS.line;
    context.strokeRect(0.5, 0.5, side - 1, side - 1);
    if (!n) return;
    drawPicture(
      context,
      side,
      remember(`${digit} ${n}`, () => {
        const upwards = Float64Array.from(
          { length: n * n },
          (_, i) => lattice[digit][place(n, (n - 1 - Math.floor(i / n)) * n + (i % n))],
        );
        return pictureOf(upwards, n, (value) => Math.max(0, 1 + value / 60));
      }),
    );
    context.strokeStyle = ui.COLOURS.prior;
    context.lineWidth = 1.5;
    for (const radius of [1, 2, 3]) {
      context.beginPath();
      context.arc(...toPixels(0, 0), radius * scale, 0, 2 * Math.PI);
      context.stroke();
    }
    drawPoints(context, toPixels, side, side / (model.get("n") - 1), 2.5, 3000);
    const [m1, m2, half] = spots[digit],
      [x, y] = toPixels(m1 - half, m2 + half);
    context.strokeStyle = ui.INK;
    context.lineWidth = 2;
    context.strokeRect(x, y, 2 * half * scale, 2 * half * scale);
  }

  /** @param {CanvasRenderingContext2D} context @param {Place} toPixels @param {number} scale */
  function drawNear(context, toPixels, scale) {
    const digit = model.get("digit"),
      [m1, m2, half] = spots[digit],
      side = 2 * scale;
    const { values, filled } = closeUps[digit];
    if (filled === values.length)
      drawPicture(
        context,
        side,
        remember(`${digit} close`, () => pictureOf(values, CLOSE, Math.exp)),
      );
    const spacing = ((2 * limit) / (model.get("n") - 1)) * (scale / half);
    drawPoints(context, (z1, z2) => toPixels((z1 - m1) / half, (z2 - m2) / half), side, spacing, 5, MOST);
    context.strokeStyle = ui.INK;
    context.lineWidth = 2;
    context.strokeRect(1, 1, side - 2, side - 2);
  }

  function drawCurves() {
    const digit = model.get("digit"),
      n = model.get("n"),
      truth = exact[digit];
    const shown = sizes.filter((size) => isDone(size));
    const grids = shown.map((size) => [plot.x(size * size), plot.y(bend(gridSum(digit, size).log_px - truth))]);
    const samples = Math.min(drawn.count, model.get("m"));
    const steps = [...new Set(ui.range(240).map((i) => Math.floor(samples ** (i / 239))))].filter(
      (step) => step >= 1 && step <= samples,
    );
    const paths = steps.map((step) => [plot.x(step), plot.y(bend(drawn.estimate[step - 1] - truth))]);
    /** @param {number[][]} points @param {string} colour */
    const line = (points, colour) =>
      ui.s("path", { d: ui.path(points), fill: "none", stroke: ui.colourOf(colour), "stroke-width": 2 });
    /** @type {(place: number[], colour: string, r: number) => Element} */
    const spot = ([x, y], colour, r) => ui.s("circle", { cx: x, cy: y, r, fill: ui.colourOf(colour) });
    curves.replaceChildren(
      ui.s("line", { x1: plot.x(1), x2: plot.x(200_000), y1: plot.y(0), y2: plot.y(0), stroke: ui.COLOURS.truth }),
      line(grids, "one"),
      ...grids.map((point, i) => spot(point, "one", shown[i] === n ? 6 : 3)),
      line(paths, "prior"),
      ...(paths.length ? [spot(paths.at(-1), "prior", 6)] : []),
    );
  }

  function update() {
    const digit = model.get("digit"),
      n = model.get("n"),
      m = model.get("m"),
      latents = model.get("latents");
    const truth = exact[digit],
      { log_px: grid, count: looked } = gridSum(digit, n),
      count = Math.min(m, drawn.count);
    const samples = count ? drawn.estimate[count - 1] : NaN;
    numbers.show({ exact: truth, grid, grid_error: grid - truth, samples, samples_error: samples - truth });
    wide.redraw();
    near.redraw();
    drawCurves();
    const each = busy / decoded / 1000;
    const few = "of them were decoded. At the others the integrand is too small to count.";
    const state = !isDone(n)
      ? "They are being decoded."
      : looked === n * n
        ? "All were decoded."
        : `${looked.toLocaleString("en")} ${few}`;
    work.show({ n, n2: n, points: n * n, state });
    more.show({ latents, count: ui.grand(n ** latents) });
    time.line.hidden = !decoded;
    if (decoded) time.show({ each: ui.duration(each), wait: ui.duration(each * n ** latents) });
    view.root.setAttribute("aria-busy", String(running || count < m));
    /** @param {number} value */
    const by = (value) => (Number.isNaN(value) ? "being computed" : `${ui.format(value)} nats`);
    const words =
      `Test digit ${digit + 1}, a ${labels[digit]}: log p(x) ${model.get("answer") ? `is ${by(truth)}; ` : ""}by a grid of ${n} by ${n} points: ` +
      `${by(grid)}, by ${m.toLocaleString("en")} samples from the prior: ${by(samples)}.`;
    wide.canvas.setAttribute("aria-label", `The integrand over the latent plane. ${words}`);
    near.canvas.setAttribute("aria-label", `The integrand of test digit ${digit + 1} where it is largest`);
    view.say(words);
  }

  /** @type {number | null} */
  let waiting;
  /** @param {number} delay */
  function redraw(delay) {
    if (waiting && delay) return;
    clearTimeout(waiting);
    waiting = setTimeout(
      () =>
        requestAnimationFrame(() => {
          waiting = null;
          if (!view.signal.aborted) update();
        }),
      delay,
    );
  }

  view.watch(["digit", "seed", "m"], sample);
  view.watch(["digit", "n"], workOn);
  view.watch(["digit", "n", "m", "seed", "method", "latents", "answer"], update);
  return view.stop;
}

export default { render: ui.following(renderIntegral) };
