// A VAE that learns while you watch: the plane of its codes, what each z draws, its bound and the exact log p(x).

async function renderTrainVae({ model, el }) {
  const EXTENT = 4; // of the plane of codes
  const SHEET = 3,
    SIDE = 15; // the trainer's sheet of what z draws
  const OWN = ["beta", "learning_rate", "m", "dreg", "batch"]; // settings that change without a new start
  const AT_ONCE = 50; // steps for one press, where motion is unwelcome
  const STILL = { reports: 30, nats: 0.2 }; // no better by so much for so many measurements: nothing moves any more
  const PACE = 250; // ms from a step's picture to the next step in slow mode
  const ELLIPSES = 30;
  const POINTS = 300; // of a curve: there is no room on the screen for more
  const READ = 150; // ms that a running number stands before the next
  const SPEAK = 5000; // ms between two sentences of a run
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ","); // what browsers have for it costs the first picture 15 ms
  const view = ui.frame(model, el, "A VAE that trains in the page");
  view.root.classList.add("vw-train");

  // --- the run ---

  let run = null,
    data = null;
  let playing = false,
    away = false; // what the reader wants; whether the page or the widget is out of sight
  let shown = null; // the report that is drawn
  let drawing = null; // the next frame
  let ready = false; // false until the first report of a new start
  let busy = false; // a report that was asked for is under way: of the step `target`, or a later one
  let target = 0;
  let still = { best: Infinity, reports: 0 };
  let curve = [],
    ghost = null; // held numbers of this run, [{ steps, ... }], and the last one's
  let runs = 0,
    runLabel = "",
    note = "";
  let rate = { steps: 0, at: 0, value: NaN };
  let goal = null; // { reached(), done(), go() } of a stage of a set piece
  let stopwatch;

  const settings = () => Object.fromEntries(OWN.map((trait) => [trait, model.get(trait)]));
  const start = () => (model.get("start")?.byteLength ? ui.floats(model.get("start")) : null);
  const given = Boolean(start()); // goes on from a model, whose layers stay as they are
  const begin = () => ({
    hidden: [...model.get("hidden")],
    z_dim: model.get("z_dim"),
    activation: model.get("activation"),
    seed: model.get("seed"),
    weights: start(),
  });
  const isPlane = () => model.get("z_dim") === 2; // of all latents, over which log p(x) can be summed
  const rateText = (value) => String(+value.toPrecision(2));
  const labelOf = () =>
    `β ${model.get("beta")} · rate ${rateText(model.get("learning_rate"))} · m ${model.get("m")}${model.get("m") > 1 && model.get("dreg") ? " dreg" : ""} · batch ${model.get("batch")} · ${model.get("hidden").join("–")} units${isPlane() ? "" : ` · ${model.get("z_dim")} latents`} · seed ${model.get("seed")}`;

  function play() {
    if (!run || playing) return;
    playing = true;
    note = "";
    Object.assign(still, { best: Infinity, reports: 0 });
    Object.assign(rate, { steps: shown?.steps ?? 0, at: performance.now(), value: NaN });
    go();
  }

  // What is wanted and may be is done.
  function go() {
    clearTimeout(stopwatch);
    if (away) run.pause();
    else if (model.get("slow")) {
      run.pause();
      stepSoon();
    } else {
      run.play();
    }
    showState();
  }

  // Slowly: a step is asked for when the one before it has been drawn for a while.
  function stepSoon() {
    clearTimeout(stopwatch);
    stopwatch = setTimeout(() => run.step(), PACE);
  }

  function pause(why = "") {
    if (!run) return;
    [playing, note] = [false, why];
    clearTimeout(stopwatch);
    run.pause();
    showState();
  }

  // `many` steps and one report of them.
  function step(many = 1) {
    if (!run || !ready) return;
    if (playing) pause();
    note = "";
    target = shown.steps + many;
    setBusy(true);
    for (let i = 0; i < many; i++) run.step();
  }

  // Anew, with what stands in the settings; what was there becomes the ghost.
  function restart() {
    if (!run) return;
    pause();
    if (curve.length > 1) ghost = { curve, label: runLabel };
    chartOf = "";
    runs += 1;
    [curve, ready, runLabel, target] = [[], false, labelOf(), 0];
    applied = snapshot();
    setBusy(true);
    mine.begin();
    run.set(settings());
    run.restart(begin());
  }

  // The weights for Python, and for other widgets of the page.
  async function keep() {
    const steps = shown?.steps ?? 0,
      trained = { hidden: [...model.get("hidden")], z_dim: model.get("z_dim") };
    const weights = await run.weights();
    if (!view.signal.aborted && ready) ui.set(model, { weights: new DataView(weights.buffer), trained, steps });
  }

  function setBusy(on) {
    busy = on;
    view.root.setAttribute("aria-busy", on);
  }

  function hear(report) {
    if (view.signal.aborted) return;
    if (!ready) {
      if (report.steps !== 0 || !report.sheet) return run.drawn(); // of the run before
      ready = true;
    }
    const sheet = report.sheet ?? shown?.sheet; // one picture of four comes with a sheet
    const held = report.held ?? shown?.held;
    shown = {
      ...report,
      sheet,
      held,
      fresh: { sheet: Boolean(report.sheet) || shown?.fresh.sheet, held: Boolean(report.held) || shown?.fresh.held },
    };
    if (report.held) {
      if (held.m !== model.get("m")) held.bound = NaN; // m has changed since
      if (curve.at(-1)?.steps === held.steps) curve.pop();
      curve.push(held);
      if (curve.length > POINTS) curve = curve.filter((_, i) => i % 2 === 0 || i === curve.length - 1);
    }
    drawing ??= requestAnimationFrame(draw);
  }

  // Better by so little for so long that nobody would see it.
  function watchStill(held) {
    const value = model.get("m") > 1 ? held.bound : held.rec + model.get("beta") * held.kl;
    if (value < still.best - STILL.nats) Object.assign(still, { best: value, reports: 0 });
    else still.reports += 1;
    if (still.reports < STILL.reports || goal) return;
    pause(
      `Stopped by itself at step ${count(shown.steps)}: the loss has not improved by ${STILL.nats} nats in the last ${STILL.reports} measurements.`,
    );
  }

  // --- elements ---

  const picture = ui.digit();
  const steps = ui.output({ "data-key": "steps" });
  const pace = ui.output({ "data-key": "pace", class: "vw-status" });
  const status = ui.h("p", { class: "vw-heading vw-train-note", role: "status" });
  const byHand = (label, act, look) =>
    ui.button(
      label,
      () => {
        pieces.cancel();
        act();
      },
      look,
    );
  const playButton = byHand(
    calm ? `Train ${AT_ONCE} steps` : "Play",
    () => (calm ? step(AT_ONCE) : playing ? pause() : play()),
    "primary",
  );
  const stepButton = byHand("One step", () => step());
  const againButton = byHand("Start again", restart);
  const seedButton = byHand("New seed", () => ui.set(model, { seed: (model.get("seed") + 1) % 2 ** 31 }));
  const numbers = ui.numbers([
    ["nelbo", "−ELBO", "elbo"],
    ["rec", "= rec, −log p(x|z)", "rec"],
    ["kl", "+ KL", "kl"],
    ["exact", "exact −log p(x)", "truth"],
    ["estimate", "−log p(x), estimated", "iwae"],
    ["gap", "gap between them", "gap"],
    ["bound", "−IWAE bound, m", "iwae"],
    ["loss", "loss: rec + β KL"],
  ]);
  const rowOf = (key) => numbers.table.querySelector(`[data-key=${key}]`).closest("tr");
  const chart = ui.h("div", { class: "vw-train-chart" });
  const moveTo = (z) => ui.set(model, { z: z.map((value) => Math.round(value * 100) / 100) });
  const common = { onDrag: moveTo, signal: view.signal };
  const plane = ui.plane({ ...common, extent: EXTENT, draw: drawCodes, label: "The codes of test digits" });
  const sheet = ui.plane({ ...common, extent: SHEET, draw: drawSheet, label: "What each z draws" });
  const classes = ui.h(
    "p",
    { class: "vw-heading vw-keys vw-train-classes" },
    ui.CLASSES.map((colour, label) =>
      ui.h("span", {}, ui.h("span", { class: "swatch turned", style: `--colour:${colour}` }), label),
    ),
  );
  const failed = ui.h(
    "div",
    { class: "vw-train-failed", hidden: true },
    ui.h("p", { class: "vw-note" }),
    ui.button("Try again", fetchData),
  );
  const waiting = ui.h("p", { class: "vw-heading" }, "The training digits, 0.95 MB, are being loaded.");
  const slider = (options) => ui.slider(view, model, options);
  const words = {
    codes: ui.h("p", { class: "vw-heading" }),
    sheet: ui.h("p", { class: "vw-heading" }),
    method: ui.h("p", { class: "vw-heading" }),
    keys: ui.h("div"),
    now: ui.h("p"),
    last: ui.h("p"),
  };
  const axisSliders = [0, 1].map((index) =>
    slider({ trait: "z", index, name: `z${ui.subscript(index + 1)}`, min: -EXTENT, max: EXTENT }),
  );
  const nats = ui.h("div", { class: "vw-train-nats" });
  const LATENTS = [2, 5, 10, 20, 50];
  const UNITS = [2, 4, 8, 16, 32, 64, 128, 300];
  const RATES = [1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.3, 1];
  const mine = myModel();
  const pieces = setPieces();
  const motion = slowMotion();

  view.body.append(
    ui.h(
      "div",
      { class: "vw-row vw-middle" },
      ui.h("div", { class: "vw-buttons" }, playButton, stepButton, againButton, seedButton),
      !calm && ui.checkbox(view, model, { trait: "slow", label: "slow" }),
      ui.h("span", { class: "vw-train-steps" }, "step ", steps, " ", pace),
    ),
    pieces.part,
    status,
    waiting,
    failed,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h("div", { class: "vw-grow" }, plane.canvas, words.codes, classes),
      ui.h(
        "div",
        { class: "vw-grow" },
        sheet.canvas,
        words.sheet,
        ui.h("div", { class: "vw-train-z" }, picture, ui.h("div", { style: "--vw-label: 1.6rem" }, axisSliders)),
      ),
    ),
    motion.part,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-train-curves" },
        ui.h("div", { class: "vw-heading vw-train-runs" }, words.now, words.last),
        chart,
        words.keys,
        nats,
      ),
      ui.h("div", { class: "vw-third vw-column" }, numbers.table, mine.part),
    ),
    ui.h(
      "div",
      { class: "vw-train-settings" },
      slider({ trait: "beta", name: "β", values: [0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 40, 100], show: String }),
      slider({ trait: "learning_rate", name: "rate", label: "learning rate", values: RATES, show: rateText }),
      slider({
        trait: "m",
        name: "m",
        label: "m, samples of z for each image",
        min: 1,
        max: 20,
        step: 1,
        show: String,
      }),
      slider({
        trait: "batch",
        name: "batch",
        label: "images in a batch",
        values: [16, 32, 64, 128, 256],
        show: String,
      }),
      !given &&
        model.get("hidden").map((_, index) =>
          slider({
            trait: "hidden",
            index,
            name: "units",
            label: `units of hidden layer ${index + 1}; starts anew`,
            values: UNITS,
            show: String,
          }),
        ),
      !given &&
        slider({ trait: "z_dim", name: "latents", label: "latents; starts anew", values: LATENTS, show: String }),
      ui.checkbox(view, model, { trait: "dreg", label: "doubly reparameterised, for m > 1" }),
    ),
    words.method,
  );

  // What the latents of the plane are called, and how log p(x) is had.
  let namedFor = "";
  function nameLatents() {
    const pair = (ready && shown?.pair) || [0, 1],
      z_dim = model.get("z_dim"),
      names = pair.map((j) => `z${ui.subscript(j + 1)}`);
    if (namedFor === `${z_dim} ${pair}`) return;
    namedFor = `${z_dim} ${pair}`;
    const [those, others] = isPlane()
      ? ["", ""]
      : [
          ` in ${names.join(" and ")}, the two of ${z_dim} latents with the most KL`,
          `; the other ${z_dim - 2} latents are 0`,
        ];
    write(words.codes, `Where 1,000 test digits go${those}, thirty with their q(z|x) (1 sd); rings: the prior. Drag.`);
    write(words.sheet, `What each z draws, from −${SHEET} to ${SHEET} on both axes${others}. Drag.`);
    axisSliders.forEach((label, i) => {
      label.querySelector("span").textContent = names[i];
      label.querySelector("input").setAttribute("aria-label", names[i]);
    });
    const how = isPlane()
      ? "log p(x) by quadrature over the plane."
      : `and, since no grid fits ${z_dim} latents, an estimate in place of the exact −log p(x): the −IWAE bound with m = ${trainer.SAMPLES}, which on average is above it.`;
    write(
      words.method,
      `The numbers are means over the first 64 test digits, in nats a digit, which no step has learned from: −ELBO from 16 draws of z each, ${how} With m > 1 the loss is the −IWAE bound, in which there is no β.`,
    );
    words.keys.replaceChildren(
      ui.keys([
        ["elbo", "−ELBO"],
        ["rec", "rec; from there to −ELBO: KL"],
        isPlane() ? ["truth", "exact −log p(x)"] : ["iwae", `−log p(x), estimated, m = ${trainer.SAMPLES}`],
        ["gap", "shaded: the gap"],
        ["muted", "grey: the last run", true],
      ]),
    );
    nats.hidden = isPlane();
    if (nats.hidden) nats.replaceChildren();
  }

  // The KL of each latent: those that have collapsed have none.
  function drawNats() {
    const all = Array.from(shown.nats),
      z_dim = all.length,
      most = Math.max(...all),
      active = all.filter((value) => value > 0.01).length;
    const top = [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50].find((value) => value >= most) ?? most;
    const axes = ui.axes({
      width: 460,
      height: 150,
      label: `KL of each latent in nats: ${all.map((value) => ui.format(value)).join(", ")}`,
      x: { min: 0.4, max: z_dim + 0.6, ticks: z_dim <= 20 ? ui.range(z_dim).map((j) => j + 1) : 10, label: "latent" },
      y: { min: 0, max: top, ticks: 3, label: "KL, nats" },
    });
    axes.plot.append(
      ...all.map((value, j) =>
        ui.s("rect", {
          x: axes.x(j + 0.65),
          width: axes.x(j + 1.35) - axes.x(j + 0.65),
          y: axes.y(Math.max(0, value)),
          height: axes.box.bottom - axes.y(Math.max(0, value)),
          fill: ui.COLOURS.kl,
        }),
      ),
    );
    nats.replaceChildren(
      axes.svg,
      ui.h(
        "p",
        { class: "vw-heading" },
        "Over 1,000 test digits, ",
        ui.output({ "data-key": "active", "data-value": active }, active),
        ` of ${z_dim} latents have a KL of more than 0.01 nats.`,
      ),
    );
  }

  // --- drawing: the codes, what each z draws and what has been measured, each in a frame of its own ---

  function draw() {
    const report = shown,
      { sheet, held } = report.fresh;
    const parts = [drawNow, sheet && paintSheet, held && drawMeasured].filter(Boolean);
    drawPart();

    function drawPart() {
      if (view.signal.aborted) return;
      if (shown !== report) return draw();
      const part = parts.shift(),
        now = performance.now();
      if (!parts.length) run.drawn(); // the next one may be made meanwhile
      part(now);
      drawing = parts.length ? requestAnimationFrame(drawPart) : null;
      if (!drawing) finish(now);
    }
  }

  function drawNow(now) {
    showSteps(now);
    nameLatents();
    plane.redraw();
    drawZ();
  }

  function drawMeasured(now) {
    drawChart();
    showNumbers(shown.held);
    if (!isPlane()) drawNats();
    if (playing && !model.get("slow")) watchStill(shown.held);
    if (playing && now - spoken < SPEAK) return;
    spoken = now;
    speak();
  }

  // What follows from a report that is drawn.
  function finish(now) {
    const { fresh, finite } = shown;
    shown.fresh = {};
    if (playing && now - rate.at > 1000) {
      Object.assign(rate, {
        value: (1000 * (shown.steps - rate.steps)) / (now - rate.at),
        steps: shown.steps,
        at: now,
      });
    }
    if (!finite)
      pause("A weight is no number any more: the rate is too high for these networks. Start again with a lower one.");
    const settled = !playing && fresh.sheet && fresh.held; // the report of a pause, with all in it
    if (settled) keep();
    if (busy && (shown.steps >= target || !finite)) setBusy(false);
    if (goal && (goal.reached() || !finite)) {
      if (playing) pause();
      else if (settled) goal.done();
    } else if (goal && calm && settled && !busy) {
      goal.go();
    }
    if (playing && !away && ready && model.get("slow")) stepSoon();
    motion.update();
    showState();
  }

  // A text that changes makes the browser lay out the page.
  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  let written = 0,
    spoken = 0;
  function showSteps(now) {
    steps.dataset.value = shown.steps;
    if (playing && now - written < READ) return;
    written = now;
    write(steps, count(shown.steps));
  }

  function showState() {
    for (const button of [playButton, stepButton, againButton, seedButton]) {
      if (button.getAttribute("aria-disabled") !== String(!run)) button.setAttribute("aria-disabled", !run);
    }
    if (!calm) write(playButton, playing ? "Pause" : "Play");
    const slow = model.get("slow");
    write(pace, playing && rate.value > 0 ? `${count(Math.round(rate.value))} a second` : slow ? "slow" : "");
    pace.dataset.value = slow ? "slow" : "full";
    const first = run && ready && shown?.steps === 0 ? "Nothing has been learned yet." : "";
    write(status, playing && away ? "Paused while out of view." : note || (playing ? "" : first));
  }

  function drawCodes(context, place, scale) {
    const side = 2 * EXTENT * scale;
    ui.cross(context, place, EXTENT);
    ui.priorCircles(context, place, scale);
    if (shown) drawDigits(context, place, scale, side);
    ui.ring(context, ...place(...model.get("z")));
  }

  function drawDigits(context, place, scale, side) {
    const { m, v } = shown.codes,
      size = Math.max(2.5, side / 110);
    const inside = (value) => Math.min(side - size, Math.max(0, value - size / 2));
    byLabel.forEach((those, label) => {
      // a colour at a time
      context.fillStyle = ui.CLASSES[label];
      for (const i of those)
        context.fillRect(inside((m[2 * i] + EXTENT) * scale), inside((EXTENT - m[2 * i + 1]) * scale), size, size);
    });
    context.lineWidth = 1.2;
    for (let i = 0; i < Math.min(ELLIPSES, data.labels.length); i++) {
      context.strokeStyle = ui.CLASSES[data.labels[i]];
      context.beginPath();
      context.ellipse(
        ...place(m[2 * i], m[2 * i + 1]),
        scale * Math.sqrt(v[2 * i]),
        scale * Math.sqrt(v[2 * i + 1]),
        0,
        0,
        2 * Math.PI,
      );
      context.stroke();
    }
    motion.drawOn(context, place, scale);
  }

  const tiles = ui.h("canvas", { width: 28 * SIDE, height: 28 * SIDE });
  const pixels = tiles.getContext("2d").createImageData(28 * SIDE, 28 * SIDE);
  pixels.data.fill(26);

  function paintSheet() {
    for (let n = 0, p = 0; n < SIDE * SIDE; n++) {
      const corner = 28 * 28 * SIDE * Math.floor(n / SIDE) + 28 * (n % SIDE);
      for (let r = 0; r < 28; r++)
        for (let c = 0, o = corner + r * 28 * SIDE; c < 28; c++, o++) pixels.data[4 * o + 3] = shown.sheet[p++];
    }
    tiles.getContext("2d").putImageData(pixels, 0, 0);
    sheet.redraw();
  }

  function drawSheet(context, place, scale) {
    const side = 2 * SHEET * scale;
    context.drawImage(tiles, 0, 0, side, side);
    context.lineWidth = 1;
    context.strokeStyle = ui.COLOURS.line;
    context.strokeRect(0.5, 0.5, side - 1, side - 1);
    ui.ring(context, ...place(...model.get("z")));
  }

  // What z draws: asked of the trainer, since it alone has the weights of this moment; a question at a time.
  let asking = false,
    askAgain = false;
  async function drawZ() {
    if (!ready) return;
    if (asking) return void (askAgain = true);
    asking = true;
    const ink = await run.decode(Float32Array.from(model.get("z")));
    asking = false;
    if (view.signal.aborted) return;
    ui.paint(
      picture,
      Float32Array.from(ink, (grey) => grey / 255),
    );
    picture.setAttribute(
      "aria-label",
      `The digit that z = (${model
        .get("z")
        .map((value) => ui.format(value))
        .join(", ")}) decodes to`,
    );
    if (askAgain) {
      askAgain = false;
      drawZ();
    }
  }

  function showNumbers({ rec, kl, exact, estimate, bound }) {
    const beta = model.get("beta"),
      nelbo = rec + kl;
    numbers.show({ nelbo, rec, kl, exact, estimate, gap: nelbo - (exact ?? estimate), bound, loss: rec + beta * kl });
    rowOf("exact").hidden = exact === undefined;
    rowOf("estimate").hidden = estimate === undefined;
    rowOf("bound").hidden = model.get("m") === 1;
    rowOf("loss").hidden = beta === 1 || model.get("m") > 1;
  }

  const nelboOf = ({ rec, kl }) => rec + kl,
    truthOf = ({ exact, estimate }) => exact ?? estimate,
    recOf = ({ rec }) => rec;
  const truthName = () => (isPlane() ? "exact −log p(x)" : "estimated −log p(x)");
  // Steps at which the axis may end, so that it stays for a while as it is.
  const ends = ui.range(5).flatMap((power) => [20, 30, 40, 60, 80, 100, 150].map((size) => size * 10 ** power));
  let chartOf = "",
    shapes; // what the axes are of; what is drawn anew on them: { svg, x, y, parts: [[element, its values]] }

  function drawChart() {
    const last = [curve, ghost?.curve ?? []].map((points) => points.at(-1)).filter(Boolean);
    const lowest = (points) =>
      points.reduce((least, point) => Math.min(least, point.rec, truthOf(point) || Infinity), Infinity);
    const low = Math.floor(Math.min(lowest(curve), lowest(ghost?.curve ?? [])) / 5 - 0.4) * 5;
    const tops = last.map(nelboOf).filter((value) => value < low + 150);
    const high =
      curve.length < 2 && !ghost
        ? Math.ceil(nelboOf(curve[0]) / 20 + 0.5) * 20
        : Math.max(low + 60, ...tops.map((value) => 10 * Math.ceil(value / 10 + 1)));
    const furthest = Math.max(...last.map((point) => point.steps)),
      end = ends.find((size) => size >= furthest) ?? furthest;
    const of = `${low} ${high} ${end} ${curve.length > 1}`;
    if (of !== chartOf) newChart({ low, high, end });
    chartOf = of;
    const { svg, x, y, parts } = shapes;
    const places = (points, value) => points.map((point) => [x(point.steps), y(Math.min(value(point), 1e4))]);
    for (const [element, ...values] of parts) {
      const [there, back = []] = values.map((value) => places(curve, value));
      element.setAttribute("d", ui.path([...there, ...back.reverse()]) + (back.length ? "Z" : ""));
    }
    write(words.now, `now: ${labelOf()}`);
    write(words.last, ghost ? `last: ${ghost.label}` : "");
    const { steps: at, ...held } = curve.at(-1);
    ui.put(svg, {
      "aria-label": `−ELBO and ${truthName()} over the steps; at step ${count(at)}: ${ui.format(nelboOf(held))} and ${ui.format(truthOf(held))} nats${ghost ? `; behind it the last run, ${ghost.label}` : ""}`,
    });
  }

  // The axes, the last run on them, and what this run is drawn with.
  function newChart({ low, high, end }) {
    const axes = ui.axes({
      width: 460,
      height: 290,
      right: 24,
      label: "",
      x: { min: 0, max: end, ticks: 4, label: "steps", format: count },
      y: { min: low, max: high, label: "nats a digit" },
      left: 58,
    });
    const places = (points, of) => points.map((point) => [axes.x(point.steps), axes.y(Math.min(of(point), 1e4))]);
    const area = (fill, opacity) => ui.s("path", { fill, opacity });
    const line = (stroke, more) => ui.s("path", { fill: "none", stroke, "stroke-width": 2, ...more });
    if (ghost) {
      const [there, exact] = [nelboOf, truthOf].map((of) => places(ghost.curve, of)),
        thin = { "stroke-width": 1.3 };
      axes.plot.append(
        ui.s("path", { d: `${ui.path([...there, ...[...exact].reverse()])}Z`, fill: ui.COLOURS.line, opacity: 0.35 }),
        line(ui.COLOURS.muted, { d: ui.path(there), "stroke-dasharray": "5 3", ...thin }),
        line(ui.COLOURS.muted, { d: ui.path(exact), ...thin }),
      );
    }
    const parts = [
      [area(ui.COLOURS.kl, 0.14), nelboOf, recOf],
      [area(ui.COLOURS.gap, 0.4), nelboOf, truthOf],
      [line(ui.COLOURS.rec), recOf],
      [line(ui.COLOURS[isPlane() ? "truth" : "iwae"]), truthOf],
      [line(ui.COLOURS.elbo), nelboOf],
    ];
    axes.plot.append(...parts.map(([element]) => element));
    if (curve.length === 1) {
      // on the edge of the plot, which would cut them in half
      axes.svg.append(
        ...[
          [recOf, "rec"],
          [truthOf, isPlane() ? "truth" : "iwae"],
          [nelboOf, "elbo"],
        ].map(([of, colour]) =>
          ui.s("circle", { cx: axes.x(curve[0].steps), cy: axes.y(of(curve[0])), r: 4, fill: ui.COLOURS[colour] }),
        ),
      );
    }
    chart.replaceChildren(axes.svg);
    shapes = { ...axes, parts };
  }

  function speak() {
    const { rec, kl } = shown.held,
      truth = truthOf(shown.held);
    view.say(
      `Step ${count(shown.held.steps)}, ${labelOf()}: −ELBO ${ui.format(rec + kl)} = rec ${ui.format(rec)} + KL ${ui.format(kl)}, ${truthName()} ${ui.format(truth)}, gap ${ui.format(rec + kl - truth)} nats. Where z = (${model
        .get("z")
        .map((value) => ui.format(value))
        .join(", ")}).${note && ` ${note}`}`,
    );
  }

  // --- the model that the reader trained: in the page's other widgets, and in a file ---

  function myModel() {
    const said = ui.h("p", { class: "vw-heading", role: "status" });
    let recipe = []; // what the run was told, and when

    // `f` of the weights of this moment.
    const withWeights = (f) => async () => {
      if (!run || !ready) return;
      const shape = {
        hidden: [...model.get("hidden")],
        z_dim: model.get("z_dim"),
        activation: model.get("activation"),
      };
      try {
        said.textContent = await f(await run.weights(), shape, shown.steps);
      } catch (error) {
        said.textContent = error.message;
      }
    };

    const use = withWeights((weights, shape, steps) => {
      const { labels } = data,
        { enc, dec } = trainer.networks(weights, shape),
        digits = ui.digitsOf(data.test);
      const plane = shape.z_dim === 2;
      ui.useModel({
        enc,
        dec,
        digits,
        labels,
        words: `the VAE that you trained, after ${count(steps)} steps`,
        ...(plane && { logMarginal: (some) => trainer.logMarginal(weights, shape, some) }),
      });
      return plane
        ? "The planes, sliders, drawings and bounds of this page show your model now, where they showed a VAE."
        : `The sliders, drawings and bounds of this page show your model now, where they showed a VAE. Its planes stay: they have no room for ${shape.z_dim} latents.`;
    });

    const save = withWeights(async (weights, shape, steps) => {
      const description = {
        arguments: { x_dim: 784, ...shape, beta: model.get("beta") },
        seed: model.get("seed"),
        steps,
        recipe: { images: data.count, optimizer: "adam", settings: recipe },
      };
      const name = `vae-${steps}-steps.safetensors`;
      ui.download(await ui.safetensors(weights, description), name);
      return `vae_core.load_model("${name}") reads the file.`;
    });

    const part = ui.h(
      "div",
      { class: "vw-column" },
      ui.h("div", { class: "vw-buttons" }, ui.button("Use my model", use), ui.button("Download it", save)),
      said,
    );
    return {
      part,
      begin: () => (recipe = [{ from: 0, ...settings() }]),
      note: () => recipe.push({ from: shown.steps, ...settings() }),
    };
  }

  // --- set pieces ---

  // Each: what to watch, a question, its answers, the stages, and of their results which answer was right (none: -1), and
  // what they show. The results of a stage: what is measured at its end, `start` at its start, `steps` and `seconds` of
  // training in it, and `outside`, how many codes lie beyond the 95% circle.
  function setPieces() {
    const usual = { beta: 1, learning_rate: 3e-3, m: 1, dreg: false, batch: 64 };
    const wide = given ? {} : { hidden: model.get("hidden").map(() => 128) };
    const first = (steps, more = {}, name = "") => ({
      anew: true,
      steps,
      values: { ...usual, ...wide, ...more },
      name,
    });
    const then = (steps, values, name) => ({ steps, values, name });
    const f = (value) => ui.format(value, 1);
    // -ELBO, in nats, of a model that knows nothing of single digits: it draws the mean of the test digits for each.
    const ofMean = () => {
      const digits = ui.digitsOf(data.test),
        ink = ui.range(784).map((p) => digits.reduce((sum, x) => sum + x[p], 0.5) / (digits.length + 1));
      const nats = (x) => ink.reduce((sum, share, p) => sum - Math.log(x[p] ? share : 1 - share), 0);
      return digits.slice(0, 64).reduce((sum, x) => sum + nats(x) / 64, 0);
    };
    const PIECES = {
      collapse: {
        name: "Posterior collapse",
        watch: "Watch the codes and their ellipses when β jumps to 40, and when it comes back to 1.",
        question: "What will the KL do?",
        answers: ["fall to 0 and stay there", "fall to 0 and come back", "fall by half, 40 is not that much"],
        stages: [first(300, {}, "β = 1"), then(400, { beta: 40 }, "β = 40"), then(500, { beta: 1 }, "β = 1 again")],
        right: ([a, b, c]) => (b.kl > a.kl / 4 ? 2 : c.kl > a.kl / 2 ? 1 : 0),
        told: ([a, b, c]) =>
          `The KL went from ${f(a.kl)} to ${ui.format(b.kl)} nats${b.kl < 0.5 ? ": at 40 nats' price for one, no code is worth it, all digits go to one place and the decoder draws their mean" : ""}. Back at β = 1 it is ${f(c.kl)}${c.kl > a.kl / 2 ? ": here collapse is the optimum of another loss, and no trap" : ""}.`,
      },
      rate: {
        name: "A useless rate",
        watch: "Watch the curves: three starts from the same seed, with three learning rates.",
        question: "Which rate is of no use in 300 steps?",
        answers: ["0.00001 alone", "0.3 alone", "both"],
        stages: [
          first(300, {}, "rate 0.003"),
          first(300, { learning_rate: 1e-5 }, "rate 0.00001"),
          first(300, { learning_rate: 0.3 }, "rate 0.3"),
        ],
        right(results) {
          const [, low, high] = results.map((end) => nelboOf(end) < ofMean());
          return low ? (high ? -1 : 1) : high ? 0 : 2;
        },
        told(results) {
          const mean = ofMean(),
            [a] = results,
            useful = results.filter((end) => nelboOf(end) < mean).map(({ name }) => name);
          const ends = results.map(
            (end) =>
              `${Number.isFinite(nelboOf(end)) ? `${f(nelboOf(end))} nats` : `no number any more at step ${count(end.steps)}`} with ${end.name}`,
          );
          return `Untrained, −ELBO is ${f(nelboOf(a.start))} nats. Then it is ${ends.slice(0, 2).join(", ")} and ${ends[2]}. A decoder that draws the mean of all digits, whatever z is, would have ${f(mean)}. Below that ${useful.length === 1 ? "is" : "are"}: ${useful.join(", ") || "none"}.`;
        },
      },
      samples: {
        name: "Eight samples, m = 8",
        watch:
          "Watch −ELBO and −log p(x): after 400 steps with m = 1 one run takes 300 with m = 8, the other goes on with m = 1, first for as many steps, then for as long.",
        question: "After the same steps, what becomes of −ELBO and of −log p(x) with m = 8 in place of 1?",
        answers: ["−ELBO worse, −log p(x) better", "both better", "both worse"],
        stages: [
          first(400, {}, "m = 1"),
          then(300, { m: 8 }, "m = 8 from there"),
          first(400, {}, "m = 1, as before"),
          then(300, {}, "m = 1 for as many steps"),
          { seconds: ([, eight, , one]) => eight.seconds - one.seconds, values: {}, name: "m = 1 for as long" },
        ],
        right([, eight, , one]) {
          const [nelbo, truth] = [nelboOf, truthOf].map((of) => of(eight) < of(one));
          return truth ? (nelbo ? 1 : 0) : nelbo ? -1 : 2;
        },
        told([, eight, , one, more]) {
          const better = truthOf(eight) < truthOf(one),
            worth = truthOf(eight) < truthOf(more);
          return (
            `Step for step: −ELBO is ${f(nelboOf(eight))} with m = 8 and ${f(nelboOf(one))} with m = 1, ${truthName()} ${f(truthOf(eight))} and ${f(truthOf(one))}. The model is ${better ? "better" : "no better"}, and the gap is ${f(nelboOf(eight) - truthOf(eight))} nats and not ${f(nelboOf(one) - truthOf(one))}, since q is no longer asked to be the posterior. ` +
            `Second for second: m = 8 took ${f(eight.seconds)} s for ${count(eight.steps)} steps. In ${f(one.seconds + more.seconds)} s m = 1 takes ${count(one.steps + more.steps)}, and its ${truthName()} is then ${f(truthOf(more))}: ${worth ? "here m = 8 was worth its time" : "m = 8 is not worth its time"}.`
          );
        },
      },
      autoencoder: {
        name: "An autoencoder, KL off",
        watch: "Watch how far the codes go beyond the prior's circles, and what log p(x) says of it.",
        question: "With β = 0, what will be better than with β = 1?",
        answers: ["rec alone", "−log p(x), too", "neither"],
        stages: [first(400, {}, "β = 1"), first(400, { beta: 0 }, "β = 0")],
        right: ([a, b]) => (b.rec > a.rec ? 2 : truthOf(b) < truthOf(a) ? 1 : 0),
        told: ([a, b]) =>
          `With β = 0 rec is ${f(b.rec)} in place of ${f(a.rec)}, for a KL of ${f(b.kl)} in place of ${f(a.kl)}, and ${truthName()} is ${f(truthOf(b))} in place of ${f(truthOf(a))}. Beyond the 95% circle, where the prior seldom draws from, lie ${count(b.outside)} of 1,000 codes; with β = 1 there are ${count(a.outside)}.`,
      },
      units: given
        ? null
        : {
            name: "Too few hidden units",
            watch: "Watch the sheet: with four hidden units there is not much that a decoder can draw.",
            question: "128 units against 4: which part of −ELBO suffers most?",
            answers: ["rec", "KL", "both alike"],
            stages: [first(400, {}, "128 units"), first(400, { hidden: model.get("hidden").map(() => 4) }, "4 units")],
            right([a, b]) {
              const [rec, kl] = [b.rec - a.rec, b.kl - a.kl];
              return rec > 1.2 * kl ? 0 : kl > 1.2 * rec ? 1 : 2;
            },
            told([a, b]) {
              const change = (by) => `${f(Math.abs(by))} nats ${by > 0 ? "more" : "less"}`;
              return `From 128 units to 4, rec goes from ${f(a.rec)} to ${f(b.rec)}, ${change(b.rec - a.rec)}, and KL from ${f(a.kl)} to ${f(b.kl)}, ${change(b.kl - a.kl)}.${b.rec - a.rec > Math.abs(b.kl - a.kl) ? " It is not the latents that are short: the decoder cannot draw what they say." : ""}`;
            },
          },
    };
    const names = Object.keys(PIECES).filter((key) => PIECES[key]);
    const chooser = ui.radio(view, model, {
      trait: "preset",
      legend: "One run each",
      options: names.map((key) => [key, PIECES[key].name]),
    });
    const body = ui.h("div", { class: "vw-column" });
    const part = ui.h(
      "details",
      { class: "vw-train-more" },
      ui.h("summary", {}, "Set pieces: predict, then run"),
      ui.h("div", { class: "vw-column" }, chooser, body),
    );
    let open = null;

    function show() {
      const key = model.get("preset"),
        piece = PIECES[key];
      if (open?.key === key) return;
      cancel();
      open = { key, running: false };
      body.dataset.value = key;
      body.replaceChildren();
      if (!piece) return;
      part.open = true;
      const mine = open,
        group = `answer-${Math.random().toString(36).slice(2)}`;
      const outcome = ui.h("div", { class: "vw-column", role: "status" });
      const button = ui.button(
        "Run it",
        () => mine.answer !== undefined && !mine.running && perform(piece, mine, outcome, button),
        "primary",
      );
      button.setAttribute("aria-disabled", "true");
      const answers = piece.answers.map((answer, i) =>
        ui.h(
          "label",
          { class: "vw-choice" },
          ui.h("input", {
            type: "radio",
            name: group,
            ...ui.KEYS,
            onchange: () => {
              mine.answer = i;
              button.setAttribute("aria-disabled", "false");
            },
          }),
          answer,
        ),
      );
      body.append(
        ui.h("p", { class: "vw-note" }, piece.watch),
        ui.h(
          "fieldset",
          { class: "vw-train-answers" },
          ui.h("legend", {}, `Predict first. ${piece.question}`),
          answers,
        ),
        ui.h("div", { class: "vw-buttons" }, button),
        outcome,
      );
    }

    // What the reader does by hand ends it.
    function cancel() {
      if (!open?.running) return;
      open.running = false;
      goal?.done();
      open.stopped();
    }

    async function perform(piece, mine, outcome, button) {
      if (!run) return;
      mine.running = true;
      mine.stopped = () => {
        running.textContent = "Stopped before its end.";
        button.setAttribute("aria-disabled", "false");
      };
      button.setAttribute("aria-disabled", "true");
      const results = [],
        answer = mine.answer,
        running = ui.h("p", { class: "vw-heading" });
      outcome.replaceChildren(running);
      for (const stage of piece.stages) {
        running.textContent = `Running: ${stage.name}.`;
        const found = await runStage(stage, mine, results);
        if (!found) return;
        results.push({ name: stage.name, ...found });
      }
      mine.running = false;
      button.setAttribute("aria-disabled", "false");
      button.textContent = "Run it again";
      const right = piece.right(results);
      const verdict =
        answer === right
          ? "As you predicted. "
          : `You predicted: ${piece.answers[answer]}. ${right < 0 ? "None of these came." : `It is: ${piece.answers[right]}.`} `;
      const rows = results.map(({ name, ...held }) =>
        ui.h(
          "tr",
          {},
          ui.h("th", { scope: "row" }, name),
          [nelboOf(held), held.rec, held.kl, truthOf(held)].map((value) => ui.h("td", {}, f(value))),
        ),
      );
      outcome.replaceChildren(
        ui.h(
          "table",
          { class: "vw-numbers vw-train-results" },
          ui.h(
            "thead",
            {},
            ui.h(
              "tr",
              {},
              ["", "−ELBO", "rec", "KL", truthName()].map((head) => ui.h("th", { scope: "col" }, head)),
            ),
          ),
          ui.h("tbody", {}, rows),
        ),
        ui.h("p", { class: "vw-note" }, ui.h("strong", {}, verdict), piece.told(results)),
      );
    }

    // To the held numbers at its end, or null if another piece has been opened, or the run started anew, meanwhile.
    async function runStage({ anew, steps, seconds, values }, mine, before) {
      ui.set(model, values);
      if (anew) {
        restart();
        await until(() => ready && !busy, mine);
      } else {
        follow();
      }
      if (!mine.running) return null;
      const start = shown,
        end = seconds && start.spent + 1000 * seconds(before);
      await new Promise((done) => {
        const go = () => (calm ? step(steps ?? AT_ONCE) : play());
        goal = { reached: () => (steps ? shown.steps >= start.steps + steps : shown.spent >= end), done, go };
        go();
      });
      goal = null;
      if (!mine.running) return null;
      const {
        held,
        codes: { m },
      } = shown;
      return {
        ...held,
        start: start.held,
        steps: shown.steps - start.steps,
        seconds: (shown.spent - start.spent) / 1000,
        outside: data.labels.filter((_, i) => Math.hypot(m[2 * i], m[2 * i + 1]) > Math.sqrt(-2 * Math.log(0.05)))
          .length,
      };
    }

    async function until(test, mine) {
      while (!test() && mine.running && !view.signal.aborted) await new Promise((done) => setTimeout(done, 30));
    }

    part.addEventListener("toggle", () => part.open && show());
    return { part, show, cancel };
  }

  // --- slow motion ---

  function slowMotion() {
    const chosen = ui.h("div");
    const input = ui.digit("small"),
      output = ui.digit("small");
    const list = ui.h("ol", { class: "vw-train-stages" });
    const next = ui.button("Next: encode", advance, "primary");
    const part = ui.h(
      "details",
      { class: "vw-train-more" },
      ui.h("summary", {}, "Slow motion: one digit's way through a step"),
      ui.h(
        "div",
        { class: "vw-column" },
        chosen,
        ui.h(
          "div",
          { class: "vw-train-z" },
          ui.captioned(input, "x"),
          ui.captioned(output, "decoded"),
          ui.h(
            "p",
            { class: "vw-note" },
            "Each press takes one stage, and the plane above shows it; the weights stay as they are.",
          ),
        ),
        list,
        ui.h("div", { class: "vw-buttons" }, next),
      ),
    );
    let stage = 0,
      way = null,
      seed = 1,
      digits = null;
    const number = (value) => ui.format(value);
    const two = (values) => way.pair.map((j) => values[j]); // those of the plane
    const pair = (values) => `(${two(values).map(number).join(", ")})`;
    const those = () =>
      way.m.length === 2
        ? ""
        : ` Shown are z${ui.subscript(way.pair[0] + 1)} and z${ui.subscript(way.pair[1] + 1)} of ${way.m.length} latents.`;
    const single = () =>
      way.samples === 1
        ? ""
        : ` This is the loss of one sample: at m = ${way.samples} a step draws ${way.samples}, and weighs each by its share of the sum of w.`;
    const NAMES = ["encode", "draw ε", "z = m + √v ε", "decode", "the loss", "the gradient", "again, with new ε"];
    const STAGES = [
      [
        "q",
        "encode",
        () =>
          `x goes into the encoder: m = ${pair(way.m)}, v = ${pair(way.v)}. The ellipse is q(z|x), one sd wide.${those()}`,
      ],
      ["prior", "draw ε", () => `ε = ${pair(way.eps)} from N(0, I), which no parameter is in.`],
      ["q", "z = m + √v ε", () => `z = ${pair(way.z)}: a draw from q, and a smooth function of m and v.`],
      ["rec", "decode", () => "z goes into the decoder: the probability of ink at each pixel."],
      [
        "kl",
        "the loss",
        () =>
          `rec ${number(way.rec)} + ${way.beta === 1 ? "" : `${way.beta} × `}KL ${number(way.kl)} = ${number(way.rec + way.beta * way.kl)} nats.${single()}`,
      ],
      [
        "truth",
        "the gradient",
        () =>
          `of the loss on m: ${pair(way.grad_m)}, of which rec's is ${pair(way.grad_z)} and the KL's ${pair(way.m.map((value) => way.beta * value))}; on v: ${pair(way.grad_v)}. The arrow is the way m would go, down the loss.`,
      ],
    ];

    // One test digit of each class, once there are any and somebody looks.
    function fill() {
      if (!part.open || !data || digits) return;
      digits = byLabel.map(([i]) => ui.digitsOf(data.test.subarray(98 * i, 98 * (i + 1)))[0]);
      chosen.replaceChildren(ui.digitChoice(view, model, digits, { labels: ui.range(10), legend: "Digit" }));
    }

    async function advance() {
      fill(); // a key can come before the event that tells of the opening
      if (!ready || !digits) return;
      if (playing) pause();
      if (stage === 6) [stage, seed] = [0, seed + 1];
      if (stage === 0) await trace();
      stage += 1;
      show();
    }

    async function trace() {
      const eps = engine.normals(seed).fill(new Float32Array(model.get("z_dim"))),
        samples = model.get("m");
      const beta = samples > 1 ? 1 : model.get("beta"),
        { steps, pair } = shown;
      way = {
        run: runs,
        steps,
        pair,
        samples,
        beta,
        eps,
        ...(await run.trace({ x: digits[model.get("digit")], noise: eps, beta })),
      };
    }

    function show() {
      const x = digits?.[model.get("digit")];
      if (x) {
        ui.paint(input, x);
        input.setAttribute("aria-label", `The test digit, a ${model.get("digit")}`);
      }
      ui.paint(output, stage >= 4 ? way.ink : new Float32Array(784));
      output.setAttribute("aria-label", stage >= 4 ? "What z decodes to" : "Not decoded yet");
      list.replaceChildren(
        ...STAGES.slice(0, stage).map(([colour, name, words]) =>
          ui.h(
            "li",
            {},
            ui.h("span", { class: "swatch", style: `--colour:${ui.COLOURS[colour]}` }),
            ui.h("strong", {}, `${name}: `),
            words(),
          ),
        ),
      );
      next.textContent = `Next: ${NAMES[stage]}`;
      plane.redraw();
    }

    function drawOn(context, place, scale) {
      if (!part.open || !stage) return;
      const [m, v, z, eps, grad_m] = [way.m, way.v, way.z, way.eps, way.grad_m].map(two),
        [x, y] = place(...m);
      const dot = (at, colour) => {
        context.fillStyle = colour;
        context.strokeStyle = "#fff";
        context.lineWidth = 2;
        context.beginPath();
        context.arc(...at, 5, 0, 2 * Math.PI);
        context.fill();
        context.stroke();
      };
      context.strokeStyle = ui.COLOURS.q;
      context.lineWidth = 3;
      context.beginPath();
      context.ellipse(x, y, scale * Math.sqrt(v[0]), scale * Math.sqrt(v[1]), 0, 0, 2 * Math.PI);
      context.stroke();
      dot([x, y], ui.COLOURS.q);
      if (stage === 2) dot(place(...eps), ui.COLOURS.prior);
      if (stage >= 3) dot(place(...z), ui.COLOURS.q);
      if (stage < 6) return;
      const length = Math.hypot(...grad_m),
        reach = Math.min(80, 14 + 6 * length) / (length || 1);
      const [toX, toY] = [x - grad_m[0] * reach, y + grad_m[1] * reach],
        angle = Math.atan2(toY - y, toX - x);
      context.strokeStyle = ui.INK;
      context.lineWidth = 3;
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(toX, toY);
      for (const turn of [2.6, -2.6]) {
        context.moveTo(toX, toY);
        context.lineTo(toX + 10 * Math.cos(angle + turn), toY + 10 * Math.sin(angle + turn));
      }
      context.stroke();
    }

    // When the weights have changed, what was traced is of the past.
    function update() {
      if (!stage || (way.run === runs && way.steps === shown.steps)) return;
      stage = 0;
      show();
    }

    part.addEventListener("toggle", () => {
      fill();
      if (part.open) show();
    });
    model.on("change:digit", changed);
    view.signal.addEventListener("abort", () => model.off("change:digit", changed));
    function changed() {
      stage = 0;
      show();
    }
    return { part, fill, drawOn, update };
  }

  // --- the data, when the widget comes into view ---

  let byLabel; // the test digits of each class

  async function fetchData() {
    failed.hidden = true;
    waiting.hidden = false;
    setBusy(true);
    try {
      const part = await ui.follow(model, "data");
      const [images, test, labels] = ["images", "test", "labels"].map((name) => ui.bytes(part.get(name)));
      data = { images, test, labels };
      byLabel = ui.range(10).map((label) => ui.range(labels.length).filter((i) => labels[i] === label));
    } catch (error) {
      setBusy(false);
      failed.hidden = false;
      waiting.hidden = true;
      failed.firstChild.textContent = `The training digits could not be loaded (${error.message ?? error}).`;
      return;
    }
    if (view.signal.aborted) return;
    waiting.hidden = true;
    motion.fill();
    runLabel = labelOf();
    run = trainer.start(model.get("_esm"), { images: data.images, test: data.test, ...begin() }, hear, (error) =>
      pause(`Training has failed: ${error.message}`),
    );
    data.count = data.images.length / 392;
    data.images = null; // the trainer has them
    mine.begin();
    run.set(settings());
    view.signal.addEventListener("abort", () => run.close());
    applied = snapshot();
    showState();
  }

  // --- what follows the state ---

  const snapshot = () => ({
    ...settings(),
    start: `${model.get("hidden")} ${model.get("z_dim")} ${model.get("seed")}`,
  });
  let applied = snapshot();

  function follow() {
    if (!run) return;
    const [before, now] = [applied, snapshot()];
    applied = now;
    if (now.start !== before.start) {
      if (ready || busy) restart();
      return;
    }
    const changes = OWN.filter((trait) => now[trait] !== before[trait]);
    if (!changes.length) return;
    run.set(settings());
    Object.assign(still, { best: Infinity, reports: 0 });
    if (!shown || !ready) return;
    if (shown.steps === 0) return restart(); // nothing is lost, and all numbers are of these settings
    mine.note();
    if (changes.includes("m")) shown.held = { ...shown.held, bound: NaN };
    drawChart();
    showNumbers(shown.held);
    speak();
  }

  nameLatents();
  await ui.turn(); // the page is laid out, and does what else there is
  view.watch([...OWN, "hidden", "z_dim", "seed"], follow);
  view.watch(["slow"], () => (playing ? go() : showState()));
  view.watch(["preset"], pieces.show);
  view.watch(["z"], () => {
    plane.redraw();
    sheet.redraw();
    if (!shown) return;
    drawZ();
    speak();
  });

  const look = () => {
    const before = away;
    away = document.hidden || !seen;
    if (run && away !== before && playing) {
      go();
      showState();
    }
  };
  let seen = false;
  const observer = new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen && !run && !busy && failed.hidden) fetchData();
    look();
  });
  observer.observe(view.root);
  document.addEventListener("visibilitychange", look, { signal: view.signal });
  view.signal.addEventListener("abort", () => observer.disconnect());
  view.signal.addEventListener("abort", () => clearTimeout(stopwatch));
  showState();
  view.say("A VAE that has not begun to learn. Play trains it.");
  return view.stop;
}

export default { render: renderTrainVae };
