// Logarithms of densities, in nats, and what makes grey levels of a decoder's numbers.

import { checkFinite, copyBytes } from "./weights.js";

export const LOG_2PI = Math.log(2 * Math.PI);
/** @type {(a: number) => number} */
const sigmoidOf = (a) => 1 / (1 + Math.exp(-a));
/** @type {(a: number) => number} */
export const softplusOf = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));

// Of a number or of each number in an array.
/** @type {(f: (a: number) => number) => (a: any) => any} */
const elementwise = (f) => (a) => {
  if (typeof a === "number") return f(a);
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = f(a[i]);
  return out;
};

export const sigmoid = elementwise(sigmoidOf);

// What makes grey levels of a decoder's numbers: of the logits of pixels that are 0 or 1, of means, or of the logits of a
// continuous Bernoulli, whose mean is 1 / (1 - e^-a) - 1 / a.
/** @type {Record<string, (a: number) => number>} */
export const GREYS = {
  sigmoid: sigmoidOf,
  identity: (mean) => Math.min(1, Math.max(0, mean)),
  continuous: (a) => (Math.abs(a) < 1e-3 ? 0.5 + a / 12 : 1 / (1 - Math.exp(-a)) - 1 / a),
};

// Ink from 0 to 1 of a decoder's numbers; `grey` is the network's, or is given by itself.
/** @type {(net: { grey: string }, numbers: Numbers) => Float32Array} */
export const ink = ({ grey }, numbers) => elementwise(GREYS[grey])(numbers);

/** @type {(a: Numbers) => number} */
export function logMeanExp(a) {
  if (!a.length) throw new Error("nothing to average");
  let max = -Infinity,
    sum = 0;
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(a[i])) return NaN;
    if (a[i] > max) max = a[i];
  }
  if (!Number.isFinite(max)) return max;
  for (let i = 0; i < a.length; i++) sum += Math.exp(a[i] - max);
  return max + Math.log(sum / a.length);
}

// An argument of one row serves all rows: the step from one row to the next is then 0.
/** @type {(name: string, a: Numbers, dim: number, rows: number) => number} */
function rowStep(name, a, dim, rows) {
  if (a.length === rows * dim) return dim;
  if (a.length === dim) return 0;
  throw new Error(`${name}: wanted ${dim} or ${rows} x ${dim} numbers; given ${a.length}`);
}

// log N(z; m, diag(v)) of each row.
/**
 * @param {Numbers} z
 * @param {Numbers} m
 * @param {Numbers} v
 * @param {number} dim
 */
export function logNormal(z, m, v, dim, rows = 1) {
  const zStep = rowStep("z", z, dim, rows),
    mStep = rowStep("m", m, dim, rows),
    vStep = rowStep("v", v, dim, rows);
  const out = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = dim * LOG_2PI;
    for (let i = 0; i < dim; i++) {
      const d = z[r * zStep + i] - m[r * mStep + i],
        variance = v[r * vStep + i];
      sum += Math.log(variance) + (d * d) / variance;
    }
    out[r] = -0.5 * sum;
  }
  return out;
}

// N(m, covariance) with all of its covariance, (dim, dim): `whiten`, the lower triangle of the inverse of its Cholesky
// factor, row after row, makes of z - m standard normal numbers.
/** @type {(m: Numbers, covariance: Numbers) => Gaussian} */
export function gaussian(m, covariance) {
  const dim = m.length,
    factor = new Float64Array(dim * dim),
    inverse = new Float64Array(dim * dim);
  if (covariance.length !== dim * dim)
    throw new Error(`covariance: wanted ${dim} x ${dim} numbers; given ${covariance.length}`);
  const whiten = new Float64Array((dim * (dim + 1)) / 2);
  let constant = -0.5 * dim * LOG_2PI;
  for (let r = 0, i = 0; r < dim; r++) {
    for (let c = 0; c <= r; c++) {
      let sum = covariance[r * dim + c];
      for (let k = 0; k < c; k++) sum -= factor[r * dim + k] * factor[c * dim + k];
      if (c === r && !(sum > 0)) throw new Error("covariance: wanted a positive definite matrix");
      factor[r * dim + c] = c === r ? Math.sqrt(sum) : sum / factor[c * dim + c];
    }
    constant -= Math.log(factor[r * dim + r]);
    for (let c = 0; c <= r; c++, i++) {
      let sum = c === r ? 1 : 0;
      for (let k = c; k < r; k++) sum -= factor[r * dim + k] * inverse[k * dim + c];
      whiten[i] = inverse[r * dim + c] = sum / factor[r * dim + r];
    }
  }
  return { m, covariance, whiten, constant, away: new Float64Array(dim) };
}

// log N(z; m, covariance) of the row of z that begins at `at`; z - m is in the Gaussian's `away` then.
/** @type {(z: Numbers, at: number, gaussian: Gaussian) => number} */
export function logGaussian(z, at, { m, whiten, constant, away }) {
  let sum = 0;
  for (let r = 0, i = 0; r < m.length; r++) {
    away[r] = z[at + r] - m[r];
    let t = 0;
    for (let c = 0; c <= r; c++, i++) t += whiten[i] * away[c];
    sum += t * t;
  }
  return constant - 0.5 * sum;
}

