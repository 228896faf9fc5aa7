// Mounts the widgets of a built page: no kernel, no network, no dependency.
//
// Jupyter Book writes the state of every widget into the page. This script makes a model of each state and hands it to
// the widget's own front end, in the open anywidget form: an object { initialize, render }. Those of the book come as
// scripts, which pages from disk and hosts with a strict policy allow; others are ES modules that export it.
// HBox and VBox are laid out; anything else that only a Python kernel can move says so in its place.

const REFERENCE = "IPY_MODEL_";
const SLICE = 150_000; // bytes to inflate at a time
/** @type {Map<string, Model>} */
const models = new Map(); // by id

class Model {
  /**
   * @param {string} name
   * @param {Record<string, any>} state
   * @param {[path: (string | number)[], address: string][]} large
   */
  constructor(name, state, large) {
    this.name = name;
    this.state = state;
    this.large = large; // binary values that are in files of their own: [path, address]
    /** @type {Map<string, Set<(...values: any[]) => void>>} */
    this.listeners = new Map(); // event -> set of callbacks
    /** @type {Record<string, unknown>} */
    this.changed = {};
    /** @type {string | undefined} */
    this.address = undefined; // how the page's URL names this widget, once it is shown
    /** @type {Promise<unknown> | undefined} */
    this.whole = undefined;
    /** @type {Promise<FrontEnd> | undefined} */
    this.prepared = undefined;
    /** @type {Promise<unknown> | undefined} */
    this.ready = undefined;
    // Front ends may ask for `model.widget_manager.get_model(id)`.
    this.widget_manager = { get_model: async (/** @type {string} */ id) => resolve(id).complete() };
  }

  // The model with all of its state, once that is there.
  /** @returns {Promise<Model>} */
  complete() {
    this.whole ??= Promise.all(this.large.map(async ([path, address]) => this.put(path, await load(address))));
    this.whole.catch(() => {
      this.whole = undefined; // the next time, it is tried again
    });
    return this.whole.then(() => this);
  }

  // The path ["a", 0] is state.a[0].
  /** @param {(string | number)[]} path @param {unknown} value */
  put(path, value) {
    const holder = path.slice(0, -1).reduce((part, key) => part[key], this.state);
    holder[path.at(-1)] = value;
  }

  /** @param {string} key */
  get(key) {
    return this.state[key];
  }

  // `set` tells the listeners at once; `save_changes` has nobody to send anything to.
  /** @param {string | Record<string, unknown>} key @param {unknown} [value] */
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
    if (this.address) rememberSoon();
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

  /** @param {string} events @param {(...values: any[]) => void} callback */
  on(events, callback) {
    for (const event of events.split(/\s+/)) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(callback);
    }
  }

  // off() drops every listener, off(events) those of the events, off(events, callback) that one.
  /** @param {string} [events] @param {(...values: any[]) => void} [callback] */
  off(events, callback) {
    if (!events) this.listeners.clear();
    for (const event of events ? events.split(/\s+/) : []) {
      if (callback) this.listeners.get(event)?.delete(callback);
      else this.listeners.delete(event);
    }
  }

  /** @param {string} event @param {unknown[]} values */
  emit(event, ...values) {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...values);
  }
}

// A trait as text and back. What a link says is taken if it is of the kind that is there and within the widget's limits,
// and left aside otherwise.
/** @param {unknown} value */
const write = (value) => (Array.isArray(value) ? value.join(",") : String(value));

