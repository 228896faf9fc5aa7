// Weights, as Python packs them (vae_widgets/base.py), back to numbers.

export const PRECISIONS = ["float16", "float32", "int8"];

// All low bytes, then all high ones. A half float's bits, moved to where a float has its own, are its value times 2^-112;
// but for those of infinity and of what is no number.
/** @type {(low: Uint8Array, high: Uint8Array) => Float32Array} */
function fromHalves(low, high) {
  const bits = new Uint32Array(low.length),
    values = new Float32Array(bits.buffer);
  for (let i = 0; i < bits.length; i++) {
    bits[i] = ((high[i] & 0x80) << 24) | ((high[i] & 0x7f) << 21) | (low[i] << 13);
    values[i] *= (high[i] & 0x7c) === 0x7c ? NaN : 2 ** 112;
  }
  return values;
}

// A copy, since a buffer from a message may start at any byte and typed arrays may not.
/** @type {(data: ArrayBuffer | ArrayBufferView) => ArrayBuffer} */
export function copyBytes(data) {
  if (data instanceof ArrayBuffer) return data.slice(0);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
  throw new Error("weights must be an ArrayBuffer or a view of one");
}

/** @type {(spec: Spec) => [number, number][]} */
function shapes({ sizes, y_dim }) {
  /** @type {[number, number][]} */
  const list = [];
  for (let i = 1; i < sizes.length; i++) {
    list.push([sizes[i], sizes[i - 1]]);
    if (i === 1 && y_dim) list.push([sizes[i], y_dim]);
    list.push([sizes[i], 0]); // a bias
  }
  return list;
}

/** @type {(shape: [number, number], precision: string) => number} */
function countBytes([rows, columns], precision) {
  if (precision === "float16") return 2 * rows * (columns || 1);
  if (precision === "float32" || !columns) return 4 * rows * (columns || 1);
  return 4 * rows + 4 * Math.ceil((rows * columns) / 4); // int8: a scale for each row, then the rows
}

/** @type {(buffer: ArrayBuffer, at: number, shape: [number, number], precision: string) => Float32Array} */
function unpackMatrix(buffer, at, [rows, columns], precision) {
  const n = rows * (columns || 1);
  if (precision === "float32" || (precision === "int8" && !columns)) return new Float32Array(buffer, at, n);
  if (precision === "float16") return fromHalves(new Uint8Array(buffer, at, n), new Uint8Array(buffer, at + n, n));
  const out = new Float32Array(n);
  const scale = new Float32Array(buffer, at, rows),
    codes = new Int8Array(buffer, at + 4 * rows, n);
  for (let r = 0, i = 0; r < rows; r++) for (let c = 0; c < columns; c++, i++) out[i] = codes[i] * scale[r];
  return out;
}

/** @type {(values: Numbers, what: string) => void} */
export function checkFinite(values, what) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += 0 * values[i];
  if (sum !== 0) throw new Error(`${what} are not all finite, so that nothing can be computed with them`);
}

/** @type {(spec: Spec) => Float32Array[]} */
export function unpack(spec) {
  const { sizes, precision, weights } = spec;
  const buffer = copyBytes(weights),
    list = shapes(spec);
  const wanted = list.reduce((sum, shape) => sum + countBytes(shape, precision), 0);
  if (buffer.byteLength !== wanted) {
    const what = `the ${precision} weights of a network of sizes ${sizes.join("-")}`;
    throw new Error(`${what} take ${wanted} bytes; given ${buffer.byteLength}`);
  }
  let at = 0;
  return list.map((shape) => {
    const matrix = unpackMatrix(buffer, at, shape, precision);
    at += countBytes(shape, precision);
    checkFinite(matrix, "the network's weights");
    return matrix;
  });
}