// log p(x) of `dim` pixels: the sum of x a - max(a, 0) - log(1 + e^-|a|). The logarithms of the
// factors 1 + e^-|a|, none above 2, are one logarithm of their product for up to 1,000 of them.
/** @type {(x: Numbers, xAt: number, logits: Numbers, at: number, dim: number) => number} */
export function logBernoulliRow(x, xAt, a, at, dim) {
  let sum = 0;
  for (let start = 0; start < dim; start += 1000) {
    const end = Math.min(start + 1000, dim);
    let product = 1;
    for (let i = start; i < end; i++) {
      const logit = a[at + i],
        size = Math.abs(logit);
      sum += x[xAt + i] * logit - 0.5 * (logit + size);
      product *= 1 + Math.exp(-size);
    }
    sum -= Math.log(product);
  }
  return sum;
}

/**
 * @param {Numbers} x
 * @param {Numbers} logits
 * @param {number} dim
 */
export function logBernoulli(x, logits, dim, rows = 1) {
  const xStep = rowStep("x", x, dim, rows),
    step = rowStep("logits", logits, dim, rows);
  const out = new Float64Array(rows);
  for (let r = 0; r < rows; r++) out[r] = logBernoulliRow(x, r * xStep, logits, r * step, dim);
  return out;
}

// KL(N(qm, qv) || N(pm, pv)) of one row; against N(0, I) without pm and pv.
/** @type {(qm: Numbers, qv: Numbers, pm?: Numbers | null, pv?: Numbers | null) => number} */
export function klNormal(qm, qv, pm = null, pv = null) {
  let sum = 0;
  for (let i = 0; i < qm.length; i++) {
    const d = qm[i] - (pm ? pm[i] : 0),
      variance = pv ? pv[i] : 1;
    sum += Math.log(variance / qv[i]) + (qv[i] + d * d) / variance - 1;
  }
  return 0.5 * sum;
}

// The prior of a GMVAE: k Gaussians of equal weight. weights: float32 means, then variances, (k, z_dim) each.
const mixtures = new WeakMap();

/** @type {(spec: MixtureSpec) => Mixture} */
export function mixture({ k, z_dim, weights }) {
  const known = mixtures.get(weights);
  if (known?.k === k && known.z_dim === z_dim) return known;
  const buffer = copyBytes(weights),
    wanted = 8 * k * z_dim;
  if (buffer.byteLength !== wanted) {
    const what = `a mixture of ${k} Gaussians in ${z_dim} dimensions`;
    throw new Error(`${what} takes ${wanted} bytes; given ${buffer.byteLength}`);
  }
  const m = new Float32Array(buffer, 0, k * z_dim),
    v = new Float32Array(buffer, 4 * k * z_dim, k * z_dim);
  checkFinite(m, "the mixture's means");
  checkFinite(v, "the mixture's variances");
  const precision = Float64Array.from(v, (variance) => 1 / variance);
  const constant = logNormal(m, m, v, z_dim, k); // of each component, at its mean
  const built = { k, z_dim, m, v, precision, constant, spec: { k, z_dim, weights } };
  mixtures.set(weights, built);
  return built;
}

/**
 * @param {Numbers} z
 * @param {Mixture} mixture
 */
export function logMixture(z, { k, z_dim, m, precision, constant }, rows = 1) {
  const out = new Float64Array(rows),
    terms = new Float64Array(k);
  for (let r = 0; r < rows; r++) {
    for (let j = 0, c = 0; j < k; j++) {
      let sum = 0;
      for (let i = 0; i < z_dim; i++, c++) {
        const d = z[r * z_dim + i] - m[c];
        sum += d * d * precision[c];
      }
      terms[j] = constant[j] - 0.5 * sum;
    }
    out[r] = logMeanExp(terms);
  }
  return out;
}

// Noise from N(0, I) as a draw from a mixture: moved into the component that u, between 0 and 1, picks.
/** @type {(mixture: Mixture, noise: Numbers, u: number) => Float32Array} */
export function mixtureSample({ k, z_dim, m, v }, noise, u) {
  const at = z_dim * Math.floor(u * k);
  return Float32Array.from({ length: z_dim }, (_, i) => m[at + i] + Math.sqrt(v[at + i]) * noise[i]);
}

/** @type {(z: Numbers, dim: number, rows: number) => Float64Array} */
function logStandardNormal(z, dim, rows) {
  const out = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = dim * LOG_2PI;
    for (let i = 0; i < dim; i++) sum += z[r * dim + i] * z[r * dim + i];
    out[r] = -0.5 * sum;
  }
  return out;
}

/** @type {(prior: Mixture | null, z: Numbers, dim: number, rows: number) => Float64Array} */
export const logPrior = (prior, z, dim, rows) => (prior ? logMixture(z, prior, rows) : logStandardNormal(z, dim, rows));
