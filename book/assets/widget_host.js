// Mounts the widgets of a built page: no kernel, no network, no dependency.
//
// Jupyter Book writes the state of every widget into the page. This script makes a model of each state and hands it to
// the widget's own front end, an ES module in the open anywidget form: export default { initialize, render }.
// HBox and VBox are laid out; anything else that only a Python kernel can move says so in its place.

const REFERENCE = "IPY_MODEL_";
const models = new Map(); // model id -> Model

class Model {
  constructor(name, state) {
    this.name = name;
    this.state = state;
    this.listeners = new Map(); // event -> set of callbacks
    this.changed = {};
    this.address = undefined; // how the page's URL names this widget, once it is shown
    // Front ends may ask for `model.widget_manager.get_model(id)`.
    this.widget_manager = { get_model: async (id) => resolve(id) };
  }

  get(key) {
    return this.state[key];
  }

  // `set` tells the listeners at once; `save_changes` has nobody to send anything to.
  set(key, value) {
    const values = typeof key === "object" ? key : { [key]: value };
    this.changed = {};
    for (const [name, next] of Object.entries(values)) {
      if (this.state[name] === next) continue;
      this.state[name] = next;
      this.changed[name] = next;
    }
    const names = Object.keys(this.changed);
    for (const name of names) this.emit(`change:${name}`, this, this.state[name]);
    if (names.length) this.emit("change", this);
  }

  save_changes() {}

  send() {}

  // The URL of this page with the state of this widget in it.
  link() {
    const url = new URL(location.href);
    for (const trait of this.get("_shared")) url.searchParams.set(`${this.address}.${trait}`, write(this.get(trait)));
    url.hash = this.address;
    return url.href;
  }

  on(events, callback) {
    for (const event of events.split(/\s+/)) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(callback);
    }
  }

  // off() drops every listener, off(events) those of the events, off(events, callback) that one.
  off(events, callback) {
    if (!events) this.listeners.clear();
    for (const event of events ? events.split(/\s+/) : []) {
      if (callback) this.listeners.get(event)?.delete(callback);
      else this.listeners.delete(event);
    }
  }

  emit(event, ...values) {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...values);
  }
}

// A trait as text and back. What a link says is taken if it is of the kind that is there and within the widget's limits,
// and left aside otherwise.
const write = (value) => (Array.isArray(value) ? value.join(",") : String(value));

function read(text, like) {
  if (typeof like === "string") return text;
  if (typeof like === "boolean") return { true: true, false: false }[text];
  if (typeof like === "number") return text.trim() && Number.isFinite(+text) ? +text : undefined;
  const parts = text.split(",");
  if (parts.length !== like.length) return undefined;
  const values = parts.map((part, i) => read(part, like[i]));
  return values.includes(undefined) ? undefined : values;
}

function isWithin(value, [low, high] = [-Infinity, Infinity], whole) {
  const fits = (part) => low <= part && part <= high && (!whole || Number.isInteger(part));
  return [value].flat().every((part) => typeof part !== "number" || fits(part));
}

const addresses = new Set();

// The widget's place in the page gets an address, and the widget the state that the URL has for it.
function settle(model, place) {
  if (!model.get("_shared")) return;
  const name = model.get("name");
  if (!model.address) {
    model.address = name;
    for (let n = 2; addresses.has(model.address); n++) model.address = `${name}-${n}`;
    addresses.add(model.address);
    const query = new URLSearchParams(location.search);
    for (const trait of model.get("_shared")) {
      const text = query.get(`${model.address}.${trait}`);
      const value = text === null ? undefined : read(text, model.get(trait));
      const whole = model.get("_whole").includes(trait);
      if (value !== undefined && isWithin(value, model.get("_limits")[trait], whole)) model.state[trait] = value;
    }
  }
  if (!document.getElementById(model.address)) place.id = model.address;
}

