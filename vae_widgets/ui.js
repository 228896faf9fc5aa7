// What the widgets' front ends share: a frame with Reset and a link, native controls bound to traits, pictures of
// digits, axes, and the choice of a test digit. Python joins engine.js, this file and a widget's own into one module.

const ui = (() => {
  const INK = "#1a1a1a";
  // One colour for each quantity, as in vae_widgets.plots. A canvas takes them as they are, and a dark theme turns it as a
  // whole (widgets.css); elements take the custom properties of colours.css, which have the theme's own values.
  const COLOURS = {
    truth: INK,
    elbo: "#4870d3",
    kl: "#b3601d",
    gap: "#7a2b48",
    rec: "#2c8458",
    q: "#813799",
    prior: "#6c4502",
    iwae: "#177e9a",
    one: "#bd535f",
    other: "#2f4605",
    third: "#6e5c9c",
    muted: "#5a626b",
    line: "#c4c4c4",
  };
  const PROPERTIES = new Map(Object.entries(COLOURS).map(([name, colour]) => [colour, `var(--vae-${name})`])).set(
    "#fff",
    "var(--vw-paper)",
  );
  const CLASSES = [
    "#332288",
    "#117733",
    "#999933",
    "#CC6677",
    "#AA4499",
    "#5588BB",
    "#DD6622",
    "#44AA99",
    "#B02060",
    "#555555",
  ];
  const SVG = "http://www.w3.org/2000/svg";

  // --- elements ---

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : themed(value));
    }
    element.append(
      ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
    );
    return element;
  }

  // The value of an attribute, with custom properties for the colours in it.
  const themed = (value) => String(value).replace(/#[0-9a-f]{3,6}\b/g, (colour) => PROPERTIES.get(colour) ?? colour);

  const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  // A number that changes: the sentence of `say` is read out, and not each of these as well.
  const output = (attributes = {}, ...children) => h("output", { "aria-live": "off", ...attributes }, ...children);

  // Change attributes of an element that is there.
  const put = (element, attributes) => void fill(element, attributes, []);

  // A number for people: a true minus sign, and the same number of digits always.
  const format = (value, digits = 2) =>
    Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : value > 0 ? "∞" : value < 0 ? "−∞" : "—";

  // "z" with a subscript, as text: z₁ … z₅₀.
  const subscript = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

  const range = (n) => Array.from({ length: n }, (_, i) => i);

  // --- models ---

  // Another model by the reference that a trait holds, or null; for a list of references, a list of models, or the one
  // at an index.
  async function follow(model, trait, index) {
    const find = (reference) =>
      typeof reference === "string"
        ? model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""))
        : (reference ?? null);
    const held = index === undefined ? model.get(trait) : model.get(trait)[index];
    return Array.isArray(held) ? Promise.all(held.map(find)) : find(held);
  }

  // f of each in a list, or of the one thing that there is, or null.
  const each = (held, f) => (Array.isArray(held) ? held.map((one) => each(one, f)) : held && f(held));

  const networks = new WeakMap(); // model -> its network, decoded once however many views there are

  function decoded(source) {
    if (source.layers) return source; // a network already, of a model that the reader trained
    if (!networks.has(source)) {
      const state = Object.fromEntries(
        ["sizes", "activation", "y_dim", "precision", "grey", "weights"].map((name) => [name, source.get(name)]),
      );
      networks.set(source, engine.network(state));
    }
    return networks.get(source);
  }

  const network = async (model, trait, index) => each(await follow(model, trait, index), decoded);

  const mixture = async (model, trait, index) =>
    each(await follow(model, trait, index), (source) =>
      engine.mixture({ k: source.get("k"), z_dim: source.get("z_dim"), weights: source.get("weights") }),
    );

  // engine.proposal of each test digit of a ModelWidget, as its trait `codes` has it.
  function proposals(model, { inputs, y_dim }) {
    const all = floats(model.get("codes")),
      rows = y_dim || 1,
      size = rows * inputs;
    const stride = 2 * size + y_dim;
    return range(all.length / stride).map((i) => {
      const [m, v, logits] = [
        [0, size],
        [size, 2 * size],
        [2 * size, stride],
      ].map(([from, to]) => all.subarray(i * stride + from, i * stride + to));
      return { m, v, ...(y_dim ? { labels: range(y_dim), log_q: engine.logSoftmax(logits) } : { labels: null }) };
    });
  }

  // Runs a task in idle time, once the view has come into sight: what a reader may want next.
  function onceSeen(view, task) {
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      idle(() => view.signal.aborted || task());
    });
    observer.observe(view.root);
    view.signal.addEventListener("abort", () => observer.disconnect());
  }

  // A promise of a task of its own, before which the page may do other things.
  const turn = () => new Promise((done) => setTimeout(done));

  const idle = (task) => (globalThis.requestIdleCallback ? requestIdleCallback(task) : setTimeout(task, 200));

  const bytes = (view) => new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);

  const MNIST = [28, 28, 1];

  // Images as vae_widgets.base.pack_images has them: an array of Float32Array(height * width), ink from 0 to 1. raster:
  // height, width, and the bits of a pixel, 1 or 8.
  function digitsOf(view, [height, width, bits] = MNIST) {
    const packed = bytes(view),
      length = height * width,
      size = Math.ceil((length * bits) / 8);
    const pixel =
      bits === 8 ? (n, i) => packed[size * n + i] / 255 : (n, i) => (packed[size * n + (i >> 3)] >> (7 - (i & 7))) & 1;
    return range(packed.length / size).map((n) => Float32Array.from({ length }, (_, i) => pixel(n, i)));
  }

  // --- what decodes z, where it need not be a network ---

  // { grey, ask }: with decode = ask(view), decode(z, rows, use) calls use(numbers) with what z (rows, z_dim) decodes to: at
  // once by the model's network; later by Python, which is asked one thing at a time, and of what waits the last. Null where
  // there is neither.
  async function decoderOf(model) {
    const net = await network(model, "decoder");
    if (net) return { grey: net.grey, ask: () => (z, rows, use) => use(engine.forward(net, z, rows)) };
    if (model.link) return null; // a page without Python
    const ask = (view) => {
      let id = null,
        take,
        next = null; // of what is asked, and what comes next
      const send = (z, rows, use) => {
        [id, take] = [uniqueName("decode"), use];
        model.send({ decode: id }, undefined, [Float32Array.from(z).buffer]);
      };
      const hear = ({ decoded }, buffers) => {
        if (decoded !== id) return;
        id = null;
        take(floats(buffers[0]));
        const what = next;
        next = null;
        if (what) send(...what);
      };
      model.on("msg:custom", hear);
      view.signal.addEventListener("abort", () => model.off("msg:custom", hear));
      return (...what) => (id ? (next = what) : send(...what));
    };
    return { grey: model.get("grey"), ask };
  }

  const floats = (view) => new Float32Array(bytes(view).slice().buffer);

  // Set traits and tell Python, if there is one.
  function set(model, values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  // A list with one entry changed.
  const changed = (list, index, value) => Object.assign([...list], { [index]: value });

  const setAt = (model, name, index, value) => set(model, { [name]: changed(model.get(name), index, value) });

  // --- a model that the reader trained, in the place of the book's ---

  // In Jupyter each widget has a copy of this file: what they share is on the page.
  const ADOPTED = "vaeBookTrained";

  // Puts a VAE into every adoptable widget that can take it, also those drawn later; null gives the book's models back.
  // trained: { enc, dec: specs of engine.network, digits: [Float32Array(784)], labels, words: what it is } and, where
  // there is one, logMarginal(digits): a promise of their exact log p(x).
  function useModel(trained) {
    globalThis[ADOPTED] = trained;
    document.dispatchEvent(new CustomEvent(ADOPTED));
  }

  // A render that begins anew when Python has taken a model anew (FollowingWidget.refresh).
  const following = (render) => adoptable(render, () => null);

  // The same, and it shows what useModel gave, if the widget is of digits like MNIST's. stateOf(trained, model): the traits that then differ from the widget's own, with
  // { defaults, limits } of its state where those differ too; or null for a widget that keeps the book's model; or a promise.
  function adoptable(render, stateOf) {
    return async ({ model, el }) => {
      let shown,
        version,
        stop,
        closed = false;
      async function show() {
        const trained = String(model.get("raster")) === String(MNIST) ? (globalThis[ADOPTED] ?? null) : null;
        const renewed = stop && version !== model.get("version");
        if (closed || (stop && trained === shown && !renewed)) return;
        version = model.get("version");
        const state =
          trained &&
          (await stateOf({ ...trained, enc: engine.network(trained.enc), dec: engine.network(trained.dec) }, model));
        const before = stop;
        shown = trained;
        if (before && !state && !before.local && !renewed) return;
        const next = await render({ model: state ? local(model, state, trained.words) : model, el });
        if (closed) return void next(); // while it was drawn
        stop = Object.assign(() => next(), { local: Boolean(state) });
        before?.();
      }
      let last = show();
      const change = () => (last = last.then(show).catch((error) => console.error(error)));
      document.addEventListener(ADOPTED, change);
      model.on("change:version", change);
      const end = () => {
        closed = true;
        document.removeEventListener(ADOPTED, change);
        model.off("change:version", change);
        stop?.();
      };
      try {
        await last;
      } catch (error) {
        end();
        throw error;
      }
      return end;
    };
  }

  // A model of the page alone: its traits are its own or the widget's, and nothing that is set reaches Python or a link.
  function local(model, { defaults, limits, ...traits }, words) {
    const own = { ...structuredClone(model.get("_defaults")), ...structuredClone(defaults ?? {}) };
    const state = { ...own, text: "", _defaults: own, _limits: { ...model.get("_limits"), ...limits }, ...traits };
    const listeners = new EventTarget(),
      held = new Map();
    return {
      adopted: words,
      widget_manager: model.widget_manager,
      get: (name) => (name in state ? state[name] : model.get(name)),
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        listeners.dispatchEvent(new Event(`change:${name}`));
      },
      save_changes() {},
      on(event, callback) {
        if (!held.has(callback)) held.set(callback, () => callback());
        listeners.addEventListener(event, held.get(callback));
      },
      off: (event, callback) => listeners.removeEventListener(event, held.get(callback)),
    };
  }

  // q(z|x) of digits side by side: { m, v }.
  function encodeAll(enc, digits) {
    const x = new Float32Array(enc.inputs * digits.length);
    digits.forEach((digit, i) => x.set(digit, enc.inputs * i));
    return engine.encode(enc, x, digits.length);
  }

  // The state of a ModelWidget with the reader's VAE, and its own digits. What a GMVAE or an SSVAE shows is about its
  // mixture or its classes, of which a VAE has none.
  function adoptedParts({ enc, dec }, model) {
    if (model.get("mixture") || model.get("classifier")) return null;
    const digits = digitsOf(model.get("digits")),
      { m, v } = encodeAll(enc, digits),
      dim = dec.inputs;
    const codes = Float32Array.from(
      range(digits.length).flatMap((i) => [m, v].flatMap((all) => [...all.subarray(dim * i, dim * (i + 1))])),
    );
    return { encoder: enc, decoder: dec, codes, log_px: [] };
  }

  // --- a file that vae_core.load_model reads ---

  // The bits of the half float nearest to a number, of two the even one.
  function toHalf(value) {
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0],
      sign = (bits >>> 16) & 0x8000,
      size = bits & 0x7fffffff;
    if (size >= 0x477ff000) throw new Error(`float16 ends at 65504, and a weight is ${value}`);
    if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
    const units = Math.abs(value) * 2 ** 24,
      floor = Math.floor(units),
      rest = units - floor; // below 2^-14
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2) ? 1 : 0));
  }

  // As Python's json.dumps writes a text.
  const ascii = (json) =>
    json.replace(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

  // weights: all of a VAE's in PyTorch's order, encoder first. description: { arguments: { z_dim, hidden, ... }, recipe, ... }.
  // Rejects where the page may not hash (plain http), and for weights that do not fit or that float16 cannot hold.
  async function safetensors(weights, description) {
    if (!globalThis.crypto?.subtle)
      throw new Error("A browser computes the file's hash on pages from https, localhost or disk only.");
    const { hidden, z_dim } = description.arguments;
    let at = 0;
    const tensors = [
      ["enc", [784, ...hidden, 2 * z_dim]],
      ["dec", [z_dim, ...[...hidden].reverse(), 784]],
    ].flatMap(([part, sizes]) =>
      sizes.slice(1).flatMap((out, i) =>
        [
          ["weight", [out, sizes[i]]],
          ["bias", [out]],
        ].map(([kind, shape]) => {
          const data = Uint16Array.from(weights.subarray(at, (at += shape.reduce((a, b) => a * b))), toHalf);
          return { name: `${part}.${i ? `rest.${2 * i - 1}` : "first"}.${kind}`, shape, data };
        }),
      ),
    );
    if (at !== weights.length) throw new Error(`a VAE of this shape has ${at} weights; given ${weights.length}`);
    tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
    const { sha256, ...rest } = description;
    const text = ascii(JSON.stringify({ ...rest, class: "VAE", sha256: "" }));
    const rows = tensors.map(({ name, shape }) => `["${name}", "torch.float16", [${shape.join(", ")}]]`);
    const data = tensors.map((tensor) => tensor.data);
    const whole = new Blob([`[${[JSON.stringify(text), ...rows].join(", ")}]`, ...data]);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await whole.arrayBuffer()));
    const hash = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const header = { __metadata__: { description: `${text.slice(0, -2)}${hash}"}` } };
    let end = 0;
    for (const { name, shape, data } of tensors)
      header[name] = { dtype: "F16", shape, data_offsets: [end, (end += data.byteLength)] };
    const head = JSON.stringify(header),
      padded = head.padEnd(8 * Math.ceil(head.length / 8));
    const length = new DataView(new ArrayBuffer(8));
    length.setUint32(0, padded.length, true);
    return new Blob([length, padded, ...data], { type: "application/octet-stream" });
  }

  function download(blob, filename) {
    const url = URL.createObjectURL(blob);
    h("a", { href: url, download: filename }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  // --- the frame of a widget ---

  // Returns { root, body, foot, status, say, watch, signal, stop }: append to body; `watch` redraws when traits change, once a frame;
  // `say` puts the picture in words, for those who do not see it; hand `stop` back from render. The model's title, if it
  // has one, tells the widget from its like on the page.
  function frame(model, el, label) {
    const title = model.get("title");
    const controller = new AbortController();
    const live = h("p", { class: "vw-hidden", "aria-live": "polite" });
    const status = h("span", { class: "vw-status", role: "status" });
    const body = h("div", { class: "vw-body vw-column" });
    const foot = h("div", { class: "vw-foot" }, h("button", { type: "button", onclick: reset }, "Reset"));
    if (model.link && model.get("_shared").length)
      foot.append(h("button", { type: "button", onclick: copyLink }, "Copy link to this state"));
    foot.append(status);
    const heading = title && h("p", { class: "vw-title" }, title);
    const adopted =
      model.adopted &&
      h(
        "p",
        { class: "vw-note vw-adopted" },
        `This is ${model.adopted}. `,
        button("The book’s model again", () => useModel(null)),
      );
    const root = h(
      "section",
      { class: "vw", role: "group", "aria-label": title ? `${label}: ${title}` : label },
      heading,
      adopted,
      body,
      foot,
      live,
    );
    el.append(root);
    for (const trait of Object.keys(model.get("_defaults")))
      bind(model, trait, () => status.replaceChildren(), controller.signal);

    function reset() {
      set(model, structuredClone(model.get("_defaults")));
      status.textContent = "As it was.";
    }

    async function copyLink() {
      const link = model.link();
      try {
        await navigator.clipboard.writeText(link);
        status.textContent = "Copied.";
      } catch {
        // Not every browser lets a page from disk at the clipboard: show what there is to copy.
        const field = h("input", { type: "text", readonly: true, "aria-label": "Link to this state" });
        field.value = link;
        status.replaceChildren(field);
        field.select();
      }
    }

    let spoken;
    function say(text) {
      clearTimeout(spoken);
      // A slider on the move would be read out at every step.
      spoken = setTimeout(() => {
        live.textContent = text;
        if (model.get("text") !== text) set(model, { text });
      }, 250);
    }

    function watch(traits, draw) {
      let waiting = false;
      const change = () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          if (!controller.signal.aborted) draw();
        });
      };
      for (const trait of traits) model.on(`change:${trait}`, change);
      controller.signal.addEventListener("abort", () =>
        traits.forEach((trait) => model.off(`change:${trait}`, change)),
      );
      draw();
    }

    function stop() {
      clearTimeout(spoken);
      controller.abort();
      root.remove();
    }

    return { root, body, foot, status, say, watch, stop, signal: controller.signal };
  }

  // --- controls: native inputs with labels, bound to a trait ---

  // JupyterLab takes arrow keys away from an input, unless the input says this.
  const KEYS = { "data-lm-suppress-shortcuts": "true" };

  function bind(model, trait, show, signal) {
    model.on(`change:${trait}`, show);
    signal.addEventListener("abort", () => model.off(`change:${trait}`, show));
    show();
  }

  // A slider for a number, or for one entry (index) of a list. `values`: slide over these values (a log scale, say).
  // `name` labels it for the eye, `label` (if more is needed) for the ear. `limits()`: [min, max] that change with the state.
  function slider(
    view,
    model,
    { trait, index, name, label, min, max, limits, step = 0.05, digits = 2, values, show = format },
  ) {
    const input = h("input", {
      type: "range",
      ...KEYS,
      min: values ? 0 : min,
      max: values ? values.length - 1 : max,
      step: values ? 1 : step,
      "aria-label": label ?? name,
      "data-trait": trait,
      "data-index": index,
    });
    const shown = output();
    const get = () => (index === undefined ? model.get(trait) : model.get(trait)[index]);
    const nearest = (value) =>
      values.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(values[best] - value) ? i : best), 0);
    input.addEventListener("input", () => {
      const value = values ? values[+input.value] : +input.value;
      if (index === undefined) set(model, { [trait]: value });
      else setAt(model, trait, index, value);
    });
    bind(
      model,
      trait,
      () => {
        const value = get();
        if (limits) [input.min, input.max] = limits();
        input.value = values ? nearest(value) : value;
        shown.value = show(value, digits);
        input.setAttribute("aria-valuetext", shown.value);
      },
      view.signal,
    );
    return h("label", { class: "vw-slider" }, h("span", {}, name), input, shown);
  }

  function checkbox(view, model, { trait, label }) {
    const input = h("input", { type: "checkbox", ...KEYS, "data-trait": trait });
    input.addEventListener("change", () => set(model, { [trait]: input.checked }));
    bind(model, trait, () => (input.checked = model.get(trait)), view.signal);
    return h("label", { class: "vw-choice" }, input, label);
  }

  // Names that are of one view alone, whatever other widgets there are on the page: each has a module of its own.
  const MODULE = Math.random().toString(36).slice(2);
  let names = 0;
  const uniqueName = (stem) => `vw-${stem}-${MODULE}-${++names}`;

  // One of several: options are [value, label]; labels may be elements.
  function radio(view, model, { trait, legend, options, className = "" }) {
    const group = uniqueName(trait); // radio buttons that share a name are one group
    const inputs = options.map(([value]) =>
      h("input", { type: "radio", name: group, value, ...KEYS, "data-trait": trait }),
    );
    inputs.forEach((input, i) => input.addEventListener("change", () => set(model, { [trait]: options[i][0] })));
    bind(
      model,
      trait,
      () => inputs.forEach((input, i) => (input.checked = options[i][0] === model.get(trait))),
      view.signal,
    );
    return h(
      "fieldset",
      { class: className },
      h("legend", {}, legend),
      options.map(([, label], i) => h("label", { class: "vw-choice" }, inputs[i], label)),
    );
  }

  // The row of test digits, to choose one by its index.
  function digitChoice(view, model, digits, { trait = "digit", labels, legend = "Test digit" }) {
    const options = digits.map((x, i) => {
      const picture = digit("tiny", model.get("raster"));
      paint(picture, x);
      picture.setAttribute("aria-label", `test digit ${i + 1}, a ${labels[i]}`);
      return [i, picture];
    });
    return radio(view, model, { trait, legend, options, className: "vw-digits" });
  }

  const button = (label, onclick, className) => h("button", { type: "button", class: className, onclick }, label);

  // What a reader is asked to find stays covered until a button, "Show …", has been pressed, which sets the trait
  // `answer`: elements are hidden until then, and `name` says what comes. What is drawn asks the trait itself.
  function answerButton(view, model, name, covered = []) {
    const show = button("", () => set(model, { answer: !model.get("answer") }));
    bind(
      model,
      "answer",
      () => {
        const open = model.get("answer");
        show.textContent = `${open ? "Hide" : "Show"} ${name}`;
        show.setAttribute("aria-expanded", open);
        covered.forEach((element) => element.toggleAttribute("hidden", !open)); // an <svg> has no property of that name
      },
      view.signal,
    );
    return show;
  }

  // --- pictures ---

  // A picture of so many pixels. size: "", "small" or "tiny".
  const digit = (size = "", [height, width] = MNIST) =>
    h("canvas", { class: `vw-digit ${size}`, width, height, role: "img", "aria-label": "nothing yet" });

  // Ink from 0 to 1, pixel by pixel.
  function paint(canvas, ink) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    image.data.fill(26); // the colour of ink; how opaque it is, is the picture
    for (let i = 0; i < canvas.width * canvas.height; i++) image.data[4 * i + 3] = Math.round(255 * ink[i]);
    context.putImageData(image, 0, 0);
  }

  const captioned = (picture, caption) => h("figure", {}, picture, h("figcaption", {}, caption));

  // A table of quantities: rows are [key, label, colour], and may end in { digits, unit } of their own; returns
  // { table, show, rows }, and show takes { key: number } and puts each number in an <output data-key> whose data-value
  // has all its digits; rows: { key: its <tr> }.
  function numbers(rows, { digits = 2, unit = "nats" } = {}) {
    const outputs = {},
      lines = {};
    const table = h(
      "table",
      { class: "vw-numbers" },
      h(
        "tbody",
        {},
        rows.map(([key, label, colour, own]) => {
          const kind = { digits, unit, ...own };
          outputs[key] = { element: output({ "data-key": key }), digits: kind.digits };
          const swatch = colour && h("span", { class: "swatch", style: `background:${COLOURS[colour] ?? colour}` });
          return (lines[key] = h(
            "tr",
            {},
            h("th", { scope: "row" }, swatch, label),
            h("td", {}, outputs[key].element, kind.unit && (kind.unit === "%" ? "%" : ` ${kind.unit}`)),
          ));
        }),
      ),
    );
    const show = (values) => {
      for (const [key, value] of Object.entries(values)) {
        outputs[key].element.value = format(value, outputs[key].digits);
        outputs[key].element.dataset.value = value;
      }
    };
    return { table, show, rows: lines };
  }

  // What each colour is: entries are [colour, words], or [colour, words, true] for a dashed line.
  const keys = (entries) =>
    h(
      "p",
      { class: "vw-heading vw-keys" },
      entries.map(([colour, words, dashed]) =>
        h(
          "span",
          {},
          h("span", { class: dashed ? "swatch dash" : "swatch", style: `--colour:${COLOURS[colour] ?? colour}` }),
          words,
        ),
      ),
    );

  // A sentence with numbers in it: sentence("{n} of {all}") -> { line, show }; show({ n: 3, all: "ten" }) fills them in.
  // Numbers are whole; what is given as text, such as a time that was measured, has no data-key.
  function sentence(text) {
    const outputs = {};
    const line = h(
      "p",
      { class: "vw-note" },
      text.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? (outputs[part] = output()) : part)),
    );
    const show = (values) => {
      for (const [key, value] of Object.entries(values)) {
        const isNumber = typeof value === "number";
        outputs[key].value = isNumber ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : value;
        if (isNumber) Object.assign(outputs[key].dataset, { key, value });
      }
    };
    return { line, show };
  }

  const UNITS = [
    [1e6 * 31557600, "million years"],
    [31557600, "years"],
    [86400, "days"],
    [3600, "hours"],
    [60, "minutes"],
    [1, "s"],
    [1e-3, "ms"],
    [0, "µs"],
  ];

  // A large count for people: "14,641", "1.7 × 10¹³".
  function grand(count) {
    if (count < 1e12) return count.toLocaleString("en");
    const power = Math.floor(Math.log10(count));
    return `${(count / 10 ** power).toFixed(1)} × 10${String(power).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
  }

  // A time for people, to two digits: "3.2 s", "14 hours", "3,200 million years", "3.2 × 10¹⁴ years".
  function duration(seconds) {
    if (seconds >= 1e12 * 31557600) return `${grand(seconds / 31557600)} years`;
    const [size, unit] = UNITS.find(([least]) => seconds >= least);
    return `${(+(seconds / (size || 1e-6)).toPrecision(2)).toLocaleString("en")} ${unit}`;
  }

  // The text of a chart is 13 units high, and no smaller than 11 px on the screen, however small the chart is drawn.
  const shrunk = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries)
      if (contentRect.width)
        target.setAttribute("font-size", Math.max(13, (11 * target.viewBox.baseVal.width) / contentRect.width));
  });

  function legible(svg) {
    svg.setAttribute("font-size", 13);
    shrunk.observe(svg);
    return svg;
  }

  // Axes in SVG. x and y: { min, max, ticks: [..] or count, label, log, format }. Returns { svg, plot, x, y }: x(value)
  // and y(value) are places in the picture, plot is the group to draw in, clipped to the axes. at(x, y): the values at a place.
  function axes({ width = 420, height = 260, x, y, label, left = 46, right = 12 }) {
    const box = { left, right: width - right, top: 10, bottom: height - 40 };
    const scale = ({ min, max, log }, from, to) => {
      const f = log ? Math.log : (value) => value;
      const place = (value) => from + ((f(value) - f(min)) / (f(max) - f(min))) * (to - from);
      const back = (p) => (log ? Math.exp : (value) => value)(f(min) + ((p - from) / (to - from)) * (f(max) - f(min)));
      return [place, back];
    };
    const [sx, backX] = scale(x, box.left, box.right);
    const [sy, backY] = scale(y, box.bottom, box.top);
    const id = uniqueName("clip");
    const plot = s("g", { "clip-path": `url(#${id})` });
    const text = (content, at) => s("text", { fill: COLOURS.muted, ...at }, content);
    const ticks = (axis) => (Array.isArray(axis.ticks) ? axis.ticks : niceTicks(axis.min, axis.max, axis.ticks ?? 5));
    const show = (axis) => axis.format ?? ((value) => String(+value.toPrecision(6)).replace("-", "−"));
    const svg = s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, style: `max-width:${width * 1.25}px` },
      s(
        "clipPath",
        { id },
        s("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }),
      ),
      ticks(x).map((t) => [
        s("line", { x1: sx(t), x2: sx(t), y1: box.bottom, y2: box.bottom + 4, stroke: COLOURS.muted }),
        text(show(x)(t), { x: sx(t), y: box.bottom + 17, "text-anchor": "middle" }),
      ]),
      ticks(y).map((t) => [
        s("line", { x1: box.left, x2: box.right, y1: sy(t), y2: sy(t), stroke: COLOURS.line, "stroke-width": 0.6 }),
        text(show(y)(t), { x: box.left - 6, y: sy(t) + 4.5, "text-anchor": "end" }),
      ]),
      s("line", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, stroke: COLOURS.muted }),
      text(x.label ?? "", { x: (box.left + box.right) / 2, y: height - 5, "text-anchor": "middle" }),
      text(y.label ?? "", {
        x: 24,
        y: (box.top + box.bottom) / 2,
        dy: "-0.9em", // a larger one keeps off the numbers as well
        "text-anchor": "middle",
        transform: `rotate(-90 24 ${(box.top + box.bottom) / 2})`,
      }),
      plot,
    );
    return { svg: legible(svg), plot, x: sx, y: sy, box, at: (px, py) => [backX(px), backY(py)] };
  }

  function niceTicks(min, max, count) {
    const rough = (max - min) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
    const first = Math.ceil(min / step - 1e-9);
    const last = Math.floor(max / step + 1e-9);
    return range(last - first + 1).map((i) => (first + i) * step);
  }

  // Bars in nats, `count` of them one below the other, along one axis. Returns { svg, show }, and show takes
  // { low, high, mark: [value, text], rows: [{ name, parts: [[from, to, colour, text], ...], note }, ...] }:
  // a text stands in its part where it fits, a note to the right of the row, and a line through all rows at the mark.
  // What begins below `low` has an arrow at the edge.
  function bars({ count, label }) {
    const [width, left, right, top, pitch, thick] = [440, 6, 356, 26, 54, 26];
    const bottom = top + pitch * count + 4;
    const picture = s("g");
    const svg = s(
      "svg",
      {
        viewBox: `0 0 ${width} ${bottom + 38}`,
        role: "img",
        "aria-label": label,
        style: `max-width:${width * 1.25}px`,
      },
      picture,
    );
    const text = (content, at) => s("text", { fill: COLOURS.muted, ...at }, content);

    function show({ low, high, mark, rows }) {
      const x = (value) => left + ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (right - left);
      const clear = { fill: INK, stroke: "#fff", "stroke-width": 4, style: "paint-order: stroke" }; // of a line behind it
      const row = ({ parts }, i) => {
        const y = top + pitch * i;
        return parts.map(([from, to, colour, content = ""]) => {
          const length = x(to) - x(from);
          return [
            s("rect", {
              x: x(from),
              y: y + 21,
              width: Math.max(0, length),
              height: thick,
              fill: COLOURS[colour] ?? colour,
            }),
            content.length * 9 + 8 < length &&
              text(content, { x: x(from) + 6, y: y + 39, fill: "#fff", "font-weight": 600 }),
            from < low && to > low && text("◂", { x: left + 3, y: y + 39, fill: "#fff" }),
          ];
        });
      };
      picture.replaceChildren(
        ...[
          niceTicks(low, high, 5).map((t) => [
            s("line", { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 4, stroke: COLOURS.muted }),
            text(String(+t.toPrecision(6)).replace("-", "−"), { x: x(t), y: bottom + 17, "text-anchor": "middle" }),
          ]),
          s("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: COLOURS.muted }),
          text("nats", { x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle" }),
          rows.map(row),
          s("line", { x1: x(mark[0]), x2: x(mark[0]), y1: 18, y2: bottom, stroke: INK, "stroke-width": 1.5 }),
          rows.map(({ name, parts, note }, i) => [
            text(name, { x: left, y: top + pitch * i + 15, ...clear }),
            note &&
              text(note, {
                x: Math.max(...parts.map(([, to]) => x(to))) + 7,
                y: top + pitch * i + 39,
                "font-weight": 600,
                ...clear,
              }),
          ]),
          text(mark[1], {
            x: Math.min(x(mark[0]), width - 62),
            y: 13,
            fill: INK,
            "font-weight": 600,
            "text-anchor": "middle",
          }),
        ]
          .flat(Infinity)
          .filter(Boolean),
      );
    }
    return { svg: legible(svg), show };
  }

  // Where bars that hang from a level begin: so far below it that the longest one fits, in steps of doubling.
  const reach = (longest) => [4, 8, 16, 32, 64, 128, 256, 512].find((size) => size >= 1.25 * longest) ?? 1.25 * longest;

  // An SVG path through points [x, y] that are already places in the picture.
  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");

  // Calls onDrag(x, y, started) with places in an SVG picture while a pointer is down on it; `started` for the first.
  // What can be dragged is dragged sideways, so that a finger still scrolls the page up and down.
  function dragSideways(svg, onDrag, signal) {
    const at = (event, started) => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      onDrag(x, y, started);
    };
    svg.classList.add("vw-sideways");
    svg.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button) return;
        svg.setPointerCapture(event.pointerId);
        at(event, true);
        event.preventDefault();
      },
      { signal },
    );
    svg.addEventListener("pointermove", (event) => svg.hasPointerCapture(event.pointerId) && at(event, false), {
      signal,
    });
  }

  // --- paper to draw a digit on: from ink on a large canvas to what the model sees ---

  // Centred and scaled as MNIST is: the ink's box becomes 20 pixels along its longer side, each pixel the mean of what it
  // covers, and is placed so that the centre of mass is in the middle of 28 x 28. ink: width x height numbers from 0 to 1.
  // A box shorter than `least` is scaled as if it had that side, so that a dot stays a dot.
  function centreDigit(ink, width, height, least = 1) {
    let [left, right, top, bottom] = [width, -1, height, -1];
    for (let i = 0; i < ink.length; i++) {
      if (!(ink[i] > 0)) continue;
      const [column, row] = [i % width, Math.floor(i / width)];
      [left, right] = [Math.min(left, column), Math.max(right, column)];
      [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    }
    const image = new Float32Array(784);
    if (right < 0) return image;
    const [w, h] = [right + 1 - left, bottom + 1 - top];
    const scale = 20 / Math.max(w, h, least);
    const [columns, rows] = [w, h].map((side) => Math.max(1, Math.round(side * scale)));

    // One direction after the other.
    const narrow = new Float32Array(columns * h);
    for (const { to, from, share } of overlaps(w, columns)) {
      for (let row = 0; row < h; row++) narrow[row * columns + to] += share * ink[(top + row) * width + left + from];
    }
    const small = new Float32Array(columns * rows);
    for (const { to, from, share } of overlaps(h, rows)) {
      for (let column = 0; column < columns; column++)
        small[to * columns + column] += share * narrow[from * columns + column];
    }

    let [mass, across, down] = [0, 0, 0];
    small.forEach((value, i) => {
      mass += value;
      across += value * (i % columns);
      down += value * Math.floor(i / columns);
    });
    // In MNIST the centre of mass lies at 14, counted from 0, rounded; nothing is pushed over the edge.
    const place = (sum, side) => Math.min(28 - side, Math.max(0, Math.ceil(14 - sum / mass - 0.5)));
    const [x, y] = [place(across, columns), place(down, rows)];
    small.forEach((value, i) => (image[(y + Math.floor(i / columns)) * 28 + x + (i % columns)] = value));
    return image;
  }

  // How `size` pixels are shared out among `count` equal parts.
  function overlaps(size, count) {
    const list = [];
    for (let to = 0; to < count; to++) {
      const [start, end] = [(to * size) / count, ((to + 1) * size) / count];
      for (let from = Math.floor(start); from < Math.min(size, end); from++) {
        list.push({ to, from, share: ((Math.min(end, from + 1) - Math.max(start, from)) * count) / size });
      }
    }
    return list;
  }

  // An image as text for a link, and back; null if it is none.
  function imageText(image) {
    const packed = new Uint8Array(98);
    image.forEach((on, i) => on && (packed[i >> 3] |= 128 >> (i & 7)));
    return btoa(String.fromCharCode(...packed))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
  }

  function imageOf(text) {
    try {
      const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) =>
        letter.charCodeAt(0),
      );
      return packed.length === 98 ? digitsOf(packed)[0] : null;
    } catch {
      return null;
    }
  }

  // One or the other: a test digit, or the pixels of a drawing, which come first where a link has both.
  function digitOrDrawing(view, model) {
    bind(
      model,
      "pixels",
      () => model.get("pixels") && model.get("digit") >= 0 && set(model, { digit: -1 }),
      view.signal,
    );
    bind(
      model,
      "digit",
      () => model.get("digit") >= 0 && model.get("pixels") && set(model, { pixels: "" }),
      view.signal,
    );
  }

  // Paper to draw a digit on, at one's own pace. Returns { canvas, show, take, forget, count }: show(x) draws the strokes,
  // or where there are none the image x, faint unless `ink` is 1; take(n) keeps the first n strokes; forget() has none, as
  // when a digit is chosen. onDrawn(pixels) is called with what a model sees of each change, as imageText has it.
  function paper({ onDrawn, className = "vw-paper", ink = 0.12 }) {
    const PEN = 0.12; // of the digit's longer side: the strokes of MNIST are that wide
    const LEAST = 0.25; // of the canvas: a drawing that is smaller stays small
    const FINE = 140; // pixels of the drawing that is scaled down
    const canvas = h("canvas", { class: className, role: "img" });
    let strokes = []; // each a list of [x, y], in units of the canvas

    // A stroke as a line through many points: from middle to middle, bent towards the point between them, without corners.
    function smooth(points) {
      const line = [points[0]];
      points.slice(1, -1).forEach(([x, y], i) => {
        const [x0, y0] = line.at(-1),
          [x1, y1] = [0, 1].map((k) => (points[i + 1][k] + points[i + 2][k]) / 2);
        for (const t of [0.25, 0.5, 0.75, 1]) {
          const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
          line.push([a * x0 + b * x + c * x1, a * y0 + b * y + c * y1]);
        }
      });
      line.push(points.at(-1));
      return line;
    }

    function trace(context, side, pen) {
      context.lineWidth = pen;
      context.lineCap = context.lineJoin = "round";
      context.strokeStyle = INK;
      for (const points of strokes) {
        const line = smooth(points);
        context.beginPath();
        context.moveTo(line[0][0] * side, line[0][1] * side);
        for (const [x, y] of line) context.lineTo(x * side + 0.01, y * side); // a line to where it is would leave no dot
        context.stroke();
      }
    }

    // The ink of the strokes, side x side numbers from 0 to 1, `scale` pixels a unit and shifted by `shift`. It is computed
    // and not read from a canvas, which not every browser lets a page read.
    function inkOf(side, scale, shift, pen) {
      const ink = new Float32Array(side * side),
        reach = pen / 2 + 0.5;
      for (const line of strokes.map(smooth)) {
        line.forEach(([x, y], i) => {
          const [ax, ay] = [x * scale + shift, y * scale + shift];
          const [bx, by] = (line[i + 1] ?? line[i]).map((value) => value * scale + shift);
          const squared = (bx - ax) ** 2 + (by - ay) ** 2;
          const [left, right] = [
            Math.max(0, Math.floor(Math.min(ax, bx) - reach)),
            Math.min(side - 1, Math.ceil(Math.max(ax, bx) + reach)),
          ];
          const [top, bottom] = [
            Math.max(0, Math.floor(Math.min(ay, by) - reach)),
            Math.min(side - 1, Math.ceil(Math.max(ay, by) + reach)),
          ];
          for (let row = top; row <= bottom; row++) {
            for (let column = left; column <= right; column++) {
              const [dx, dy] = [column + 0.5 - ax, row + 0.5 - ay];
              const t = squared ? Math.min(1, Math.max(0, (dx * (bx - ax) + dy * (by - ay)) / squared)) : 0;
              const covered = reach - Math.hypot(dx - t * (bx - ax), dy - t * (by - ay));
              if (covered > ink[row * side + column]) ink[row * side + column] = Math.min(1, covered);
            }
          }
        });
      }
      return ink;
    }

    // What the model sees of the strokes. The pen is as wide as MNIST's however large the drawing is.
    function normalised() {
      const side = 1.2 * FINE;
      const extent = [0, 1]
        .map((i) => strokes.flat().map((point) => point[i]))
        .map((all) => Math.max(...all) - Math.min(...all));
      const longer = Math.max(LEAST, ...extent) * FINE;
      return centreDigit(inkOf(side, FINE, 0.1 * FINE, (PEN * longer) / (1 - PEN)), side, side, LEAST * FINE).map(
        (value) => (value >= 0.5 ? 1 : 0),
      );
    }

    function keep(next) {
      strokes = next;
      onDrawn(strokes.length ? imageText(normalised()) : "");
    }

    function pointsOf(event) {
      const box = canvas.getBoundingClientRect();
      const inside = (value) => Math.min(1, Math.max(0, value));
      const events = event.getCoalescedEvents?.() ?? [];
      return (events.length ? events : [event]).map((e) => [
        inside((e.clientX - box.left) / box.width),
        inside((e.clientY - box.top) / box.height),
      ]);
    }

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
      keep([...strokes, pointsOf(event)]);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      strokes.at(-1).push(...pointsOf(event));
      keep(strokes);
    });

    function show(x, strokesToo = true) {
      const ratio = enlarged(canvas) * (window.devicePixelRatio || 1);
      const side = canvas.clientWidth || 256;
      if (canvas.width !== Math.round(side * ratio)) canvas.width = canvas.height = Math.round(side * ratio);
      const context = canvas.getContext("2d");
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, side, side);
      if (strokes.length && strokesToo) return trace(context, side, 0.08 * side);
      context.globalAlpha = ink;
      const picture = digit();
      paint(picture, x);
      context.imageSmoothingEnabled = false;
      context.drawImage(picture, 0, 0, side, side);
      context.globalAlpha = 1;
      if (ink === 1) return;
      context.fillStyle = COLOURS.muted;
      context.font = "16px sans-serif";
      context.textAlign = "center";
      context.fillText("Draw a digit here", side / 2, 26);
    }

    return {
      canvas,
      show,
      take: (n) => n !== strokes.length && keep(strokes.slice(0, n)),
      forget: () => (strokes = []),
      count: () => strokes.length,
    };
  }

  // --- a plane of two latents: a canvas to draw on, with a pointer that drags a point ---

  // How much larger than its layout the page shows an element, as it does on a slide.
  const enlarged = (element) => element.getBoundingClientRect().width / element.offsetWidth || 1;

  // Returns { canvas, redraw, move }: draw(context, place, scale) is called with the context in CSS pixels (on a slide in
  // larger ones: the property --vw-marks says how many make one); place(z1, z2)
  // are coordinates there and scale the pixels a unit. mark(): where a ring stands on top of it, which `move` moves,
  // without drawing all anew. onDrag([z1, z2], started) while a pointer is down.
  function plane({ extent, draw, mark, onDrag, signal, label }) {
    const canvas = h("canvas", { class: "vw-plane", role: "img", "aria-label": label });
    const ground = mark ? h("canvas") : canvas;
    let side = 0,
      width = 0; // of the picture; of the canvas as the page has laid it out last
    let marks = 1,
      zoom = 1;
    const place = (z1, z2) => [((z1 + extent) / (2 * extent)) * side, ((extent - z2) / (2 * extent)) * side];
    const clamp = (value) => Math.min(extent, Math.max(-extent, value));

    function redraw() {
      side = (width || canvas.clientWidth || 320) / marks; // to ask a canvas makes the browser lay out the page
      draw(start(ground), place, side / (2 * extent));
      if (mark) move();
    }

    // The context of a canvas, empty and in CSS pixels.
    function start(sheet) {
      const context = sheet.getContext("2d"),
        ratio = marks * zoom * (window.devicePixelRatio || 1),
        pixels = Math.round(side * ratio);
      if (sheet.width !== pixels) sheet.width = sheet.height = pixels;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, side, side);
      return context;
    }

    function move() {
      const context = start(canvas),
        [x, y] = place(...mark());
      context.drawImage(ground, 0, 0, side, side);
      ring(context, x, y);
    }

    function drag(event, started) {
      const box = canvas.getBoundingClientRect();
      const at = (offset, length) => (2 * offset) / length - 1;
      onDrag(
        [
          clamp(extent * at(event.clientX - box.left, box.width)),
          clamp(-extent * at(event.clientY - box.top, box.height)),
        ],
        started,
      );
    }

    if (onDrag) {
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        canvas.setPointerCapture(event.pointerId);
        drag(event, true);
        event.preventDefault();
      });
      canvas.addEventListener(
        "pointermove",
        (event) => canvas.hasPointerCapture(event.pointerId) && drag(event, false),
      );
    } else {
      canvas.style = "cursor: auto; touch-action: auto"; // to look at only
    }
    const observer = new ResizeObserver(() => {
      width = canvas.clientWidth;
      marks = +getComputedStyle(canvas).getPropertyValue("--vw-marks") || 1;
      zoom = enlarged(canvas);
      redraw();
    });
    observer.observe(canvas);
    signal.addEventListener("abort", () => observer.disconnect());
    return { canvas, redraw, move };
  }

  // The point that is dragged.
  function ring(context, x, y) {
    for (const [width, colour] of [
      [6, "#fff"],
      [2.5, INK],
    ]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(x, y, 8, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // The edge of a plane, and its two axes.
  function cross(context, place, extent) {
    const [[left, top], [right, bottom], [x, y]] = [place(-extent, extent), place(extent, -extent), place(0, 0)];
    context.lineWidth = 1;
    context.strokeStyle = COLOURS.line;
    context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(right, y);
    context.moveTo(x, top);
    context.lineTo(x, bottom);
    context.stroke();
  }

  // Inside which half, 80 and 95% of N(0, I) lie: in two dimensions, the share s within radius sqrt(-2 log(1 - s)).
  function priorCircles(context, place, scale) {
    context.lineWidth = 2;
    context.strokeStyle = COLOURS.prior;
    for (const share of [0.5, 0.8, 0.95]) {
      context.beginPath();
      context.arc(...place(0, 0), scale * Math.sqrt(-2 * Math.log(1 - share)), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // Long arithmetic in this thread, in slices between which the page stays alive: step() takes a millisecond or less and
  // returns true when all is done. Returns a function that stops it; so does the end of the view. Paper gets it whole, or
  // what two seconds make of it.
  function slices(view, step) {
    let stopped = false;
    const stop = () => {
      stopped = true;
      removeEventListener("beforeprint", finish);
    };
    const run = (time) => {
      const end = performance.now() + time;
      while (!stopped && !view.signal.aborted && performance.now() < end) if (step()) stop();
    };
    const finish = () => run(2000);
    const next = () => {
      run(6);
      if (!stopped && !view.signal.aborted) setTimeout(next);
    };
    addEventListener("beforeprint", finish, { signal: view.signal });
    setTimeout(next);
    return stop;
  }

  return {
    COLOURS,
    CLASSES,
    INK,
    h,
    s,
    put,
    format,
    subscript,
    range,
    follow,
    network,
    mixture,
    proposals,
    onceSeen,
    turn,
    idle,
    bytes,
    digitsOf,
    floats,
    set,
    setAt,
    changed,
    frame,
    slider,
    checkbox,
    radio,
    digitChoice,
    legible,
    button,
    answerButton,
    digit,
    paint,
    captioned,
    numbers,
    output,
    keys,
    sentence,
    grand,
    duration,
    axes,
    bars,
    reach,
    path,
    niceTicks,
    dragSideways,
    enlarged,
    plane,
    ring,
    cross,
    priorCircles,
    slices,
    KEYS,
    uniqueName,
    digitOrDrawing,
    paper,
    centreDigit,
    imageText,
    imageOf,
    decoderOf,
    useModel,
    following,
    adoptable,
    adoptedParts,
    encodeAll,
    safetensors,
    download,
  };
})();
