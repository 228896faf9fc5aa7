// The whole VAE at once: a digit goes through the encoder, noise falls in, z lands, the decoder paints, bars fill.

import * as engine from "./engine.js";
import { wires } from "./machine_wires.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderMachine({ model, el }) {
  const EXTENT = 3.5; // of the plane, both ways
  const SIDE = 15; // digits along a side of the plane
  const DEAR = 2.5; // nats a pixel that are full ink
  const WHOLE = 1400; // ms that a reader has for the whole of it, before it begins to move
  const PATIENCE = 900; // ms after a stroke until it becomes pixels
  const STEPS = [
    // ms that each moves, and that it has in all before the next one
    { name: "image", motion: 500, time: 1100 },
    { name: "encoder", motion: 1500, time: 2500 },
    { name: "noise", motion: 900, time: 1800 },
    { name: "z", motion: 1200, time: 2200 },
    { name: "decoder", motion: 1300, time: 2300 },
    { name: "rec", motion: 1300, time: 2500 },
    { name: "KL", motion: 900, time: 2200 },
    { name: "ELBO", motion: 900, time: 3200 },
  ];
  const LAST = STEPS.length - 1;
  const { rec: GREEN, kl: ORANGE, elbo: BLUE, q: PURPLE, muted: MUTED } = ui.COLOURS;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const digits = ui.digitsOf(model.get("digits"), model.get("raster"));
  const labels = ui.bytes(model.get("labels"));
  const codes = ui.proposals(model, { inputs: 2, y_dim: 0 });
  const view = ui.frame(model, el, "The machine: a VAE at work");

  // --- elements: parts that a page may tell of lead there ---

  const inBook = el.closest(".bd-article"); // else in Jupyter, where a page is a notebook
  /** @param {string} name @param {Attributes} attributes */
  /** @param {string} name @param {Attributes} attributes @param {Child[]} children */
  function part(name, attributes, ...children) {
    const link = model.get("links")[name];
    if (!link) return ui.h("span", attributes, children);
    const [page, section] = link.split("#");
    const href = inBook ? `${page}.html${section ? `#${section}` : ""}` : `${page}.ipynb`;
    return ui.h("a", { ...attributes, href, target: inBook ? null : "_blank" }, children);
  }

  /** @type {Record<string, { element: HTMLOutputElement, digits: number }>} */
  const numbers = {};
  /** @param {string} key */
  const number = (key, digits = 2) => {
    numbers[key] = { element: ui.output({ "data-key": key, class: "late" }), digits };
    return numbers[key].element;
  };
  /** @param {string} name @param {string} key @param {string} colour @param {number} [digits] */
  const pair = (name, key, colour, digits) => [
    ui.h("i", { style: `color: ${colour}` }, name),
    number(`${key}1`, digits),
    number(`${key}2`, digits),
  ];

  const paper = ui.paper({ className: "vw-machine-paper", ink: 1, onDrawn });
  const painted = ui.digit();
  const cost = ui.digit();
  const sheet = ui.h("canvas", {
    class: "vw-machine-sheet",
    "aria-hidden": "true",
    width: 28 * SIDE,
    height: 28 * SIDE,
  });
  const rings = [0.5, 0.8, 0.95].map((share) => ui.s("circle", { r: Math.sqrt(-2 * Math.log(1 - share)) }));
  const ellipses = [1, 2].map(() => ui.s("ellipse"));
  const map = ui.s(
    "svg",
    { viewBox: `${-EXTENT} ${-EXTENT} ${2 * EXTENT} ${2 * EXTENT}`, role: "img" },
    ui.s("path", { d: `M${-EXTENT} 0H${EXTENT}M0 ${-EXTENT}V${EXTENT}`, stroke: ui.COLOURS.line }),
    ui.s("g", { class: "prior", stroke: ui.COLOURS.prior }, rings),
    ui.s("g", { class: "code", stroke: PURPLE, fill: PURPLE }, ellipses),
  );
  /** @param {string} points */
  const trapezium = (points) =>
    ui.s(
      "svg",
      { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      ui.s("path", { d: points }),
    );
  /** @param {string} area @param {Child} picture */
  /** @param {string} area @param {Child} picture @param {Child[]} caption */
  const figure = (area, picture, ...caption) =>
    ui.h("figure", { class: area }, picture, ui.h("figcaption", {}, caption));
  /** @param {string} area */
  /** @param {string} area @param {Child[]} children */
  const box = (area, ...children) => ui.h("div", { class: area }, children);

  /** @type {Record<string, HTMLElement>} */
  const places = {
    x: figure("x", paper.canvas, part("x", {}, "x"), ": draw it"),
    encoder: part(
      "encoder",
      { class: "encoder" },
      trapezium("M2 2L98 28V72L2 98Z"),
      ui.h("span", {}, "encoder", ui.h("small", {}, "784 → 4")),
    ),
    noise: box(
      "noise",
      part("noise", {}, "noise"),
      ui.h("div", { class: "vw-machine-numbers" }, pair("ε", "eps", MUTED)),
    ),
    code: box(
      "code",
      part("z", {}, "q(z|x)"),
      ui.h("div", { class: "vw-machine-numbers" }, pair("m", "m", PURPLE), pair("v", "v", PURPLE, 3)),
    ),
    plane: figure(
      "plane",
      ui.h("div", { class: "vw-machine-plane" }, sheet, map),
      ui.h(
        "span",
        { class: "vw-machine-sum" },
        part("z", {}, "z = m + √v ε"),
        ui.h("span", { class: "late" }, " = (", number("z1"), ", ", number("z2"), ")"),
      ),
    ),
    decoder: part(
      "decoder",
      { class: "decoder" },
      trapezium("M2 28L98 2V98L2 72Z"),
      ui.h("span", {}, "decoder", ui.h("small", {}, "2 → 784")),
    ),
    painted: figure("painted", box("frame", painted), "p(x|z)"),
    cost: figure("cost", box("frame", cost), "−log p(x|z)"),
  };
  const bars = ui.h(
    "div",
    { class: "vw-machine-bars" },
    [
      ["rec", "rec", "rec = −log p(x|z)", GREEN],
      ["kl", "kl", "KL(q ‖ p)", ORANGE],
      ["elbo", "elbo", "ELBO = −(rec + KL)", BLUE],
    ].map(
      ([key, name, words, colour]) =>
        (places[key] = ui.h(
          "div",
          { class: key, style: `--colour: ${colour}` },
          part(name, {}, words),
          ui.h("span", { class: "track" }, ui.h("span")),
          ui.h("span", { class: "late" }, number(key), " nats"),
        )),
    ),
  );
  const over = ui.h("canvas", { class: "vw-machine-over", "aria-hidden": "true" });
  const stage = ui.h(
    "div",
    { class: "vw-machine" },
    ui.h(
      "div",
      { class: "vw-machine-flow" },
      ["x", "encoder", "noise", "code", "plane", "decoder", "painted", "cost"].map((name) => places[name]),
    ),
    bars,
    over,
  );
  const flights = wires({ stage, over, map, places, painted, cost, numbers, paper: paper.canvas, extent: EXTENT });
  const says = ui.h("p", { class: "vw-machine-says" });
  const play = ui.button("Pause", () => {
    touched = true;
    ui.set(model, { play: !model.get("play") });
  });
  const clear = ui.button("Clear", () => {
    paper.forget();
    ui.set(model, { pixels: "" });
  });
  view.body.append(
    says,
    stage,
    ui.h(
      "div",
      { class: "vw-machine-controls" },
      play,
      ui.slider(view, model, {
        trait: "step",
        name: "step",
        step: 1,
        show: (step) => STEPS[step].name,
      }),
      ui.button("New ε", () => ui.set(model, { eps: newNoise() })),
      clear,
    ),
    ui.digitChoice(view, model, digits, { labels, legend: "Test digits, or draw one in the first picture" }),
  );

  // --- what the machine makes of a digit ---

  /** @type {{ encoder?: Network, decoder?: Network }} */
  const parts = {};
  /** @type {Record<string, Promise<Network>>} */
  const loading = {};
  /** @param {string} name */
  /** @param {"encoder" | "decoder"} name */
  function load(name) {
    loading[name] ??= ui.network(model, name).then(
      (net) => (parts[name] = net),
      (error) => {
        delete loading[name]; // the next time, it is tried again
        throw error;
      },
    );
    return loading[name];
  }

  const draws = engine.normals(1);
  const newNoise = () =>
    Array.from(draws.fill(new Float32Array(2)), (value) => Math.min(4, Math.max(-4, Math.round(100 * value) / 100)));
  /** @type {() => Inputs} */
  const current = () => ({ digit: model.get("digit"), pixels: model.get("pixels"), eps: model.get("eps") });
  /** @param {Inputs} state */
  const nameOf = (state) => JSON.stringify(state);
  const { digit: firstDigit, pixels: firstPixels, eps: firstEps } = model.get("_defaults");
  const firstName = nameOf({ digit: firstDigit, pixels: firstPixels, eps: firstEps });

  // What is to be seen of a state; or the name of the network that is wanted first.
  /** @type {(state: Inputs) => Seen | "encoder" | "decoder"} */
  function run(state) {
    const { digit, pixels, eps } = state;
    const x = (pixels ? ui.imageOf(pixels) : digits[digit]) ?? new Float32Array(784);
    const known = pixels ? undefined : codes[digit];
    if (!known && !parts.encoder) return "encoder";
    const { m, v } = known ?? engine.encode(parts.encoder, x);
    const z = m.map((mean, i) => mean + Math.sqrt(v[i]) * eps[i]);
    const first = nameOf(state) === firstName && model.get("first"); // PyTorch's own numbers, which came with the widget
    if (!first && !parts.decoder) return "decoder";
    const logits = first ? ui.floats(first) : engine.forward(parts.decoder, z);
    const prices = logits.map((logit, i) => Math.max(logit, 0) - logit * x[i] + Math.log1p(Math.exp(-Math.abs(logit))));
    const rec = -engine.logBernoulli(x, logits, 784)[0],
      kl = engine.klNormal(m, v);
    return { x, m, v, z, eps, ink: engine.sigmoid(logits), prices, rec, kl, elbo: -(rec + kl) };
  }

  let painting = true; // is the plane of digits still to come?
  /** @type {Seen} */
  let seen; // of the state that is shown
  let shownName = ""; // and that state

  function fill() {
    const { x, m, v, z, eps, rec, kl, elbo } = seen;
    const values = {
      m1: m[0],
      m2: m[1],
      v1: v[0],
      v2: v[1],
      eps1: eps[0],
      eps2: eps[1],
      z1: z[0],
      z2: z[1],
      rec,
      kl,
      elbo,
    };
    for (const [key, value] of Object.entries(values)) {
      numbers[key].element.value = ui.format(value, numbers[key].digits);
      numbers[key].element.dataset.value = String(value);
    }
    ui.paint(painted, seen.ink);
    tint(
      cost,
      seen.prices.map((price) => Math.min(1, price / DEAR)),
      GREEN,
    );
    ellipses.forEach((ellipse, i) =>
      ui.put(ellipse, { cx: m[0], cy: -m[1], rx: (i + 1) * Math.sqrt(v[0]), ry: (i + 1) * Math.sqrt(v[1]) }),
    );
    const scale = ui.reach(-elbo);
    const lengths = { rec: [0, rec], kl: [rec, kl], elbo: [0, -elbo] };
    for (const [key, [from, length]] of Object.entries(lengths)) {
      places[key].style.setProperty("--from", String(from / scale));
      places[key].style.setProperty("--length", String(length / scale));
    }
    const on = ui.range(784).filter((i) => x[i]);
    flights.of(seen, on);
    const digit = model.get("digit");
    const what =
      digit >= 0
        ? `Test digit ${digit + 1}, a ${labels[digit]}`
        : model.get("pixels")
          ? "Your drawing"
          : "An empty image";
    paper.canvas.setAttribute("aria-label", `${what}: ${on.length} pixels on. Draw another one here`);
    painted.setAttribute(
      "aria-label",
      `What z decodes to: ${Math.round(seen.ink.reduce((sum, ink) => sum + ink, 0))} pixels on, on average`,
    );
    cost.setAttribute("aria-label", `What each pixel adds to rec, ${ui.format(rec)} nats in all`);
    map.setAttribute("aria-label", `The plane of digits, with z at (${ui.format(z[0])}, ${ui.format(z[1])})`);
    return what;
  }

  // As ui.paint, in a colour.
  /** @param {HTMLCanvasElement} canvas @param {Float32Array} ink @param {string} colour */
  function tint(canvas, ink, colour) {
    ui.paint(canvas, ink);
    const context = canvas.getContext("2d");
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour;
    context.fillRect(0, 0, 28, 28);
    context.globalCompositeOperation = "source-over";
  }

  /** @param {number} step */
  const sentence = (step) =>
    [
      `${model.get("digit") >= 0 ? "This digit" : "This drawing"} is 784 pixels, each on or off.`,
      "The encoder reads the 784 pixels and answers with four numbers: two means m and two variances v.",
      "Chance adds two numbers of its own: the noise ε.",
      "z = m + √v ε lands on the plane of digits.",
      "The decoder reads z and paints: for each pixel, a probability that it is on.",
      `How well does that tell the digit? Each pixel pays for its surprise: rec = ${ui.format(seen.rec)} nats.`,
      `How far is q(z|x) from the prior p(z), the rings? KL = ${ui.format(seen.kl)} nats.`,
      `Added up, with the sign turned: the ELBO, ${ui.format(seen.elbo)} nats. Training raises it.`,
    ][step];

  // --- what is lit when: [step, share of its motion] ---

  /** @type {[from: [step: number, share: number], elements: HTMLElement[]][]} */
  const LIT = [
    [[0, 0], [places.x]],
    [[1, 0], [places.encoder]],
    [[1, 0.86], [places.code]],
    [[2, 0.7], [places.noise]],
    [[3, 0.75], [places.plane]],
    [[4, 0.25], [places.decoder]],
    [[4, 1], [places.painted]],
    [[5, 0.5], [places.cost]],
    [[5, 0.75], [places.rec]],
    [[6, 0.5], [places.kl]],
    [[7, 0.2], [places.elbo]],
  ];
  const NOW = [
    ["x"],
    ["encoder", "code"],
    ["noise"],
    ["plane"],
    ["decoder", "painted"],
    ["cost", "rec"],
    ["kl"],
    ["elbo"],
  ];
  const has = new Map(); // element -> whether it is lit
  /** @param {number} step @param {number} t */
  function light(step, t) {
    for (const [[from, share], elements] of LIT) {
      const lit = step > from || (step === from && t >= share);
      for (const element of elements) {
        if (has.get(element) !== lit) element.classList.toggle("lit", lit);
        has.set(element, lit);
      }
    }
  }

  // --- time ---

  let step = -1; // the one that is shown
  /** @type {number | null} */
  let began = null; // when its motion did; null for one that stands
  let since = 0; // when it was there
  let asked = 0; // the frame that is asked for
  let inSight = true;
  let touched = false; // has the machine gone on from what it showed first?
  const playing = () => model.get("play") && !still.matches && inSight;
  const next = () => (asked ||= requestAnimationFrame(frame));

  /** @param {number} now */
  function frame(now) {
    asked = 0;
    if (view.signal.aborted) return;
    if (began !== null) {
      began ||= now;
      const t = Math.min(1, (now - began) / STEPS[step].motion);
      light(step, t);
      flights.draw(step, t);
      if (t >= 1) began = null;
    }
    since ||= now;
    if (playing() && began === null && now - since >= (touched ? STEPS[step].time : WHOLE)) goOn();
    if (began !== null || playing()) next();
  }

  // To the next step; after the last one to another digit, or for a drawing to another noise.
  function goOn() {
    if (step < LAST) return ui.set(model, { step: step + 1 });
    if (!touched) {
      touched = true; // what is shown first comes again, from its beginning
      return ui.set(model, { step: 0 });
    }
    if (!parts.decoder) return;
    const digit = model.get("digit");
    ui.set(
      model,
      digit < 0 ? { eps: newNoise(), step: 2 } : { digit: (digit + 1) % digits.length, eps: newNoise(), step: 0 },
    );
  }

  // By hand: what plays by itself stops.
  function stopPlaying() {
    touched = true;
    if (model.get("play")) ui.set(model, { play: false });
  }

  /** @param {number} by */
  function go(by) {
    stopPlaying();
    ui.set(model, { step: Math.min(LAST, Math.max(0, model.get("step") + by)) });
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    if (event.target instanceof Element && event.target.matches("input, select, textarea, [contenteditable]")) return;
    event.preventDefault();
    go(by);
  }

  view.root.addEventListener("pointerdown", (event) => event.composedPath().includes(play) || stopPlaying());
  view.root.addEventListener("keydown", (event) => {
    if (!["Tab", "Shift", "Control", "Alt", "Meta"].includes(event.key) && event.target !== play) stopPlaying();
    onKey(event);
  });
  // On a page of the book the keys are free while nothing has the focus.
  if (inBook)
    document.addEventListener("keydown", (event) => event.target === document.body && inSight && onKey(event), {
      signal: view.signal,
    });

  // --- drawing by hand ---

  /** @type {number | undefined} */
  let drawing; // until the pen has rested
  /** @param {string} pixels */
  function onDrawn(pixels) {
    clearTimeout(drawing);
    drawing = setTimeout(() => {
      drawing = undefined;
      if (!view.signal.aborted && seen) paper.show(seen.x, false);
    }, PATIENCE);
    load("encoder").catch(() => {});
    paper.show(new Float32Array(784));
    ui.set(model, { digit: -1, pixels });
  }
  paper.canvas.addEventListener("pointerenter", () => load("encoder").catch(() => {}));

  // --- the picture ---

  /** @type {() => Promise<void>} */
  async function update() {
    const state = current(),
      name = nameOf(state),
      found = run(state);
    view.root.setAttribute("aria-busy", String(typeof found === "string" || painting));
    if (typeof found === "string") {
      says.textContent = `The ${found} is on its way.`;
      try {
        await load(found);
      } catch (error) {
        says.textContent = `The ${found} could not be loaded (${engine.reason(error)}).`;
        return view.root.setAttribute("aria-busy", "false");
      }
      return view.signal.aborted ? undefined : update();
    }
    const before = step,
      same = name === shownName;
    seen = found;
    if (model.get("digit") >= 0) paper.forget();
    const what = fill();
    if (!drawing || !paper.count()) paper.show(seen.x, false);
    shownName = name;
    step = model.get("step");
    const moves =
      !still.matches &&
      before >= 0 &&
      (step === before + 1 || (step === 0 && before === LAST)) &&
      (same || step === 0 || model.get("play"));
    if (step !== before || !same) {
      began = moves ? 0 : null;
      since = 0;
    }
    for (const place of Object.values(places)) place.classList.remove("now");
    for (const part of NOW[step]) places[part].classList.add("now");
    says.textContent = sentence(step);
    play.textContent = model.get("play") ? "Pause" : "Play";
    play.hidden = still.matches;
    clear.hidden = !model.get("pixels");
    if (began === null) light(step, 1);
    if (flights.ready() && (began === null || began === 0)) flights.draw(step, began === null ? 1 : 0);
    if (!playing())
      view.say(
        `${what}. ${sentence(step)} m = (${ui.format(seen.m[0])}, ${ui.format(seen.m[1])}), z = (${ui.format(seen.z[0])}, ${ui.format(seen.z[1])}), rec ${ui.format(seen.rec)}, KL ${ui.format(seen.kl)}, ELBO ${ui.format(seen.elbo)} nats`,
      );
    next();
  }

  // What each place of the plane draws: a few digits at a time, and nothing where the decoder does not come.
  function paintSheet() {
    const context = sheet.getContext("2d"),
      tile = ui.digit();
    let done = 0;
    const some = () => {
      if (view.signal.aborted) return;
      const cells = ui.range(3).map((i) => done + i);
      const z = cells.flatMap((i) => [
        EXTENT * ((2 * (i % SIDE) + 1) / SIDE - 1),
        EXTENT * (1 - (2 * Math.floor(i / SIDE) + 1) / SIDE),
      ]);
      const ink = engine.sigmoid(engine.forward(parts.decoder, Float32Array.from(z), cells.length));
      cells.forEach((i, n) => {
        ui.paint(tile, ink.subarray(784 * n, 784 * (n + 1)));
        context.drawImage(tile, 28 * (i % SIDE), 28 * Math.floor(i / SIDE));
      });
      done += cells.length;
      if (done < SIDE * SIDE) return setTimeout(some);
      sheet.classList.add("lit");
      ready();
    };
    some();
  }

  function ready() {
    painting = false;
    view.root.setAttribute("aria-busy", "false");
  }

  ui.digitOrDrawing(view, model);

  const observer = new ResizeObserver(() => {
    flights.measure();
    if (!seen) return;
    paper.show(seen.x, Boolean(drawing));
    flights.draw(step, began === null ? 1 : 0);
  });
  observer.observe(stage);
  const sight = new IntersectionObserver(([entry]) => {
    inSight = entry.isIntersecting;
    since = 0;
    next();
  });
  sight.observe(stage);
  view.signal.addEventListener("abort", () => [observer, sight].forEach((one) => one.disconnect()));
  still.addEventListener("change", update, { signal: view.signal });
  const whole = () => {
    if (!seen) return;
    light(LAST, 1);
    flights.draw(LAST, 1);
  };
  addEventListener("beforeprint", whole, { signal: view.signal });
  view.watch(["digit", "pixels", "eps", "step", "play"], update);
  ui.onceSeen(view, () => load("decoder").then(paintSheet, ready));
  return view.stop;
}

// The reader's VAE in the machine, if it has two latents.
/** @type {Parameters<typeof ui.adoptable>[1]} */
const adoptedMachine = (trained, model) =>
  trained.dec.inputs === 2 ? { ...ui.adoptedParts(trained, model), first: null } : null;

export default { render: ui.adoptable(renderMachine, adoptedMachine) };
