// A model that the reader trained, in the place of the book's.

import { range } from "./elements.js";
import { MNIST, digitsOf } from "./traits.js";
import * as engine from "./engine.js";

// In Jupyter each widget has a copy of this file: what they share is on the page.
const ADOPTED = "vaeBookTrained";

// Puts a VAE into every adoptable widget that can take it, also those drawn later; null gives the book's models back.
// trained: { enc, dec: specs of engine.network, digits: [Float32Array(784)], labels, words: what it is } and, where
// there is one, logMarginal(digits): a promise of their exact log p(x).
/** @param {Trained | null} trained */
export function useModel(trained) {
  globalThis[ADOPTED] = trained;
  document.dispatchEvent(new CustomEvent(ADOPTED));
}

// A render that begins anew when Python has taken a model anew (FollowingWidget.refresh).
/** @type {(render: Render) => Render} */
export const following = (render) => adoptable(render, () => null);

// The same, and it shows what useModel gave, if the widget is of digits like MNIST's. stateOf(trained, model): the traits that then differ from the widget's own, with
// { defaults, limits } of its state where those differ too; or null for a widget that keeps the book's model; or a promise.
/** @type {(render: Render, stateOf: (trained: Adopted, model: Model) => State | null | Promise<State | null>) => Render} */
export function adoptable(render, stateOf) {
  return async ({ model, el }) => {
    /** @type {Trained | null} */
    let shown;
    /** @type {number} */
    let version;
    /** @type {(() => void) & { local: boolean }} */
    let stop;
    let closed = false;
    /** @type {() => Promise<void>} */
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
/** @type {(model: Model, state: State, words: string) => Model} */
function local(model, { defaults, limits, ...traits }, words) {
  /** @type {Record<string, unknown>} */
  const own = { ...structuredClone(model.get("_defaults")), ...structuredClone(defaults ?? {}) };
  /** @type {Record<string, unknown>} */
  const state = { ...own, text: "", _defaults: own, _limits: { ...model.get("_limits"), ...limits }, ...traits };
  const listeners = new EventTarget(),
    held = new Map();
  return {
    adopted: words,
    widget_manager: model.widget_manager,
    /** @param {string} name */
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
/** @param {Network} enc @param {Float32Array[]} digits */
export function encodeAll(enc, digits) {
  const x = new Float32Array(enc.inputs * digits.length);
  digits.forEach((digit, i) => x.set(digit, enc.inputs * i));
  return engine.encode(enc, x, digits.length);
}

// The state of a ModelWidget with the reader's VAE, and its own digits. What a GMVAE or an SSVAE shows is about its
// mixture or its classes, of which a VAE has none.
/** @type {(trained: Adopted, model: Model) => State | null} */
export function adoptedParts({ enc, dec }, model) {
  if (model.get("mixture") || model.get("classifier")) return null;
  const digits = digitsOf(model.get("digits")),
    { m, v } = encodeAll(enc, digits),
    dim = dec.inputs;
  const codes = Float32Array.from(
    range(digits.length).flatMap((i) => [m, v].flatMap((all) => [...all.subarray(dim * i, dim * (i + 1))])),
  );
  return { encoder: enc, decoder: dec, codes, log_px: [] };
}
