// Steps through trained models: the same digit under the same noise, side by side; rate against distortion.

async function renderSweep({ model, el }) {
  const REBUILT = 4; // draws of q(z|x)
  const PRIOR = 6; // and of p(z)
  const decoders = await ui.network(model, "decoders");
  const mixtures = await ui.mixture(model, "mixtures");
  const names = model.get("names");
  const measured = model.get("measured");
  const digits = ui.digitsOf(model.get("digits"));
  const labels = ui.bytes(model.get("labels"));
  const codes = readCodes(ui.floats(model.get("codes_m")), ui.floats(model.get("codes_v")));
  const view = ui.frame(model, el, "A sweep over models");

  // The q(z|x) of each model and digit.
  function readCodes(m, v) {
    let at = 0;
    return decoders.map(({ inputs }) => digits.map(() => {
      at += inputs;
      return { m: m.subarray(at - inputs, at), v: v.subarray(at - inputs, at) };
    }));
  }

  // --- elements ---

  const pictures = (n) => ui.range(n).map(() => ui.digit());
  const original = ui.digit();
  const overview = names.map((name, i) => {
    const [rebuilt, prior] = pictures(2);
    const cell = ui.h("div", { class: "vw-sweep-model", onclick: () => ui.set(model, { index: i }) }, ui.h("span", {}, name), rebuilt, prior);
    return { cell, rebuilt, prior };
  });
  const rebuilt = pictures(REBUILT);
  const prior = pictures(PRIOR);
  const active = ui.h("span");
  const numbers = ui.numbers([
    ["rate", "rate: KL", "kl"],
    ["distortion", "distortion: −log p(x|z)", "rec"],
    ["nelbo", "their sum, the NELBO", "elbo"],
    ["active", active, null, { digits: 0, unit: null }],
  ]);
  const plot = ratePlot();
  const slider = ui.slider(view, model, { trait: "index", name: "model", min: 0, max: names.length - 1, step: 1, show: (i) => names[i] });

  view.body.append(
    ui.h("p", { class: "vw-heading" }, "All models under the same noise: the digit rebuilt from a draw of q(z|x), and a draw from the prior."),
    ui.h("div", { class: "vw-sweep-all", style: `--models:${names.length + 1}` },
      ui.h("div", { class: "vw-sweep-model original" }, ui.h("span", {}, "original"), original, ui.h("span", { class: "vw-sweep-row" }, "from p(z)")), overview.map(({ cell }) => cell)),
    slider,
    ui.h("div", { class: "vw-row" },
      ui.h("div", { class: "vw-grow vw-column" },
        ui.h("div", {}, ui.h("p", { class: "vw-heading" }, "The digit rebuilt, from four draws of q(z|x)"), ui.h("div", { class: "vw-sweep-draws" }, rebuilt)),
        ui.h("div", {}, ui.h("p", { class: "vw-heading" }, "Draws from the prior"), ui.h("div", { class: "vw-sweep-draws" }, prior)),
        numbers.table),
      ui.h("div", { class: "vw-grow vw-column" }, plot.svg,
        ui.h("p", { class: "vw-heading" }, `Means over ${model.get("measured_on")}. Along a grey line the NELBO, in blue, is the same.`))),
    ui.h("div", { class: "vw-row vw-end" },
      ui.digitChoice(view, model, digits, { labels }),
      ui.button("New noise", () => ui.set(model, { seed: (model.get("seed") + 1) % 2 ** 31 }))),
  );

  // --- rate against distortion ---

  function ratePlot() {
    const axis = (values, label, room = 1) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const pad = Math.max(1, 0.14 * (high - low));
      return { min: Math.max(0, low - pad), max: high + room * pad, label };
    };
    const x = axis(measured.map(({ rate }) => rate), "rate, nats", 2.3);
    const y = axis(measured.map(({ distortion }) => distortion), "distortion, nats");
    const axes = ui.axes({ width: 400, height: 280, x, y, label: "" });
    const step = [5, 10, 20, 50, 100].find((size) => (x.max - x.min + y.max - y.min) / size < 12) ?? 200;
    const totals = ui.range(200).map((n) => n * step).filter((total) => total > x.min + y.min && total < x.max + y.max);
    const grey = { stroke: ui.COLOURS.line, "stroke-width": 1 };
    const rise = (16 * (axes.y(0) - axes.y(1))) / (axes.x(1) - axes.x(0)); // how far a grey line falls to the middle of its label
    const halo = { stroke: "#fff", "stroke-width": 4, style: "paint-order: stroke" };
    const text = (content, at) => ui.s("text", { "font-size": 12, fill: ui.COLOURS.muted, ...halo, ...at }, content);
    const places = measured.map(({ rate, distortion }) => [axes.x(rate), axes.y(distortion)]);
    const current = ui.s("circle", { r: 9, fill: "none", stroke: ui.INK, "stroke-width": 2.5 });
    const tags = names.map((name) => text(name, { "font-size": 13 }));
    axes.plot.append(
      ...totals.map((total) => ui.s("line", { ...grey, x1: axes.x(x.min), y1: axes.y(total - x.min), x2: axes.x(x.max), y2: axes.y(total - x.max) })),
      ...totals.filter((total) => axes.y(total - x.min) + rise > axes.box.top + 8).map((total) =>
        text(total, { x: axes.x(x.min) + 16, y: axes.y(total - x.min) + rise + 4, "text-anchor": "middle", fill: ui.COLOURS.elbo })),
      ui.s("path", { d: ui.path(places), fill: "none", stroke: ui.COLOURS.elbo, "stroke-width": 1.5 }),
      ...places.map(([cx, cy]) => ui.s("circle", { cx, cy, r: 4.5, fill: ui.COLOURS.elbo })),
      ...tags, current,
    );
    const show = (index) => {
      const [cx, cy] = places[index];
      ui.put(current, { cx, cy });
      // The present name first, and of the others those that find room.
      const taken = [];
      for (const i of [index, ...ui.range(names.length).filter((i) => i !== index)]) {
        const [x, y] = places[i], length = 8 * names[i].length;
        const from = x + 9 + length > axes.box.right ? x - 9 - length : x + 9; // to the left where there is no room
        const free = taken.every(([a, b, c]) => Math.abs(c - y) > 15 || a > from + length || from > b);
        if (free) taken.push([from, from + length, y]);
        ui.put(tags[i], { x: from < x ? x - 9 : x + 9, y: y - 8, "text-anchor": from < x ? "end" : "start", visibility: free ? "visible" : "hidden",
                          fill: i === index ? ui.INK : ui.COLOURS.muted, "font-weight": i === index ? 700 : 400 });
      }
      const { rate, distortion } = measured[index];
      ui.put(axes.svg, { "aria-label": `Distortion against rate of ${names.length} models; ${names[index]} has rate ${ui.format(rate)} and distortion ${ui.format(distortion)} nats` });
    };
    return { svg: axes.svg, show };
  }

  // --- drawing ---

  let drawn = ""; // of which digit and noise
  let inks; // of each model: REBUILT pictures of the digit, then PRIOR of draws from the prior

  function draw(digit) {
    const source = engine.normals(model.get("seed"));
    const longest = Math.max(...decoders.map(({ inputs }) => inputs));
    const noise = ui.range(REBUILT + PRIOR).map(() => source.fill(new Float32Array(longest))); // a model takes the first of each
    const u = ui.range(PRIOR).map(() => source.uniform());
    inks = decoders.map((decoder, i) => {
      const { m, v } = codes[i][digit];
      const fromPrior = (eps, n) => (mixtures[i] ? engine.mixtureSample(mixtures[i], eps, u[n]) : eps.subarray(0, decoder.inputs));
      const z = new Float32Array((REBUILT + PRIOR) * decoder.inputs);
      noise.forEach((eps, n) => z.set(n < REBUILT ? m.map((mean, j) => mean + Math.sqrt(v[j]) * eps[j]) : fromPrior(eps, n - REBUILT), n * decoder.inputs));
      const ink = engine.sigmoid(engine.forward(decoder, z, REBUILT + PRIOR));
      return ui.range(REBUILT + PRIOR).map((n) => ink.subarray(784 * n, 784 * (n + 1)));
    });
    ui.paint(original, digits[digit]);
    overview.forEach(({ rebuilt, prior }, i) => {
      ui.paint(rebuilt, inks[i][0]);
      ui.paint(prior, inks[i][REBUILT]);
      rebuilt.setAttribute("aria-label", `The ${labels[digit]} rebuilt by the model ${names[i]}`);
      prior.setAttribute("aria-label", `A draw from the prior of the model ${names[i]}`);
    });
    original.setAttribute("aria-label", `The original, a ${labels[digit]}`);
  }

  function update() {
    const digit = model.get("digit");
    const index = model.get("index");
    const key = `${digit} ${model.get("seed")}`;
    if (key !== drawn) draw(digit);
    drawn = key;
    [...rebuilt, ...prior].forEach((canvas, n) => {
      ui.paint(canvas, inks[index][n]);
      canvas.setAttribute("aria-label", n < REBUILT ? `The digit rebuilt, draw ${n + 1}` : `Draw ${n - REBUILT + 1} from the prior`);
    });
    overview.forEach(({ cell }, i) => cell.classList.toggle("chosen", i === index));
    const { rate, distortion, nelbo, active: used, z_dim } = measured[index];
    active.textContent = `latents in use, of ${z_dim}`;
    numbers.show({ rate, distortion, nelbo, active: used });
    plot.show(index);
    view.say(`${names[index]}: rate ${ui.format(rate)}, distortion ${ui.format(distortion)}, NELBO ${ui.format(nelbo)} nats; ${used} of ${z_dim} latents in use`);
  }

  view.watch(["index", "digit", "seed"], update);
  return view.stop;
}

export default { render: renderSweep };
