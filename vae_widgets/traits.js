// What a front end reads of its traits and sets: networks, pictures, values.

import { range, uniqueName } from "./elements.js";
import * as engine from "./engine.js";

// Another model by the reference that a trait holds, or null; for a list of references, a list of models, or the one
// at an index.
/**
 * @param {Model} model
 * @param {string} trait
 * @param {number} [index]
 */
export async function follow(model, trait, index) {
  /** @type {(reference: unknown) => any} */
  const find = (reference) =>
    typeof reference === "string"
      ? model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""))
      : (reference ?? null);
  const held = index === undefined ? model.get(trait) : model.get(trait)[index];
  return Array.isArray(held) ? Promise.all(held.map(find)) : find(held);
}

// f of each in a list, or of the one thing that there is, or null.
/** @type {(held: any, f: (one: any) => any) => any} */
const each = (held, f) => (Array.isArray(held) ? held.map((one) => each(one, f)) : held && f(held));

const networks = new WeakMap(); // model -> its network, decoded once however many views there are

/** @type {(source: any) => Network} */
function decoded(source) {
  if (source.layers) return source; // a network already, of a model that the reader trained
  if (!networks.has(source)) {
    /** @type {any} */
    const state = Object.fromEntries(
      ["sizes", "activation", "y_dim", "precision", "grey", "weights"].map((name) => [name, source.get(name)]),
    );
    networks.set(source, engine.network(state));
  }
  return networks.get(source);
}

/** @type {(model: Model, trait: string, index?: number) => Promise<any>} */
export const network = async (model, trait, index) => each(await follow(model, trait, index), decoded);

/** @type {(model: Model, trait: string, index?: number) => Promise<any>} */
export const mixture = async (model, trait, index) =>
  each(await follow(model, trait, index), (source) =>
    engine.mixture({ k: source.get("k"), z_dim: source.get("z_dim"), weights: source.get("weights") }),
  );

// engine.proposal of each test digit of a ModelWidget, as its trait `codes` has it.
/** @type {(model: Model, net: { inputs: number, y_dim: number }) => Proposal[]} */
export function proposals(model, { inputs, y_dim }) {
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

/** @type {(view: any) => Uint8Array} */
export const bytes = (view) => new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);

export const MNIST = [28, 28, 1];

// Images as vae_widgets.base.pack_images has them: an array of Float32Array(height * width), ink from 0 to 1. raster:
// height, width, and the bits of a pixel, 1 or 8.
/** @param {ArrayBuffer | ArrayBufferView} view */
export function digitsOf(view, [height, width, bits] = MNIST) {
  const packed = bytes(view),
    length = height * width,
    size = Math.ceil((length * bits) / 8);
  /** @type {(n: number, i: number) => number} */
  const pixel =
    bits === 8 ? (n, i) => packed[size * n + i] / 255 : (n, i) => (packed[size * n + (i >> 3)] >> (7 - (i & 7))) & 1;
  return range(packed.length / size).map((n) => Float32Array.from({ length }, (_, i) => pixel(n, i)));
}

// { grey, ask }: with decode = ask(view), decode(z, rows, use) calls use(numbers) with what z (rows, z_dim) decodes to: at
// once by the model's network; later by Python, which is asked one thing at a time, and of what waits the last. Null where
// there is neither.
/** @type {(model: Model) => Promise<Decoder | null>} */
export async function decoderOf(model) {
  const net = await network(model, "decoder");
  if (net) return { grey: net.grey, ask: () => (z, rows, use) => use(engine.forward(net, z, rows)) };
  if (model.link) return null; // a page without Python
  /** @type {Decoder["ask"]} */
  const ask = (view) => {
    /** @type {string | null} */
    let id = null;
    /** @type {(numbers: Float32Array) => void} */
    let take;
    /** @type {Parameters<Ask> | null} */
    let next = null; // of what is asked, and what comes next
    /** @type {Ask} */
    const send = (z, _, use) => {
      [id, take] = [uniqueName("decode"), use];
      model.send({ decode: id }, undefined, [Float32Array.from(z).buffer]);
    };
    /** @type {(message: { decoded: string }, buffers: DataView[]) => void} */
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
    return (...what) => {
      if (id) next = what;
      else send(...what);
    };
  };
  return { grey: model.get("grey"), ask };
}

/** @param {ArrayBuffer | ArrayBufferView} view */
export const floats = (view) => new Float32Array(bytes(view).slice().buffer);

// The seed after the one that a widget has, as values for `set`; after the last comes the first.
/** @param {Model} model */
export function nextSeed(model) {
  const [first, last] = model.get("_limits").seed;
  const seed = model.get("seed");
  return { seed: seed < last ? seed + 1 : first };
}

// Set traits and tell Python, if there is one.
/** @type {(model: Model, values: Record<string, unknown>) => void} */
export function set(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// A list with one entry changed.
/** @type {<T>(list: T[], index: number, value: T) => T[]} */
export const changed = (list, index, value) => Object.assign([...list], { [index]: value });

/** @type {(model: Model, name: string, index: number, value: unknown) => void} */
export const setAt = (model, name, index, value) => set(model, { [name]: changed(model.get(name), index, value) });

/** @type {(model: Model, trait: string, show: () => void, signal: AbortSignal) => void} */
export function bind(model, trait, show, signal) {
  model.on(`change:${trait}`, show);
  signal.addEventListener("abort", () => model.off(`change:${trait}`, show));
  show();
}