/** @type {(text: string, like: any) => any} */
function read(text, like) {
  if (typeof like === "string") return text; // isWithin() has the words that mean something
  if (typeof like === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (typeof like === "number") return text.trim() && Number.isFinite(+text) ? +text : undefined;
  const parts = text.split(",");
  if (parts.length !== like.length) return undefined;
  const values = parts.map((part, i) => read(part, like[i]));
  return values.includes(undefined) ? undefined : values;
}

// limits: of numbers the lowest and the highest; of a text all that it may be, if it has options.
/** @type {(value: any, limits: any[], whole: boolean) => boolean} */
function isWithin(value, limits, whole) {
  if (typeof value === "boolean") return true;
  if (typeof value === "string") return !limits || limits.includes(value);
  const [low, high] = limits;
  return [value].flat().every((part) => low <= part && part <= high && (!whole || Number.isInteger(part)));
}

/** @type {Set<string>} */
const addresses = new Set();

// A widget gets an address in the page, and the state that the URL has for it; so do the widgets in a box.
/** @param {Model} model */
function settle(model) {
  for (const child of childrenOf(model)) settle(resolve(child));
  if (!model.get("_shared") || model.address) return;
  const name = model.get("name");
  model.address = name;
  for (let n = 2; addresses.has(model.address); n++) model.address = `${name}-${n}`;
  addresses.add(model.address);
  Object.assign(model.state, asked(model, history.state?.widgets?.[model.address]));
}

// What the URL, or how it was left, says of a widget's state.
/** @param {Model} model @param {Record<string, unknown>} [left] */
function asked(model, left = {}) {
  const query = new URLSearchParams(location.search);
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const trait of model.get("_shared")) {
    const text = left[trait] === undefined ? query.get(`${model.address}.${trait}`) : write(left[trait]);
    const value = text === null ? undefined : read(text, model.get(trait));
    const whole = model.get("_whole").includes(trait);
    if (value !== undefined && isWithin(value, model.get("_limits")[trait], whole)) values[trait] = value;
  }
  return values;
}

// Where a lesson goes on to another state of the same page, the widget that it is about gets it: see present.js.
addEventListener("widget-state", () => {
  for (const model of models.values()) {
    if (model.address !== fragment()) continue;
    model.set({ ...structuredClone(model.get("_defaults")), ...asked(model) });
  }
});

// Who comes back to a page by the browser's history finds its widgets as they were left.
function remember() {
  const shown = [...models.values()].filter(({ address }) => address);
  /** @param {Model} model */
  const stateOf = (model) =>
    Object.fromEntries(model.get("_shared").map((/** @type {string} */ trait) => [trait, model.get(trait)]));
  const widgets = Object.fromEntries(shown.map((model) => [model.address, stateOf(model)]));
  try {
    history.replaceState({ ...history.state, widgets }, "");
  } catch {
    // in a frame that may not, nothing is kept
  }
}

/** @type {number} */
let remembering;

function rememberSoon() {
  clearTimeout(remembering);
  remembering = setTimeout(remember, 300); // browsers refuse a hundred within half a minute
}

/** @param {string} reference */
function resolve(reference) {
  const id = String(reference).replace(REFERENCE, "");
  if (!models.has(id)) throw new Error(`this page has no widget ${id}`);
  return models.get(id);
}

// Slice by slice, since a browser inflates in one go what it is given at once, and the page stands still meanwhile.
/** @param {Uint8Array<ArrayBuffer>} bytes */
function inflate(bytes) {
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  async function write() {
    for (let at = 0; at < bytes.length; at += SLICE) {
      if (at) await new Promise((done) => setTimeout(done));
      await writer.write(bytes.subarray(at, at + SLICE));
    }
    await writer.close();
  }
  return Promise.all([new Response(readable).arrayBuffer(), write()]).then(([buffer]) => buffer);
}

