// What a bound on log p(x) is the mean of: importance weights of draws from q(z|x).

import { LOG_2PI, logMeanExp, logPrior, logBernoulliRow } from "./densities.js";
import { asFloats, eachBlock, encode, forward } from "./networks.js";

// What z, and for an SSVAE y, is drawn from: {m, v, labels, log_q}. m and v have a row for each of
// `labels`, and log_q the log q(y|x) of each; without labels (null) there is one row. known: what it is for this x,
// where an encoder has told already.
/**
 * @param {Models} models
 * @param {Float32Array} x
 * @param {DrawOptions} [options]
 * @returns {Proposal}
 */
export function proposal({ enc, dec, cls }, x, { q = null, y = null, known = null } = {}) {
  const y_dim = dec.y_dim,
    dim = dec.inputs;
  if (known) {
    if (y === null) return known;
    const [m, v] = [known.m, known.v].map((all) => all.subarray(y * dim, (y + 1) * dim));
    return { m, v, labels: [y], log_q: [0] };
  }
  if (x.length !== dec.outputs) throw new Error(`wanted an image of ${dec.outputs} pixels; given ${x.length}`);
  const own = q && { m: checkSize("q.m", q.m, dim), v: checkSize("q.v", q.v, dim) };
  if (!y_dim) return { ...(own ?? encode(enc, x)), labels: null };
  if (y !== null) return { ...(own ?? encode(enc, x, 1, [y])), labels: [y], log_q: [0] };
  if (q || !cls) throw new Error("a label y is wanted, or a classifier cls to draw it from");
  const labels = Array.from({ length: y_dim }, (_, i) => i);
  const repeated = new Float32Array(y_dim * x.length);
  labels.forEach((i) => repeated.set(x, i * x.length));
  return { ...encode(enc, repeated, y_dim, labels), labels, log_q: logSoftmax(forward(cls, x)) };
}

/** @type {(name: string, a: Numbers, size: number) => Float32Array} */
function checkSize(name, a, size) {
  if (a?.length !== size) throw new Error(`wanted ${size} numbers in ${name}; given ${a?.length ?? "none"}`);
  return asFloats(a);
}

/** @type {(name: string, n: number) => number} */
export function checkCount(name, n) {
  if (!(Number.isInteger(n) && n >= 1)) throw new Error(`${name} must be a whole number of at least 1; given ${n}`);
  return n;
}

/** @type {(a: Numbers) => Float64Array} */
export function logSoftmax(a) {
  const log_sum = logMeanExp(a) + Math.log(a.length);
  return Float64Array.from(a, (logit) => logit - log_sum);
}

// An index, drawn with probability e^log_p.
/** @type {(log_p: Numbers, normals: Normals) => number} */
function drawIndex(log_p, normals) {
  if (log_p.length === 1) return 0;
  let u = normals.uniform(),
    i = 0;
  for (; i < log_p.length - 1; i++) {
    u -= Math.exp(log_p[i]);
    if (!(u > 0)) break;
  }
  return i;
}

// `count` log importance weights of x. A sample's draws follow one another, first y, then z, so
// that the weights do not depend on how their number is cut into chunks.
/** @type {(models: Models, x: Float32Array, from: Proposal, count: number, normals: Normals) => Draws} */
export function drawWeights({ dec, prior }, x, { m, v, labels, log_q }, count, normals) {
  const dim = dec.inputs,
    z = new Float32Array(count * dim),
    sd = Float64Array.from(v, Math.sqrt);
  const y = labels && new Int32Array(count);
  const kl = new Float64Array(count),
    rec = new Float64Array(count),
    logW = new Float64Array(count);
  const log_v = Float64Array.from(v, Math.log);
  for (let r = 0; r < count; r++) {
    const row = labels ? drawIndex(log_q, normals) : 0;
    let sum = dim * LOG_2PI;
    for (let i = 0, at = row * dim; i < dim; i++, at++) {
      z[r * dim + i] = m[at] + sd[at] * normals.next();
      const d = z[r * dim + i] - m[at];
      sum += log_v[at] + (d * d) / v[at];
    }
    kl[r] = -0.5 * sum;
    if (labels) {
      y[r] = labels[row];
      kl[r] += log_q[row] + Math.log(dec.y_dim); // the prior of y is uniform
    }
  }
  const log_p = logPrior(prior, z, dim, count);
  eachBlock(dec, z, count, y, (logits, stride, first, n) => {
    for (let r = 0; r < n; r++) rec[first + r] = -logBernoulliRow(x, 0, logits, r * stride, dec.outputs);
  });
  for (let r = 0; r < count; r++) {
    kl[r] -= log_p[r];
    logW[r] = -(kl[r] + rec[r]);
  }
  return { logW, kl, rec, z, y };
}

// log w = log p(x, z) - log q(z|x) of `count` draws z ~ q(z|x), as VAE.log_weight in vae_core.
// models: {enc, dec, cls, prior}; prior: a mixture, or nothing for N(0, I). options: {q: {m, v}}
// in the place of the encoder's; {y}: a label, when log w is that of log p(x, y); {known}: proposal(models, x).
/** @type {(models: Models, x: Float32Array, count: number, normals: Normals, options?: DrawOptions) => Draws} */
export function logWeights(models, x, count, normals, options) {
  checkCount("count", count);
  return drawWeights(models, x, proposal(models, x, options), count, normals);
}
