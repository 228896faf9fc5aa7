// The components of a learned prior: all on one sheet, one of them close up, and whose a test digit is.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderComponents({ model, el }) {
  const SAMPLES = 8;
  const SHARE = 0.01; // a component that takes more of the digit is marked on the sheet
  const [dec, prior] = [await ui.network(model, "decoder"), await ui.mixture(model, "mixture")];
  const { k, z_dim: dim, m, v } = prior;
  const most = Math.min(6, k); // responsible components with pictures
  const order = model.get("order");
  const places = new Map(order.map((component, place) => [component, place]));
  const raster = model.get("raster"),
    [tall, wide] = raster,
    size = dec.outputs;
  const digits = ui.digitsOf(model.get("digits"), raster);
  const labels = ui.bytes(model.get("labels"));
  const codes = ui.floats(model.get("codes"));
  const view = ui.frame(model, el, "The components of the prior");
  /** @param {number} share */
  const percent = (share) => (share < 0.001 ? "< 0.1%" : `${ui.format(100 * share, share < 0.095 ? 1 : 0)}%`);
  /** @param {number} component */
  const named = (component) => `component ${component + 1}`;
  /** @param {Float32Array} array @param {number} component */
  const of = (array, component) => array.subarray(dim * component, dim * (component + 1));
  /** @param {number} component */
  const choose = (component) => ui.set(model, { component });

  // --- elements ---

  const sheet = ui.h("canvas", { role: "img" });
  const box = ui.h("div", { class: "vw-sheet", role: "group", "aria-label": "All components" }, sheet);
  // The slider is the way by keys, and scrolls it; where there is more than is seen, it is a stop of its own.
  const reach = new ResizeObserver(() => {
    box.tabIndex = box.scrollHeight > box.clientHeight ? 0 : -1;
  });
  reach.observe(box);
  view.signal.addEventListener("abort", () => reach.disconnect());
  const place = ui.slider(view, model, {
    trait: "component",
    name: "place",
    label: "Component, by its place on the sheet",
    values: order,
    show: (component) => `${places.get(component) + 1}/${k}`,
  });
  const title = ui.h("p", { class: "vw-heading" });
  const mean = ui.digit("", raster);
  const samples = ui.range(SAMPLES).map(() => ui.digit("small", raster));
  const spreads = ui.h("div");

  const shares = ui.range(most).map(() => {
    const [bar, picture, words] = [ui.h("span", { class: "swatch" }), ui.digit("small", raster), ui.h("small")];
    const inside = [ui.h("span", { class: "vw-share" }, bar), picture, words];
    /** @type {{ bar: Element, picture: HTMLCanvasElement, words: Element, component: number, button: Element }} */
    const part = { bar, picture, words, component: 0, button: ui.button(inside, () => choose(part.component)) };
    return part;
  });
  const rest = ui.h("p", { class: "vw-note" });
  const numbers = ui.numbers([
    ["log_p", "log p(z) at the digit’s code", "prior"],
    ["largest", "largest responsibility", null, { digits: 1, unit: "%" }],
    ["effective", "effective number of components", null, { digits: 1, unit: "" }],
    ["chosen", "of the chosen one", null, { digits: 1, unit: "%" }],
  ]);

  view.body.append(
    ui.h(
      "p",
      { class: "vw-heading" },
      `The means of all ${k} components, decoded, each beside others that look like it. Click one. ` +
        `Shaded: those that take more than ${100 * SHARE}% of the test digit below.`,
    ),
    box,
    place,
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h("div", {}, title, ui.captioned(mean, "its mean, decoded")),
      ui.h(
        "div",
        {},
        ui.h("p", { class: "vw-heading" }, "Draws from it"),
        ui.h("div", { class: "vw-draws" }, samples),
        ui.button("New samples", () => ui.set(model, ui.nextSeed(model))),
      ),
      ui.h(
        "div",
        { class: "vw-third" },
        ui.keys([
          ["prior", "its mean ± s.d."],
          ["line", "the whole mixture’s"],
          ["q", "the digit’s code"],
        ]),
        spreads,
      ),
    ),
    ui.digitChoice(view, model, digits, { labels, legend: "Test digit, whose code is the mean of q(z|x)" }),
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow" },
        ui.h(
          "p",
          { class: "vw-heading" },
          "Responsibilities p(k|z): which component did the code come from? Press one to choose it.",
        ),
        ui.h(
          "div",
          { class: "vw-shares", style: `--count:${most}` },
          shares.map(({ button }) => button),
        ),
        rest,
      ),
      numbers.table,
    ),
  );

  // --- the sheet: the means are painted once; laid out for a width and a digit; and then one gets the ring ---

  const side = Math.ceil(Math.sqrt(k));
  const means = ui.h("canvas", { width: wide * side, height: tall * side }); // in the model's own order
  /** @param {number} component */
  /** @type {(component: number) => [number, number]} */
  const spot = (component) => [wide * (component % side), tall * Math.floor(component / side)];
  const plain = ui.h("canvas"); // the sheet without the ring
  let [laidOut, painted, columns, cell] = ["", 0, 1, 0];

  ui.slices(view, () => {
    const count = Math.min(10, k - painted);
    const ink = engine.ink(dec, engine.forward(dec, m.subarray(dim * painted, dim * (painted + count)), count));
    for (const n of ui.range(count)) {
      const one = ui.digit("", raster);
      ui.paint(one, ink.subarray(size * n, size * (n + 1)));
      means.getContext("2d").drawImage(one, ...spot(painted + n));
    }
    painted += count;
    if (painted === k) drawSheet();
    return painted === k;
  });

  /** @param {number} width @param {number} digit @param {number} ratio */
  function layOut(width, digit, ratio) {
    const least = width < 480 ? 25 : 21; // pixels of a digit: for a finger, for a mouse
    columns = Math.min(k, Math.floor(width / least));
    cell = Math.min(width / columns, 2 * least);
    const size = [columns * cell, Math.ceil(k / columns) * cell];
    for (const canvas of [plain, sheet])
      [canvas.width, canvas.height] = size.map((length) => Math.round(length * ratio));
    [sheet.style.width, sheet.style.height] = size.map((length) => `${length}px`);
    const context = plain.getContext("2d");
    context.scale(ratio, ratio);
    context.imageSmoothingQuality = "high";
    const { shares: r } = code(digit),
      scale = cell / Math.max(tall, wide);
    order.forEach((component, at) => {
      const [x, y] = corner(at);
      if (r[component] > SHARE) {
        context.globalAlpha = 0.35 + 0.65 * r[component];
        context.fillStyle = ui.COLOURS.prior;
        context.fillRect(x, y, cell, cell);
        context.globalAlpha = 1;
      }
      context.drawImage(
        means,
        ...spot(component),
        wide,
        tall,
        x + (cell - scale * wide) / 2,
        y + (cell - scale * tall) / 2,
        scale * wide,
        scale * tall,
      );
    });
  }

  function drawSheet() {
    /** @type {[width: number, digit: number, ratio: number]} */
    const wanted = [box.clientWidth || 320, model.get("digit"), ui.enlarged(box) * (window.devicePixelRatio || 1)];
    if (laidOut !== `${wanted} ${painted}`) layOut(...wanted);
    laidOut = `${wanted} ${painted}`;
    const context = sheet.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, sheet.width, sheet.height);
    context.drawImage(plain, 0, 0);
    context.scale(wanted[2], wanted[2]);
    const [x, y] = corner(places.get(model.get("component")));
    for (const [lineWidth, strokeStyle] of [
      [6, "#fff"],
      [2.5, ui.INK],
    ]) {
      Object.assign(context, { lineWidth, strokeStyle });
      context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
    }
    // On a phone the sheet scrolls: the chosen one is kept in sight.
    if (y < box.scrollTop || y + cell > box.scrollTop + box.clientHeight) box.scrollTop = y - box.clientHeight / 2;
  }

  /** @param {number} at */
  const corner = (at) => [cell * (at % columns), cell * Math.floor(at / columns)];

  sheet.addEventListener("click", (event) => {
    const at = Math.floor(event.offsetY / cell) * columns + Math.min(columns - 1, Math.floor(event.offsetX / cell));
    if (order[at] !== undefined) choose(order[at]);
  });
  const observer = new ResizeObserver(drawSheet);
  observer.observe(box);
  view.signal.addEventListener("abort", () => observer.disconnect());

  // --- arithmetic ---

  // The code z of a digit, log p(z), and each component's share of it.
  /** @param {number} digit */
  function code(digit) {
    const z = of(codes, digit);
    const log_each = engine.logNormal(z, m, v, dim, k);
    const log_p = engine.logMeanExp(log_each);
    return { z, log_p, shares: log_each.map((log) => Math.exp(log - log_p) / k) };
  }

  // Mean and standard deviation of each latent under the whole mixture, and under each component.
  /** @param {(c: number, i: number) => number} f */
  const average = (f) =>
    Float64Array.from({ length: dim }, (_, i) => ui.range(k).reduce((sum, j) => sum + f(j * dim + i, i), 0) / k);
  const centre = average((c) => m[c]);
  const spread = average((c, i) => v[c] + (m[c] - centre[i]) ** 2).map(Math.sqrt);
  /** @param {number} component */
  const deviations = (component) => Array.from(of(v, component), Math.sqrt);
  // How far the axis reaches: as far as every component, so that the mixture's bars stand still.
  const furthest = Math.max(
    ...Array.from(m, (mean, c) => Math.abs(mean) + Math.sqrt(v[c])),
    ...centre.map((mean, i) => Math.abs(mean) + spread[i]),
  );

  // --- drawing ---

  /** @param {number} component @param {Float32Array} z */
  function drawSpreads(component, z) {
    const [own, sd] = [of(m, component), deviations(component)];
    const extent = Math.ceil(0.5 + Math.max(furthest, ...z.map(Math.abs)));
    const axes = ui.axes({
      width: 330,
      height: 200,
      left: 42,
      y: { min: -extent, max: extent, ticks: 4, label: "z" },
      x: { min: 0.25, max: dim + 0.75, ticks: dim > 12 ? 6 : ui.range(dim).map((i) => i + 1), label: "latent" },
    });
    const step = axes.x(2) - axes.x(1);
    /**
     * @param {number} i
     * @param {number} low
     * @param {number} high
     * @param {number} wide
     * @param {Attributes} attributes
     */
    const bar = (i, low, high, wide, attributes) =>
      ui.s("rect", {
        x: axes.x(i + 1) - wide / 2,
        width: wide,
        y: axes.y(high),
        height: axes.y(low) - axes.y(high),
        ...attributes,
      });
    axes.plot.append(
      ...ui
        .range(dim)
        .flatMap((i) => [
          bar(i, centre[i] - spread[i], centre[i] + spread[i], 0.9 * step, { fill: ui.COLOURS.line, opacity: 0.6 }),
          bar(i, own[i] - sd[i], own[i] + sd[i], 0.4 * step, { fill: ui.COLOURS.prior, "data-sd": sd[i] }),
          bar(i, own[i], own[i], 0.4 * step, { y: axes.y(own[i]) - 1, height: 2, fill: "#fff" }),
          ui.s("circle", { cx: axes.x(i + 1), cy: axes.y(z[i]), r: 4, fill: ui.COLOURS.q, stroke: "#fff" }),
        ]),
    );
    axes.svg.setAttribute(
      "aria-label",
      `Standard deviations of ${named(component)} and of the whole mixture: ` +
        sd
          .slice(0, 10)
          .map((own, i) => `z${ui.subscript(i + 1)} ${ui.format(own)} of ${ui.format(spread[i])}`)
          .join(", "),
    );
    spreads.replaceChildren(axes.svg);
  }

  function update() {
    const [component, digit, seed] = ["component", "digit", "seed"].map((trait) => model.get(trait));
    const { z, log_p, shares: r } = code(digit);
    const which = `test digit ${digit + 1}, a ${labels[digit]}`;

    ui.paint(mean, engine.ink(dec, engine.forward(dec, of(m, component))));
    const source = engine.normals(seed);
    const draws = ui
      .range(SAMPLES)
      .flatMap(() =>
        Array.from(engine.mixtureSample(prior, source.fill(new Float32Array(dim)), (component + 0.5) / k)),
      );
    const ink = engine.ink(dec, engine.forward(dec, Float32Array.from(draws), SAMPLES));
    samples.forEach((picture, n) => {
      ui.paint(picture, ink.subarray(size * n, size * (n + 1)));
      picture.setAttribute("aria-label", `Draw ${n + 1} from ${named(component)}, decoded`);
    });
    drawSpreads(component, z);

    const top = ui
      .range(k)
      .sort((a, b) => r[b] - r[a])
      .slice(0, most);
    const pictures = engine.ink(
      dec,
      engine.forward(dec, Float32Array.from(top.flatMap((j) => Array.from(of(m, j)))), most),
    );
    shares.forEach((part, rank) => {
      part.component = top[rank];
      ui.paint(part.picture, pictures.subarray(size * rank, size * (rank + 1)));
      part.picture.setAttribute("aria-label", `The mean of ${named(top[rank])}, decoded`);
      ui.put(part.bar, { style: `--colour:${ui.COLOURS.prior};height:${Math.max(2, 100 * r[top[rank]])}%` });
      part.words.textContent = percent(r[top[rank]]);
      part.button.setAttribute("aria-label", `Choose ${named(top[rank])}, responsibility ${percent(r[top[rank]])}`);
      part.button.setAttribute("aria-pressed", String(top[rank] === component));
    });
    const left = 1 - top.reduce((sum, j) => sum + r[j], 0);
    rest.textContent = k > most ? `The other ${k - most} together: ${percent(left)}` : "";
    const entropy = r.reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0);
    numbers.show({ log_p, largest: 100 * r[top[0]], effective: Math.exp(entropy), chosen: 100 * r[component] });
    drawSheet();

    const place = `place ${places.get(component) + 1} of ${k}`;
    const many = r.filter((share) => share > SHARE).length;
    title.textContent = `Component ${component + 1}`;
    mean.setAttribute("aria-label", `The mean of ${named(component)}, decoded`);
    sheet.setAttribute(
      "aria-label",
      `The means of ${k} components, decoded; chosen: ${named(component)}, at ${place}. ` +
        `Shaded: ${many}, with more than ${100 * SHARE}% of ${which}`,
    );
    view.say(
      `Component ${component + 1}, ${place}; its share of ${which}: ${percent(r[component])}. The largest share is ` +
        `${percent(r[top[0]])}; effective number ${ui.format(Math.exp(entropy), 1)}; log p(z) = ${ui.format(log_p)} nats`,
    );
  }

  view.watch(["component", "digit", "seed"], update);
  return view.stop;
}

export default { render: ui.following(renderComponents) };