// The state as book/sphinx_ext/widget_state.py packs it: deflated, JSON first, then the small binary values.
/** @param {string} base64 */
async function unpack(base64) {
  const buffer = await inflate(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
  const length = new DataView(buffer).getUint32(0, true);
  const { texts, state } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  /** @param {[start: number, size: number]} place */
  const value = ([start, size]) => new DataView(buffer, 4 + length + start, size);
  return { texts, state, value };
}

// The value that a script hands over.
/** @param {string} address */
async function handedOver(address) {
  const script = Object.assign(document.createElement("script"), { src: address });
  await new Promise((done, fail) => {
    script.onload = done;
    script.onerror = () => fail(new Error(`${address} is missing`));
    document.head.append(script);
  });
  script.remove();
  return script.value;
}

// A large binary value, as as_script() there writes it.
/** @param {string} address */
async function load(address) {
  const [MARK, FLIP] = [0xe000, 0x8000];
  const [size, text] = await handedOver(address);
  const letters = new Uint16Array(text.length);
  for (let i = 0, n = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    letters[n++] = letter === MARK ? text.charCodeAt(++i) ^ FLIP : letter;
  }
  return new DataView(await inflate(new Uint8Array(letters.buffer, 0, size)));
}

async function readModels() {
  for (const script of document.querySelectorAll('script[type="application/vnd.vae-book.widget-state"]')) {
    const { texts, state: specs, value } = await unpack(script.textContent);
    /** @type {[string, Packed][]} */
    const packed = Object.entries(specs);
    for (const [id, { model_name, state, buffers = [] }] of packed) {
      if (state._css !== undefined) state._css = texts[state._css];
      /** @type {Model["large"]} */
      const large = [];
      const model = new Model(model_name, state, large);
      for (const { path, data } of buffers) {
        if (typeof data === "string") large.push([path, data]);
        else model.put(path, value(data));
      }
      models.set(id, model);
    }
  }
}

/** @type {Map<string, Promise<any>>} */
const made = new Map(); // what is made -> promise of it, so that all share it

/** @type {<T>(key: string, make: () => Promise<T>) => Promise<T>} */
function once(key, make) {
  if (!made.has(key)) made.set(key, make());
  made.get(key).catch(() => made.delete(key)); // the next time, it is tried again
  return made.get(key);
}

// A front end of the book is in pieces, each a function of the modules before it (as_functions() in widget_state.py);
// any other is the text of a module.
/** @type {(source: string | string[]) => Promise<FrontEnd>} */
function frontEnd(source) {
  if (Array.isArray(source)) return fromPieces(source);
  return once(source, async () => {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: widget } = await import(url);
    return typeof widget === "function" ? widget() : widget;
  });
}

/** @param {string} address */
const piece = (address) => once(`the script ${address}`, () => handedOver(address));

/** @param {string[]} addresses */
function fromPieces(addresses) {
  const loading = addresses.map(piece); // side by side
  return loading.reduce(
    (before, make, i) => once(addresses.slice(0, i + 1).join(" "), async () => (await make)(await before)),
    Promise.resolve({}),
  );
}

// What the front end makes a Worker of: the address of the last script before ui.js, the engine's or the trainer's, which
// loads the engine itself; or from disk, where a Worker may not have one, the text of all that come before ui.js.
/** @param {string[]} addresses */
async function workerSource(addresses) {
  if (location.protocol !== "file:") return new URL(addresses.at(-3), location.href).href;
  const makes = await Promise.all(addresses.slice(0, -2).map(piece));
  const made = makes.reduce((before, make) => `(${make})(${before})`, "{}");
  return `"use strict";\nconst { engine_js, trainer_js } = ${made};\n`;
}

// The front end of a widget, once all that it needs is there: its own large values, and those of the models it refers to;
// what it fetches by itself later is named in `_later`.
/** @param {Model} model */
async function prepare(model) {
  /** @param {unknown} value @returns {value is string} */
  const isReference = (value) => typeof value === "string" && value.startsWith(REFERENCE);
  const now = Object.entries(model.state).filter(([name]) => !model.get("_later")?.includes(name));
  const others = now
    .flatMap(([, value]) => value)
    .filter(isReference)
    .map(resolve);
  const source = model.get("_esm");
  const [widget] = await Promise.all([frontEnd(source), ...[model, ...others].map((one) => one.complete())]);
  if (Array.isArray(source)) model.state._esm = await workerSource(source);
  return widget;
}

const styles = new Set();

/** @param {string} css */
function addStyle(css) {
  if (!css || styles.has(css)) return;
  styles.add(css);
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
}

/** @param {Model} model @param {HTMLElement} place */
async function mountAny(model, place) {
  addStyle(model.get("_css"));
  if (model.address && !document.getElementById(model.address)) place.id = model.address;
  model.prepared ??= prepare(model);
  const widget = await model.prepared;
  model.ready ??= Promise.resolve(widget.initialize?.({ model }));
  await model.ready;
  await widget.render?.({ model, el: place });
}

/** @param {Model} model @param {HTMLElement} place */
async function mountBox(model, place) {
  place.classList.add(model.name === "HBoxModel" ? "widget-row" : "widget-column");
  await Promise.all(
    childrenOf(model).map((child) => {
      const part = document.createElement("div");
      place.append(part);
      return mount(child, part);
    }),
  );
}