function resolve(reference) {
  const id = String(reference).replace(REFERENCE, "");
  if (!models.has(id)) throw new Error(`this page has no widget ${id}`);
  return models.get(id);
}

// The state as book/sphinx_ext/widget_state.py packs it: deflated, JSON first, then the binary values.
async function unpack(base64) {
  const deflated = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const inflated = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(inflated).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const { texts, state } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { texts, state, value: ([start, size]) => new DataView(buffer, 4 + length + start, size) };
}

async function readModels() {
  for (const script of document.querySelectorAll('script[type="application/vnd.vae-book.widget-state"]')) {
    const { texts, state: specs, value } = await unpack(script.textContent);
    for (const [id, { model_name, state, buffers = [] }] of Object.entries(specs)) {
      for (const source of ["_esm", "_css"]) if (state[source]) state[source] = state[source].map((n) => texts[n]).join("\f\n");
      // Binary values stand beside the state, each with its path in it; {"path": ["a", 0]} is state.a[0].
      for (const { path, data } of buffers) {
        const holder = path.slice(0, -1).reduce((part, key) => part[key], state);
        holder[path.at(-1)] = value(data);
      }
      models.set(id, new Model(model_name, state));
    }
  }
}

const modules = new Map(); // source text -> promise of the front end, so that equal widgets share one

function frontEnd(source) {
  if (!modules.has(source)) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    modules.set(
      source,
      import(url).then(async ({ default: widget }) => (typeof widget === "function" ? widget() : widget)),
    );
  }
  return modules.get(source);
}

const styles = new Set();

function addStyle(css) {
  if (!css || styles.has(css)) return;
  styles.add(css);
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
}

async function mountAny(model, place) {
  addStyle(model.get("_css"));
  settle(model, place);
  const widget = await frontEnd(model.get("_esm"));
  model.ready ??= Promise.resolve(widget.initialize?.({ model }));
  await model.ready;
  await widget.render?.({ model, el: place });
}

async function mountBox(model, place) {
  place.classList.add(model.name === "HBoxModel" ? "widget-row" : "widget-column");
  await Promise.all(
    model.get("children").map((child) => {
      const part = document.createElement("div");
      place.append(part);
      return mount(child, part);
    }),
  );
}

const isBox = (model) => model.name === "HBoxModel" || model.name === "VBoxModel";

// Is there anything in this box that lives without Python?
const isAlive = (model) => (isBox(model) ? model.get("children").some((child) => isAlive(resolve(child))) : model.name === "AnyModel");

function notice(place, text, kind) {
  const paragraph = Object.assign(document.createElement("p"), { className: `widget-notice ${kind}`, textContent: text });
  place.replaceChildren(paragraph);
}

// A widget that fails says so in its own place; the others on the page live on.
async function mount(reference, place) {
  try {
    const model = resolve(reference);
    if (!isAlive(model)) notice(place, "This part runs Python: open the chapter in Jupyter to use it.", "needs-jupyter");
    else if (isBox(model)) await mountBox(model, place);
    else await mountAny(model, place);
  } catch (error) {
    console.error(error);
    notice(place, `This widget could not be shown: ${error.message ?? error}`, "failed");
  }
  place.removeAttribute("aria-busy");
}

// A place after each cell's own mark, and the widget in it.
async function mountAll() {
  const views = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]');
  const places = Array.from(views, (script) => {
    const place = Object.assign(document.createElement("div"), { className: "widget" });
    place.setAttribute("aria-busy", "true"); // until the widget is drawn
    script.after(place);
    return [JSON.parse(script.textContent).model_id, place];
  });
  await readModels();
  for (const [id, place] of places) {
    mount(id, place).then(() => {
      // The browser looked for the address before there was one.
      if (location.hash && place.id === decodeURIComponent(location.hash.slice(1))) place.scrollIntoView();
    });
  }
}

mountAll(); // the script is deferred, so the whole page has been read by now
