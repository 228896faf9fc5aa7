// Networks: of packed weights, and what they make of their inputs.

import { GREYS, softplusOf } from "./densities.js";
import { CODE, LANES, arithmetic, whole } from "./products.js";
import { PRECISIONS, unpack } from "./weights.js";

// Outputs are filled up to whole LANES with zeros, and a layer's weights lie in panels of that many.
const BLOCK = 64; // samples that go through all layers at a time, and so stay in the cache

/** @type {Record<string, (values: Float32Array, count: number) => void>} */
const ACTIVATIONS = {
  elu(a, n) {
    for (let i = 0; i < n; i++) if (a[i] < 0) a[i] = Math.exp(a[i]) - 1;
  },
  relu(a, n) {
    for (let i = 0; i < n; i++) if (a[i] < 0) a[i] = 0;
  },
  tanh(a, n) {
    for (let i = 0; i < n; i++) a[i] = 1 - 2 / (Math.exp(2 * a[i]) + 1);
  },
};

const networks = new WeakMap(); // weights -> network, so that several views decode them once

/** @type {(spec: Spec) => Network} */
export function network(spec) {
  const { sizes, activation, y_dim = 0, precision = "float32", grey = "sigmoid", weights } = spec;
  if (!Array.isArray(sizes) || sizes.length < 2 || !sizes.every((n) => Number.isInteger(n) && n > 0)) {
    throw new Error(`sizes must be two or more whole numbers; given ${JSON.stringify(sizes)}`);
  }
  if (!ACTIVATIONS[activation]) throw new Error(`activation must be one of elu, relu, tanh; given ${activation}`);
  if (!PRECISIONS.includes(precision)) {
    throw new Error(`precision must be one of ${PRECISIONS.join(", ")}; given ${precision}`);
  }
  if (!GREYS[grey]) throw new Error(`grey must be one of ${Object.keys(GREYS).join(", ")}; given ${grey}`);
  const traits = { sizes, activation, y_dim, precision, grey };
  const key = JSON.stringify(traits),
    known = networks.get(weights);
  if (known?.key === key) return known;
  const net = { ...build({ ...traits, weights }), key, spec: { ...traits, weights } };
  networks.set(weights, net);
  return net;
}

/** @type {(spec: Spec) => Omit<Network, "key" | "spec">} */
function build(spec) {
  const { sizes, activation, y_dim, grey } = spec;
  const matrices = unpack(spec),
    strides = sizes.map(whole),
    layers = [];
  const total = strides.reduce((sum, stride, i) => sum + stride * (BLOCK + (i && sizes[i - 1])), 0);
  const { f, product } = arithmetic(total, CODE);
  let at = 0;
  /** @type {(n: number) => Part} */
  const take = (n) => {
    at += n;
    return { at: at - n, array: f.subarray(at - n, at) };
  };
  const input = take(BLOCK * strides[0]);
  for (let i = 1; i < sizes.length; i++) {
    const weights = panels(take(sizes[i - 1] * strides[i]), matrices.shift(), sizes[i - 1], sizes[i]);
    const labels = i === 1 && y_dim ? transpose(matrices.shift(), sizes[i], y_dim) : null;
    const start = startRows(matrices.shift(), labels, sizes[i], strides[i]);
    layers.push({ weights, start, result: take(BLOCK * strides[i]) });
  }
  return {
    sizes,
    strides,
    y_dim,
    grey,
    activate: ACTIVATIONS[activation],
    layers,
    input,
    product,
    inputs: sizes[0],
    outputs: sizes[sizes.length - 1],
  };
}

// (out, in) -> panels of LANES outputs, in each the weights of one input side by side.
/** @type {(place: Part, w: Float32Array, inputs: number, outputs: number) => Part} */
function panels(place, w, inputs, outputs) {
  const { array } = place;
  for (let o = 0; o < outputs; o++) {
    const lane = o % LANES;
    for (let i = 0, p = (o - lane) * inputs + lane; i < inputs; i++, p += LANES) array[p] = w[o * inputs + i];
  }
  return place;
}

/** @type {(w: Float32Array, rows: number, columns: number) => Float32Array} */
function transpose(w, rows, columns) {
  const t = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) t[c * rows + r] = w[r * columns + c];
  return t;
}