/** @param {Model} model */
const isBox = (model) => model.name === "HBoxModel" || model.name === "VBoxModel";

/** @type {(model: Model) => string[]} */
const childrenOf = (model) => (isBox(model) ? model.get("children") : []);

// Is there anything in this box that lives without Python?
/** @type {(model: Model) => boolean} */
const isAlive = (model) =>
  isBox(model) ? childrenOf(model).some((child) => isAlive(resolve(child))) : model.name === "AnyModel";

/** @param {Element} place @param {string} text @param {string} kind */
function notice(place, text, kind) {
  const paragraph = Object.assign(document.createElement("p"), {
    className: `widget-notice ${kind}`,
    textContent: text,
  });
  place.replaceChildren(paragraph);
}

const MODERN = globalThis.DecompressionStream && globalThis.structuredClone && Array.prototype.at;
const TOO_OLD =
  "This browser is too old for the interactive figures. Chrome and Edge from version 98 on show them, Firefox from 113, Safari from 16.4.";

// A widget that fails says so in its own place; the others on the page live on.
/** @param {string} reference @param {HTMLElement} place */
async function mount(reference, place) {
  try {
    await reading; // or why it failed
    const model = resolve(reference);
    if (!isAlive(model))
      notice(place, "This part runs Python: open the chapter in Jupyter to use it.", "needs-jupyter");
    else if (isBox(model)) await mountBox(model, place);
    else await mountAny(model, place);
  } catch (error) {
    console.error(error);
    notice(place, `This widget could not be shown: ${error instanceof Error ? error.message : error}`, "failed");
  }
  place.removeAttribute("aria-busy");
}

// A place after each cell's own mark, and the widget in it.
async function mountAll() {
  const views = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]');
  /** @type {{ id: string, place: HTMLElement }[]} */
  const places = Array.from(views, (script) => {
    const { nextElementSibling } = script;
    /** @type {HTMLElement} */
    let place;
    if (nextElementSibling instanceof HTMLElement && nextElementSibling.matches(".widget")) place = nextElementSibling;
    else {
      place = Object.assign(document.createElement("div"), { className: "widget" });
      place.setAttribute("aria-busy", "true"); // until the widget is drawn
      script.after(place);
    }
    place.replaceChildren();
    return { id: JSON.parse(script.textContent).model_id, place };
  });
  if (!MODERN) {
    for (const { place } of places) {
      notice(place, TOO_OLD, "failed");
      place.removeAttribute("aria-busy");
    }
    return;
  }
  await reading.catch(() => {}); // mount() says why
  for (const { id, place } of places) {
    const model = models.get(id);
    if (!model) continue; // mount() says so
    settle(model);
    if (model.address && !document.getElementById(model.address)) place.id = model.address;
  }
  // The browser looked for the address before there was one.
  const asked = location.hash && document.getElementById(fragment());
  asked?.scrollIntoView?.();
  await new Promise(requestAnimationFrame); // text and styles come first, and only then weights ask for the line
  // One after the other, what the reader sees first, and between them the page may do other things. At the top of an
  // opening page that is their order; to ask where they are would lay out all of it.
  if (!document.documentElement.classList.contains("opening")) {
    const distances = new Map(places.map(({ place }) => [place, distance(place)]));
    places.sort((a, b) => distances.get(a.place) - distances.get(b.place));
  }
  for (const { id, place } of places) {
    await mount(id, place);
    if (place === asked) place.scrollIntoView(); // it has its height now
    dispatchEvent(new Event("widget-drawn"));
    await new Promise((done) => setTimeout(done));
  }
}

function fragment() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray %
  }
}

// How far a place is from what the reader sees; a folded one is nowhere.
/** @param {Element} place */
function distance(place) {
  const { top, bottom } = place.getBoundingClientRect();
  return place.getClientRects().length ? Math.max(top - innerHeight, -bottom, 0) : Infinity;
}

// The state stands in the page before this script, the places of the widgets after it.
const reading = MODERN ? readModels() : Promise.resolve();
reading.catch(() => {}); // mount() says why
if (document.readyState === "loading") document.addEventListener("readystatechange", mountAll, { once: true });
else mountAll();
