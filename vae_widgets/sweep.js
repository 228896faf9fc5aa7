// Steps through trained models: what one number of a training does to draws, rebuilt digits, latents and bound. The
// network of a model is fetched when its stop is reached, those beside it in idle time.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderSweep({ model, el }) {
  const PRIOR = 16; // draws of p(z)
  const REBUILT = 7; // and of q(z|x)
  const names = model.get("names");
  /** @type {Measured[]} */
  const measured = model.get("measured");
  const raster = model.get("raster"),
    size = raster[0] * raster[1];
  const digits = ui.digitsOf(model.get("digits"), raster);
  const labels = ui.bytes(model.get("labels"));
  const codes = readCodes(ui.floats(model.get("codes_m")), ui.floats(model.get("codes_v")));
  const view = ui.frame(model, el, "A sweep over trained models");
  /** @param {number} i */
  const called = (i) => `${model.get("what")} = ${names[i]}`;

  // The q(z|x) of each model and digit.
  /** @param {Float32Array} m @param {Float32Array} v */
  function readCodes(m, v) {
    let at = 0;
    return measured.map(({ z_dim }) =>
      digits.map(() => {
        at += z_dim;
        return { m: m.subarray(at - z_dim, at), v: v.subarray(at - z_dim, at) };
      }),
    );
  }

  // --- elements ---

  /** @param {number} n */
  const pictures = (n) => ui.range(n).map(() => ui.digit("", raster));
  const original = ui.digit("", raster);
  const rebuilt = pictures(REBUILT);
  const prior = pictures(PRIOR);
  const waiting = ui.h("p", { class: "vw-sweep-waiting", hidden: true });
  const active = ui.h("span");
  const tight = measured.every(({ niwae }) => niwae["5000"] !== undefined);
  const numbers = ui.numbers([
    ["rate", "rate, the KL to the prior", "kl"],
    ["distortion", "distortion, mean −log p(x|z)", "rec"],
    ["nelbo", "their sum, the NELBO", "elbo"],
    tight && ["tight", "−log p(x), from 5,000 samples", "iwae"],
    ["active", active, null, { digits: 0, unit: null }],
  ]);
  const bars = latentBars();
  const plot = model.get("plot") === "bounds" ? boundsPlot() : ratePlot();
  const slider = ui.slider(view, model, {
    trait: "index",
    name: model.get("what"),
    step: 1,
    show: (i) => names[i],
  });
  const stops = names.map((name, i) =>
    ui.h("span", { style: `--at:${i / (names.length - 1)}`, onclick: () => ui.set(model, { index: i }) }, name),
  );
  slider.append(ui.h("div", { class: "vw-stops", "aria-hidden": "true" }, stops));
  /** @param {string} heading */
  /** @param {string} heading @param {Child[]} canvases */
  const strip = (heading, ...canvases) =>
    ui.h("div", {}, ui.h("p", { class: "vw-heading" }, heading), ui.h("div", { class: "vw-sweep-draws" }, canvases));
  /** @param {Child[]} children */
  const grow = (...children) => ui.h("div", { class: "vw-grow vw-column" }, children);

  view.root.classList.add("vw-sweep");
  view.body.append(
    slider,
    ui.h(
      "div",
      { class: "vw-row" },
      grow(
        ui.h(
          "div",
          { class: "vw-sweep-pictures vw-column" },
          strip("Sixteen draws from the prior: the same noise at each stop", prior),
          strip(`A digit, and ${REBUILT} draws of q(z|x) decoded`, original, rebuilt),
          waiting,
        ),
        bars.part,
      ),
      grow(plot.svg, ui.h("p", { class: "vw-heading" }, plot.words), numbers.table),
    ),
    ui.h(
      "div",
      { class: "vw-row vw-end" },
      ui.digitChoice(view, model, digits, { labels }),
      ui.button("New noise", () => ui.set(model, ui.nextSeed(model))),
    ),
  );

  // --- what each latent carries ---

  /** @type {() => { part: Element, show: (index: number) => void }} */
  function latentBars() {
    if (measured.some(({ nats }) => !nats)) {
      const why = "With a mixture for a prior, the KL is of all latents together. None has a share of its own.";
      return { part: ui.h("p", { class: "vw-heading" }, why), show: () => {} };
    }
    const most = Math.max(...measured.map(({ z_dim }) => z_dim));
    const highest = Math.max(...measured.map(({ nats }) => Math.max(...nats)));
    const ticks = [1, 10, 20, 30, 40, 50].filter((tick) => most > 10 && tick <= most);
    const axes = ui.axes({
      width: 400,
      height: 170,
      left: 34,
      label: "",
      x: {
        min: 0.4,
        max: most + 0.6,
        label: "latents, in order of their nats",
        ticks: ticks.length ? ticks : ui.range(most).map((i) => i + 1),
      },
      y: { min: 0, max: 1.06 * highest, label: "nats", ticks: 4 },
    });
    const wide = Math.min(24, 0.76 * (axes.x(1) - axes.x(0)));
    const rects = ui.range(most).map((i) => ui.s("rect", { x: axes.x(i + 1) - wide / 2, width: wide }));
    axes.plot.append(...rects);
    /** @param {number} index */
    const show = (index) => {
      const { nats, used, z_dim } = measured[index];
      const count = used.filter(Boolean).length;
      rects.forEach((rect, i) => {
        const height = i < z_dim ? Math.max(2, axes.y(0) - axes.y(nats[i])) : 0; // one that is idle is there all the same
        ui.put(rect, {
          y: axes.y(0) - height,
          height,
          fill: used[i] ? ui.COLOURS.kl : ui.COLOURS.line,
          "data-nats": nats[i] ?? "",
        });
      });
      ui.put(axes.svg, {
        "aria-label": `What each of ${z_dim} latents carries: from ${ui.format(nats[0])} down to ${ui.format(nats.at(-1))} nats; ${count} in use`,
      });
    };
    const heading = ui.h("p", { class: "vw-heading" }, "What each latent carries (grey: not in use)");
    return { part: ui.h("div", {}, heading, axes.svg), show };
  }

  // --- rate against distortion, or −log p(x) by the number of samples ---

  // Names beside places, the present one first, and of the others those that find room.
  /** @param {Axes} axes @param {SVGTextElement[]} tags @param {number[][]} places @param {number} index */
  function nameAt(axes, tags, places, index) {
    /** @type {[from: number, to: number, y: number][]} */
    const taken = [];
    for (const i of [index, ...ui.range(names.length).filter((i) => i !== index)]) {
      const [x, y] = places[i],
        length = 8 * names[i].length;
      const from = x + 9 + length > axes.box.right ? x - 9 - length : x + 9; // to the left where there is no room
      const free = taken.every(([a, b, c]) => Math.abs(c - y) > 15 || a > from + length || from > b);
      if (free) taken.push([from, from + length, y]);
      ui.put(tags[i], {
        x: from < x ? x - 9 : x + 9,
        y,
        "text-anchor": from < x ? "end" : "start",
        visibility: free ? "visible" : "hidden",
        fill: i === index ? ui.INK : ui.COLOURS.muted,
        "font-weight": i === index ? 700 : 400,
      });
    }
  }

  /** @param {string} content @param {Attributes} [at] */
  function text(content, at = {}) {
    const halo = { stroke: "#fff", "stroke-width": 4, style: "paint-order: stroke" };
    return ui.s("text", { fill: ui.COLOURS.muted, ...halo, ...at }, content);
  }

  function ratePlot() {
    /** @param {number[]} values @param {string} label */
    const axis = (values, label, room = 1) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const pad = Math.max(1, 0.14 * (high - low));
      return { min: Math.max(0, low - pad), max: high + room * pad, label };
    };
    const x = axis(
      measured.map(({ rate }) => rate),
      "rate (nats)",
      1.4,
    );
    const y = axis(
      measured.map(({ distortion }) => distortion),
      "distortion (nats)",
    );
    const axes = ui.axes({ width: 400, height: 280, x, y, label: "" });
    const step = [5, 10, 20, 50, 100].find((size) => (x.max - x.min + y.max - y.min) / size < 12) ?? 200;
    const totals = ui
      .range(200)
      .map((n) => n * step)
      .filter((total) => total > x.min + y.min && total < x.max + y.max);
    const grey = { stroke: ui.COLOURS.line, "stroke-width": 1 };
    const rise = (16 * (axes.y(0) - axes.y(1))) / (axes.x(1) - axes.x(0)); // how far a grey line falls to the middle of its label
    const places = measured.map(({ rate, distortion }) => [axes.x(rate), axes.y(distortion)]);
    const current = ui.s("circle", { r: 9, fill: "none", stroke: ui.INK, "stroke-width": 2.5 });
    const tags = names.map((name) => text(name));
    axes.plot.append(
      ...totals.map((total) =>
        ui.s("line", {
          ...grey,
          x1: axes.x(x.min),
          y1: axes.y(total - x.min),
          x2: axes.x(x.max),
          y2: axes.y(total - x.max),
        }),
      ),
      ...totals
        .filter((total) => axes.y(total - x.min) + rise > axes.box.top + 8)
        .map((total) =>
          text(String(total), {
            x: axes.x(x.min) + 16,
            y: axes.y(total - x.min) + rise + 4,
            "text-anchor": "middle",
            fill: ui.COLOURS.elbo,
          }),
        ),
      ui.s("path", { d: ui.path(places), fill: "none", stroke: ui.COLOURS.elbo, "stroke-width": 1.5 }),
      ...places.map(([cx, cy]) => ui.s("circle", { cx, cy, r: 4.5, fill: ui.COLOURS.elbo })),
      ...tags,
      current,
    );
    /** @param {number} index */
    const show = (index) => {
      const [cx, cy] = places[index];
      ui.put(current, { cx, cy });
      nameAt(
        axes,
        tags,
        places.map(([x, y]) => [x, y - 8]),
        index,
      );
      const { rate, distortion } = measured[index];
      ui.put(axes.svg, {
        "aria-label": `Distortion against rate of ${names.length} models; ${called(index)} has rate ${ui.format(rate)} and distortion ${ui.format(distortion)} nats`,
      });
    };
    return {
      svg: axes.svg,
      show,
      words: `Each point is a model, and a mean over ${model.get("measured_on")}. Along a grey line the NELBO, in blue, is the same.`,
    };
  }

  function boundsPlot() {
    const counts = Object.keys(measured[0].niwae)
      .map(Number)
      .sort((a, b) => a - b);
    const bounds = measured.map(({ niwae }) => counts.map((m) => niwae[m]));
    const most = Math.max(...names.map((name) => name.length)); // letters, for which there is room to the left
    const all = bounds.flat(),
      pad = 0.06 * (Math.max(...all) - Math.min(...all));
    const axes = ui.axes({
      width: 400,
      height: 280,
      label: "",
      x: {
        min: counts[0] / 2.5,
        max: counts.at(-1) * 1.6,
        log: true,
        ticks: counts,
        label: "samples that it is measured with",
        format: (m) => m.toLocaleString("en"),
      },
      y: { min: Math.min(...all) - pad, max: Math.max(...all) + pad, label: "bound on −log p(x) (nats)" },
    });
    const lines = bounds.map((nats) => {
      const places = nats.map((value, i) => [axes.x(counts[i]), axes.y(value)]);
      return {
        places,
        line: ui.s("path", { d: ui.path(places), fill: "none" }),
        dots: places.map(([cx, cy]) => ui.s("circle", { cx, cy, r: 3.5 })),
      };
    });
    const tags = names.map((name) => text(name));
    axes.plot.append(...lines.flatMap(({ line, dots }) => [line, ...dots]), ...tags);
    /** @param {number} index */
    const show = (index) => {
      lines.forEach(({ line, dots }, i) => {
        const colour = i === index ? ui.COLOURS.iwae : ui.COLOURS.muted;
        ui.put(line, { stroke: colour, "stroke-width": i === index ? 3 : 1 });
        dots.forEach((dot) => ui.put(dot, { fill: colour }));
      });
      nameAt(
        axes,
        tags,
        lines.map(({ places: [[x, y]] }) => [x - 8 * most - 14, y + 4]),
        index,
      );
      const said = bounds[index]
        .map((nats, i) => `${ui.format(nats)} with ${counts[i].toLocaleString("en")}`)
        .join(", ");
      ui.put(axes.svg, {
        "aria-label": `Bounds on −log p(x) of ${names.length} models by the number of samples; that of ${called(index)}, in nats: ${said}`,
      });
    };
    return {
      svg: axes.svg,
      show,
      words: `Each line is a model, and each point a mean over ${model.get("measured_on")}.`,
    };
  }

  // --- networks, and what they draw ---

  /** @type {Map<number, { decoder: Network, mixture: Mixture | null }>} */
  const networks = new Map(); // index -> { decoder, mixture }, once it is there
  /** @type {Map<number, Promise<void>>} */
  const fetched = new Map(); // index -> promise

  /** @param {number} index */
  function fetchNetwork(index) {
    if (!fetched.has(index)) {
      const parts = [ui.network(model, "decoders", index), ui.mixture(model, "mixtures", index)];
      fetched.set(
        index,
        Promise.all(parts).then(
          ([decoder, mixture]) => {
            networks.set(index, { decoder, mixture });
          },
          (error) => {
            fetched.delete(index); // the next time, it is tried again
            throw error;
          },
        ),
      );
    }
    return fetched.get(index);
  }

  let seen = false; // nothing is fetched in advance for a reader who is not here

  function fetchNeighbours() {
    const index = model.get("index");
    const next = [index + 1, index - 1].find((i) => measured[i] && !fetched.has(i));
    if (!seen || next === undefined) return;
    ui.idle(() => view.signal.aborted || fetchNetwork(next).then(fetchNeighbours, () => {}));
  }

  ui.onceSeen(view, () => {
    seen = true;
    fetchNeighbours();
  });

  /** @type {{ key: string, inks: Float32Array[][] }} */
  const drawn = { key: "", inks: [] }; // of which digit and noise; of each model PRIOR draws from the prior, then REBUILT of the digit
  const blank = new Float32Array(size);

  /** @param {number} index @param {number} digit @param {number} seed */
  function inksOf(index, digit, seed) {
    const key = `${digit} ${seed}`;
    if (key !== drawn.key) Object.assign(drawn, { key, inks: [] });
    drawn.inks[index] ??= draw(index, digit, seed);
    return drawn.inks[index];
  }

  /** @param {number} index @param {number} digit @param {number} seed */
  function draw(index, digit, seed) {
    const source = engine.normals(seed),
      { decoder, mixture } = networks.get(index),
      n = decoder.inputs;
    const longest = Math.max(...measured.map(({ z_dim }) => z_dim));
    const noise = ui.range(PRIOR + REBUILT).map(() => source.fill(new Float32Array(longest))); // a model takes the first of each
    const u = ui.range(PRIOR).map(() => source.uniform());
    const { m, v } = codes[index][digit];
    /** @param {Float32Array} eps @param {number} i */
    const fromPrior = (eps, i) => (mixture ? engine.mixtureSample(mixture, eps, u[i]) : eps.subarray(0, n));
    const z = new Float32Array((PRIOR + REBUILT) * n);
    noise.forEach((eps, i) =>
      z.set(i < PRIOR ? fromPrior(eps, i) : m.map((mean, j) => mean + Math.sqrt(v[j]) * eps[j]), i * n),
    );
    const ink = engine.ink(decoder, engine.forward(decoder, z, PRIOR + REBUILT));
    return ui.range(PRIOR + REBUILT).map((i) => ink.subarray(size * i, size * (i + 1)));
  }

  // --- drawing ---

  /** @type {[index: number, message: string] | null} */
  let failure = null; // [index, message] of a network that did not come

  function update() {
    const [index, digit, seed] = ["index", "digit", "seed"].map((trait) => model.get(trait));
    const there = networks.has(index);
    waiting.hidden = there;
    if (!there) {
      waiting.textContent =
        failure?.[0] === index
          ? `The network of ${called(index)} could not be loaded (${failure[1]}). Its numbers are right; for its pictures, leave this stop and come back.`
          : `The network of ${called(index)} is being loaded. Its numbers are here already.`;
    }
    if (there) failure = null;
    const inks = there ? inksOf(index, digit, seed) : null;
    [...prior, ...rebuilt].forEach((canvas, i) => {
      ui.paint(canvas, inks ? inks[i] : blank);
      const what =
        i < PRIOR
          ? `Draw ${i + 1} from the prior of ${called(index)}`
          : `The ${labels[digit]} rebuilt by ${called(index)}, draw ${i - PRIOR + 1}`;
      canvas.setAttribute("aria-label", inks ? what : "Not loaded yet");
    });
    ui.paint(original, digits[digit]);
    original.setAttribute("aria-label", `The original, a ${labels[digit]}`);
    stops.forEach((stop, i) => stop.classList.toggle("chosen", i === index));
    const { rate, distortion, nelbo, niwae, active: count, z_dim } = measured[index];
    active.textContent = `latents in use, of ${z_dim}`;
    numbers.show({ rate, distortion, nelbo, active: count, ...(tight && { tight: niwae["5000"] }) });
    bars.show(index);
    plot.show(index);
    const estimate = tight ? `, −log p(x) about ${ui.format(niwae["5000"])}` : "";
    view.say(
      `${called(index)}: rate ${ui.format(rate)}, distortion ${ui.format(distortion)}, NELBO ${ui.format(nelbo)}${estimate} nats; ${count} of ${z_dim} latents in use`,
    );
    return there;
  }

  // The numbers of a stop at once, its pictures when its network is there.
  async function show() {
    const index = model.get("index");
    if (failure && failure[0] !== index) failure = null;
    if (!update()) {
      try {
        await fetchNetwork(index);
      } catch (error) {
        failure = [index, engine.reason(error)];
      }
      if (!view.signal.aborted && index === model.get("index")) update();
    }
    fetchNeighbours();
  }

  await fetchNetwork(model.get("index")).catch(() => {}); // show() says why
  view.watch(["index", "digit", "seed"], show);
  return view.stop;
}

export default { render: ui.following(renderSweep) };