// What the sums of a layer start from: its bias; for each label, bias + U[:, label].
/** @type {(bias: Float32Array, labels: Float32Array | null, outputs: number, stride: number) => Float32Array[]} */
function startRows(bias, labels, outputs, stride) {
  const count = labels ? labels.length / outputs : 1,
    rows = [];
  for (let y = 0; y < count; y++) {
    const row = new Float32Array(stride);
    for (let o = 0; o < outputs; o++) row[o] = bias[o] + (labels ? labels[y * outputs + o] : 0);
    rows.push(row);
  }
  return rows;
}

// Runs up to BLOCK rows; the last layer's result holds their outputs, its stride apart. Where rows
// end inside a tile, its last rows are of no meaning, and nobody reads them.
/** @type {(net: Network, x: Float32Array, first: number, rows: number, y: ArrayLike<number> | null) => void} */
function runBlock(net, x, first, rows, y) {
  const { sizes, strides, product, layers } = net,
    n = sizes[0];
  for (let r = 0; r < rows; r++) {
    net.input.array.set(x.subarray((first + r) * n, (first + r + 1) * n), r * strides[0]);
  }
  let from = net.input.at;
  layers.forEach(({ weights, start, result }, i) => {
    const stride = strides[i + 1];
    for (let r = 0; r < rows; r++) result.array.set(start[start.length > 1 ? y[first + r] : 0], r * stride);
    product(from, strides[i], 1, weights.at, result.at, stride, rows, stride, sizes[i]);
    from = result.at;
    if (i + 1 < layers.length) net.activate(result.array, rows * stride);
  });
}

// Calls use(outputs, stride, first, rows) for one block after the other; `outputs` is lent.
/**
 * @param {Network} net
 * @param {Numbers} x
 * @param {number} rows
 * @param {ArrayLike<number> | null} y
 * @param {(outputs: Float32Array, stride: number, first: number, rows: number) => void} use
 */
export function eachBlock(net, x, rows, y, use) {
  x = asFloats(x);
  if (x.length !== rows * net.inputs) throw new Error(`wanted ${rows} x ${net.inputs} inputs; given ${x.length}`);
  if (net.y_dim) checkLabels(y, rows, net.y_dim);
  const { array } = net.layers[net.layers.length - 1].result,
    stride = net.strides[net.strides.length - 1];
  for (let first = 0; first < rows; first += BLOCK) {
    const n = Math.min(BLOCK, rows - first);
    runBlock(net, x, first, n, y);
    use(array, stride, first, n);
  }
}

/** @type {(x: ArrayLike<number>) => Float32Array} */
export const asFloats = (x) => (x instanceof Float32Array ? x : Float32Array.from(x));

/** @type {(y: ArrayLike<number> | null, rows: number, y_dim: number) => void} */
function checkLabels(y, rows, y_dim) {
  if (y?.length !== rows) throw new Error(`wanted a label for each of ${rows} rows; given ${y?.length ?? "none"}`);
  for (let r = 0; r < rows; r++) {
    if (!Number.isInteger(y[r]) || y[r] < 0 || y[r] >= y_dim) {
      throw new Error(`labels are 0 to ${y_dim - 1}; given ${y[r]}`);
    }
  }
}

// x: (rows, in), y: class ids where the network wants them -> (rows, out).
/**
 * @param {Network} net
 * @param {Numbers} x
 * @param {ArrayLike<number> | null} [y]
 */
export function forward(net, x, rows = 1, y = null) {
  const out = new Float32Array(rows * net.outputs);
  eachBlock(net, x, rows, y, (h, stride, first, n) => {
    for (let r = 0; r < n; r++) out.set(h.subarray(r * stride, r * stride + net.outputs), (first + r) * net.outputs);
  });
  return out;
}

// An encoder's q(z|x): mean and variance, each (rows, z_dim).
/**
 * @param {Network} net
 * @param {Numbers} x
 * @param {ArrayLike<number> | null} [y]
 */
export function encode(net, x, rows = 1, y = null) {
  const h = forward(net, x, rows, y),
    n = net.outputs / 2;
  const m = new Float32Array(rows * n),
    v = new Float32Array(rows * n);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < n; i++) {
      m[r * n + i] = h[2 * r * n + i];
      v[r * n + i] = softplusOf(h[(2 * r + 1) * n + i]) + 1e-8;
    }
  }
  return { m, v };
}
