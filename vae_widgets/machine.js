// The whole VAE at once: a digit goes through the encoder, noise falls in, z lands, the decoder paints, bars fill.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

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
  function part(name, attributes, ...children) {
    const link = model.get("links")[name];
    if (!link) return ui.h("span", attributes, children);
    const [page, section] = link.split("#");
    const href = inBook ? `${page}.html${section ? `#${section}` : ""}` : `${page}.ipynb`;
    return ui.h("a", { ...attributes, href, target: inBook ? null : "_blank" }, children);
  }

  const numbers = {};
  const number = (key, digits = 2) => {
    numbers[key] = { element: ui.output({ "data-key": key, class: "late" }), digits };
    return numbers[key].element;
  };
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
  const trapezium = (points) =>
    ui.s(
      "svg",
      { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      ui.s("path", { d: points }),
    );
  const figure = (area, picture, ...caption) =>
    ui.h("figure", { class: area }, picture, ui.h("figcaption", {}, caption));
  const box = (area, ...children) => ui.h("div", { class: area }, children);

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
        min: 0,
        max: LAST,
        step: 1,
        show: (step) => STEPS[step].name,
      }),
      ui.button("New ε", () => ui.set(model, { eps: newNoise() })),
      clear,
    ),
    ui.digitChoice(view, model, digits, { labels, legend: "Test digits, or draw one in the first picture" }),
  );

  // --- what the machine makes of a digit ---

  const parts = {};
  const loading = {};
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
  const TRAITS = ["digit", "pixels", "eps"];
  const current = () => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
  const nameOf = (state) => JSON.stringify(state);
  const firstName = nameOf(Object.fromEntries(TRAITS.map((trait) => [trait, model.get("_defaults")[trait]])));

  // What is to be seen of a state; or the name of the network that is wanted first.
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
      numbers[key].element.dataset.value = value;
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
      places[key].style.setProperty("--from", from / scale);
      places[key].style.setProperty("--length", length / scale);
    }
    const on = ui.range(784).filter((i) => x[i]);
    swarm = {
      on,
      lit: ui.range(784).filter((i) => seen.ink[i] > 0.06),
      dear: ui.range(784).filter((i) => seen.prices[i] > 0.4),
    };
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
  function tint(canvas, ink, colour) {
    ui.paint(canvas, ink);
    const context = canvas.getContext("2d");
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour;
    context.fillRect(0, 0, 28, 28);
    context.globalCompositeOperation = "source-over";
  }

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
  function light(step, t) {
    for (const [[from, share], elements] of LIT) {
      const lit = step > from || (step === from && t >= share);
      for (const element of elements) {
        if (has.get(element) !== lit) element.classList.toggle("lit", lit);
        has.set(element, lit);
      }
    }
  }

  // --- wires, and what moves along them: one canvas over all of it ---

  let at = {}; // places in the stage: { left, top, right, bottom, x, y (its middle) }
  let swarm = { on: [], lit: [], dear: [] }; // the pixels that fly
  const ease = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2);
  const span = (t, from, to) => Math.min(1, Math.max(0, (t - from) / (to - from)));
  const mix = ([ax, ay], [bx, by], t) => [ax + (bx - ax) * t, ay + (by - ay) * t];

  function measure() {
    const origin = stage.getBoundingClientRect();
    const boxOf = (element) => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      const [l, t, r, b] = [left - origin.left, top - origin.top, right - origin.left, bottom - origin.top];
      return { left: l, top: t, right: r, bottom: b, x: (l + r) / 2, y: (t + b) / 2 };
    };
    at = { stage: { width: origin.width, height: origin.height } };
    const elements = {
      x: paper.canvas,
      encoder: places.encoder,
      code: places.code,
      noise: places.noise,
      plane: map,
      decoder: places.decoder,
      painted,
      cost,
      shown: places.painted,
      land: places.plane,
      rec: places.rec.children[1],
      kl: places.kl.children[1],
      elbo: places.elbo.children[1],
    };
    for (const [name, element] of Object.entries(elements)) at[name] = boxOf(element);
    at.numbers = ["m1", "m2", "v1", "v2", "eps1", "eps2"].map((key) => boxOf(numbers[key].element));
    const ratio = window.devicePixelRatio || 1;
    [over.width, over.height] = [origin.width, origin.height].map((side) => Math.round(side * ratio));
  }

  // A wire from one place to the next, as the four points of a curve, from the sides that face each other.
  function wire(from, to) {
    const [a, b] = [at[from], at[to]],
      near = 6;
    if (b.left >= a.right - near || b.right <= a.left + near) {
      const [x0, x1] = b.left >= a.right - near ? [a.right, b.left] : [a.left, b.right],
        middle = (x0 + x1) / 2;
      const y0 = Math.min(a.bottom, Math.max(a.top, a.y)),
        y1 = Math.min(b.bottom - 8, Math.max(b.top + 8, b.top <= y0 && y0 <= b.bottom ? y0 : b.y));
      return [
        [x0, y0],
        [middle, y0],
        [middle, y1],
        [x1, y1],
      ];
    }
    const [y0, y1] = b.top >= a.bottom - near ? [a.bottom, b.top] : [a.top, b.bottom],
      middle = (y0 + y1) / 2;
    const x0 = b.left <= a.x && a.x <= b.right ? a.x : a.left <= b.x && b.x <= a.right ? b.x : a.x;
    const x1 = b.left <= x0 && x0 <= b.right ? x0 : b.x;
    return [
      [x0, y0],
      [x0, middle],
      [x1, middle],
      [x1, y1],
    ];
  }

  const along = ([a, b, c, d], t) => mix(mix(mix(a, b, t), mix(b, c, t), t), mix(mix(b, c, t), mix(c, d, t), t), t);

  const onPlane = ([z1, z2]) => {
    const { left, right, top, bottom } = at.plane,
      inside = (value) => Math.min(1, Math.max(-1, value / EXTENT));
    return [left + ((1 + inside(z1)) / 2) * (right - left), top + ((1 - inside(z2)) / 2) * (bottom - top)];
  };

  // The middle of a pixel in a picture, and the side of one.
  const pixel = (name, i) => {
    const { left, top, right, bottom } = at[name];
    return [left + (((i % 28) + 0.5) / 28) * (right - left), top + ((Math.floor(i / 28) + 0.5) / 28) * (bottom - top)];
  };
  const sizeOf = (name) => (at[name].right - at[name].left) / 28;

  function draw(step, t) {
    const context = over.getContext("2d"),
      ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, at.stage.width, at.stage.height);
    const done = (from, share = 0) => step > from || (step === from && t >= share);
    const curve = (points, colour, width) => {
      const [a, b, c, d] = points;
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...a);
      context.bezierCurveTo(...b, ...c, ...d);
      context.stroke();
      const [x, y] = along(points, 0.94),
        length = Math.hypot(d[0] - x, d[1] - y) || 1,
        [ux, uy] = [(d[0] - x) / length, (d[1] - y) / length];
      context.fillStyle = colour;
      context.beginPath();
      context.moveTo(...d);
      context.lineTo(d[0] - 6 * ux - 3.2 * uy, d[1] - 6 * uy + 3.2 * ux);
      context.lineTo(d[0] - 6 * ux + 3.2 * uy, d[1] - 6 * uy - 3.2 * ux);
      context.fill();
    };
    const down = at.decoder.top > at.plane.bottom ? "land" : "plane"; // below the words that stand under it
    const wires = [
      ["x", "encoder", 1, 0.2, MUTED],
      ["encoder", "code", 1, 0.8, PURPLE],
      ["noise", "plane", 3, 0, MUTED],
      ["code", "plane", 3, 0, PURPLE],
      [down, "decoder", 4, 0, PURPLE],
      ["decoder", "painted", 4, 0.5, MUTED],
      ["shown", "cost", 5, 0.2, GREEN],
    ];
    for (const [from, to, when, share, colour] of wires)
      curve(wire(from, to), done(when, share) ? colour : ui.COLOURS.line, done(when, share) ? 1.8 : 1.2);

    // Where one bar ends, the next one begins; and the last one ends where both do.
    const ruler = (from, to, x, colour) => {
      context.strokeStyle = colour;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, at[from].bottom);
      context.lineTo(x, at[to].top);
      context.stroke();
    };
    if (done(6, 0.5)) ruler("rec", "kl", barAt("kl"), ORANGE);
    if (done(7, 0.2)) ruler("kl", "elbo", barAt("kl", 1), BLUE);

    const dot = ([x, y], radius, colour, alpha = 1) => {
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
      context.globalAlpha = 1;
    };
    const square = ([x, y], side, colour, alpha) => {
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.fillRect(x - side / 2, y - side / 2, side, side);
      context.globalAlpha = 1;
    };

    const { m, z } = seen,
      [first, last] = [onPlane(m), onPlane(z)];
    if (step === 1 && t < 1) {
      const [, , , into] = wire("x", "encoder"),
        [out] = wire("encoder", "code"),
        side = sizeOf("x");
      const half = 0.4 * (at.encoder.bottom - at.encoder.top);
      for (const i of swarm.on) {
        const late = 0.3 * (1 - (i % 28) / 27),
          own = span(t, late, late + 0.55);
        if (own <= 0 || own >= 1) continue;
        const start = pixel("x", i),
          door = [into[0], at.encoder.y + half * ((2 * Math.floor(i / 28)) / 27 - 1)];
        const place = own < 0.5 ? mix(start, door, ease(own / 0.5)) : mix(door, out, ease((own - 0.5) / 0.5));
        square(place, side * (1 - 0.6 * own), ui.INK, 1 - 0.5 * own);
      }
      at.numbers.slice(0, 4).forEach((to, i) => {
        const own = ease(span(t, 0.62 + 0.05 * i, 0.88 + 0.03 * i));
        if (own > 0 && own < 1) dot(mix(out, [to.x, to.y], own), 4, PURPLE);
      });
    }
    if (step === 2 && t < 0.72) {
      at.numbers.slice(4).forEach((to, i) => {
        const own = span(t, 0.12 * i, 0.6 + 0.12 * i),
          fall = own ** 2;
        dot([to.x + 14 * Math.sin(9 * own + 3 * i) * (1 - own), -10 + (to.y + 10) * fall], 4, MUTED);
      });
    }
    if (step === 3 && t < 1) {
      const [mean, noise] = [ease(span(t, 0, 0.5)), ease(span(t, 0.1, 0.55))];
      if (mean < 1) dot(along(wire("code", "plane"), mean), 5, PURPLE);
      if (noise < 1) dot(along(wire("noise", "plane"), noise), 4, MUTED);
      const slide = ease(span(t, 0.5, 0.9));
      if (mean >= 1 || t > 0.45) {
        const middle = mix(first, last, slide);
        away(middle, 0.35 + 0.65 * slide);
        const ripple = span(t, 0.8, 1);
        if (ripple > 0 && ripple < 1) {
          context.globalAlpha = 1 - ripple;
          context.strokeStyle = PURPLE;
          context.beginPath();
          context.arc(...last, 7 + 22 * ripple, 0, 2 * Math.PI);
          context.stroke();
          context.globalAlpha = 1;
        }
      }
    }
    // z, and how far the noise took it from m.
    function away(z, size) {
      dot(first, 2.5, PURPLE);
      context.strokeStyle = MUTED;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(...first);
      context.lineTo(...z);
      context.stroke();
      mark(z, size);
    }
    function mark([x, y], size = 1) {
      for (const [width, colour] of [
        [5, "#fff"],
        [2.5, PURPLE],
      ]) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.beginPath();
        context.arc(x, y, 5.5 * size, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    if (done(4) || (step === 3 && t >= 1)) {
      away(last);
    }
    if (step === 4 && t < 1) {
      const [start, , , into] = wire(down, "decoder"),
        [out] = wire("decoder", "painted"),
        side = sizeOf("painted");
      const going = span(t, 0, 0.4);
      if (going < 1)
        dot(
          going < 0.55
            ? mix(last, start, ease(going / 0.55))
            : along(wire(down, "decoder"), ease((going - 0.55) / 0.45)),
          5,
          PURPLE,
        );
      const inside = span(t, 0.38, 0.55);
      if (inside > 0 && inside < 1) dot(mix(into, out, inside), 5 - 2 * inside, PURPLE);
      for (const i of swarm.lit) {
        const late = 0.5 + 0.16 * (((i * 37) % 101) / 101),
          own = ease(span(t, late, late + 0.32));
        if (own > 0)
          square(mix(out, pixel("painted", i), own), side * (0.4 + 0.6 * own), ui.INK, seen.ink[i] * (0.3 + 0.7 * own));
      }
    }
    if (step === 5 && t < 1) {
      const side = sizeOf("cost"),
        [end] = [[at.rec.left, at.rec.y]];
      const bring = ease(span(t, 0, 0.5));
      if (bring < 1) {
        for (const i of swarm.on)
          square(bend(pixel("x", i), pixel("cost", i), bring), side, ui.INK, 0.5 * (1 - bring) + 0.1);
        for (const i of swarm.lit)
          square(mix(pixel("painted", i), pixel("cost", i), bring), side, GREEN, 0.7 * seen.ink[i]);
      }
      swarm.dear.forEach((i, n) => {
        const own = span(t, 0.5 + 0.2 * (n / swarm.dear.length), 0.8 + 0.2 * (n / swarm.dear.length));
        if (own > 0 && own < 1) dot(mix(pixel("cost", i), end, ease(own)), 2, GREEN, 0.8);
      });
    }
    if (step === 6 && t < 0.6) {
      const end = [barAt("kl"), at.kl.y];
      for (const i of ui.range(14)) {
        const angle = (2 * Math.PI * i) / 14,
          own = ease(span(t, 0.01 * i, 0.42 + 0.01 * i));
        const rim = [first[0] + 10 * Math.cos(angle), first[1] + 10 * Math.sin(angle)];
        if (own < 1) dot(mix(rim, end, own), 2.5, ORANGE);
      }
    }
    if (step === 7 && t < 0.5) {
      const own = ease(span(t, 0, 0.45)),
        to = [at.elbo.left, at.elbo.y];
      for (const [name, colour] of [
        ["rec", GREEN],
        ["kl", ORANGE],
      ])
        dot(mix([barAt(name), at[name].y], to, own), 4, colour, 1 - own);
    }
  }

  // Where a bar begins, or with 1 ends.
  function barAt(name, end = 0) {
    const [from, length] = ["--from", "--length"].map((property) => +places[name].style.getPropertyValue(property));
    return at[name].left + (from + end * length) * (at[name].right - at[name].left);
  }

  // From one picture to another, below what is between them.
  const bend = (from, to, t) => {
    const [x, y] = mix(from, to, t);
    return [x, y + 46 * Math.sin(Math.PI * t) * (Math.abs(to[0] - from[0]) > 60 ? 1 : 0)];
  };

  // --- time ---

  let step = -1; // the one that is shown
  let began = null; // when its motion did; null for one that stands
  let since = 0; // when it was there
  let asked = 0; // the frame that is asked for
  let inSight = true;
  let touched = false; // has the machine gone on from what it showed first?
  const playing = () => model.get("play") && !still.matches && inSight;
  const next = () => (asked ||= requestAnimationFrame(frame));

  function frame(now) {
    asked = 0;
    if (view.signal.aborted) return;
    if (began !== null) {
      began ||= now;
      const t = Math.min(1, (now - began) / STEPS[step].motion);
      light(step, t);
      draw(step, t);
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

  function go(by) {
    stopPlaying();
    ui.set(model, { step: Math.min(LAST, Math.max(0, model.get("step") + by)) });
  }

  function onKey(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    if (event.target.matches("input, select, textarea, [contenteditable]")) return;
    event.preventDefault();
    go(by);
  }

  view.root.addEventListener("pointerdown", (event) => play.contains(event.target) || stopPlaying());
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

  let drawing; // until the pen has rested
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

  async function update() {
    const state = current(),
      name = nameOf(state),
      found = run(state);
    const busy = typeof found === "string";
    view.root.setAttribute("aria-busy", busy || painting);
    if (busy) {
      says.textContent = `The ${found} is on its way.`;
      try {
        await load(found);
      } catch (error) {
        says.textContent = `The ${found} could not be loaded (${error.message ?? error}).`;
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
    if (at.stage && (began === null || began === 0)) draw(step, began === null ? 1 : 0);
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
    measure();
    if (!seen) return;
    paper.show(seen.x, Boolean(drawing));
    draw(step, began === null ? 1 : 0);
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
  addEventListener("beforeprint", () => seen && (light(LAST, 1), draw(LAST, 1)), { signal: view.signal });
  view.watch(["digit", "pixels", "eps", "step", "play"], update);
  ui.onceSeen(view, () => load("decoder").then(paintSheet, ready));
  return view.stop;
}

// The reader's VAE in the machine, if it has two latents.
const adoptedMachine = (trained, model) =>
  trained.dec.inputs === 2 ? { ...ui.adoptedParts(trained, model), first: null } : null;

export default { render: ui.adoptable(renderMachine, adoptedMachine) };
