// A VAE with Bernoulli pixels that learns: forward, backward, Adam, and what a picture of it needs.
//
// What it computes is VAE.negative_elbo_bound of vae_core.py (m = 1) or negative_iwae_bound (m > 1, with or without dreg),
// and their gradients; tests/test_trainer.py holds it to PyTorch. Rows of samples are in the order of vae_core.duplicate:
// all images with their first sample, all with their second, ...

import { normals } from "./draws.js";
import { arithmetic, whole } from "./products.js";
import { CODE } from "./training_code.js";
import { PIXELS } from "./training_images.js";

const BLOCK = 256; // rows of a product that stay in the cache
const LEAST_SHARE = 1e-10; // of an importance weight: below it is 0

const LOG_2PI = Math.log(2 * Math.PI);

// How a VAE's weights lie in a list, as a float32 spec of engine.network has them: of enc, then of dec, for each layer
// (inputs, outputs): a matrix (out, in), then its bias.
/** @type {(shape: { hidden: number[], z_dim: number }) => { enc: number[][], dec: number[][] }} */
function layersOf({ hidden, z_dim }) {
  /** @param {number[]} sizes */
  const pairs = (sizes) => sizes.slice(1).map((outputs, i) => [sizes[i], outputs]);
  return { enc: pairs([PIXELS, ...hidden, 2 * z_dim]), dec: pairs([z_dim, ...[...hidden].reverse(), PIXELS]) };
}

/** @type {(layers: number[][]) => number} */
const countOf = (layers) => layers.reduce((sum, [inputs, outputs]) => sum + (inputs + 1) * outputs, 0);

// Specs for engine.network of the weights that `weights` below returns: { enc, dec }.
/** @type {(weights: Float32Array, shape: Shape) => { enc: Spec, dec: Spec }} */
export function networks(weights, shape) {
  const { enc, dec } = layersOf(shape),
    first = countOf(enc);
  /** @type {(layers: number[][], from: number, to: number) => Spec} */
  const spec = (layers, from, to) => ({
    sizes: [layers[0][0], ...layers.map(([, outputs]) => outputs)],
    activation: shape.activation,
    y_dim: 0,
    precision: "float32",
    weights: weights.slice(from, to).buffer,
  });
  return { enc: spec(enc, 0, first), dec: spec(dec, first, first + countOf(dec)) };
}

// A VAE that learns from images, grey levels 0 to 255 as bytes (n, 784). seed: of its first weights, of the batches, of
// their binarisation and of z's noise. weights: where to go on from, or nothing.
/** @param {Setup & { images: Uint8Array }} setup */
export function create({ images, hidden = [128], z_dim = 2, activation = "elu", seed = 0, weights = null }) {
  const shape = { hidden, z_dim, activation },
    source = normals(seed),
    zStride = whole(z_dim),
    heads = whole(2 * z_dim);
  const { enc, dec } = layersOf(shape),
    widest = Math.max(PIXELS, ...hidden.map(whole));
  // The buffer, as floats and as whole numbers; the functions on it; where everything lies.
  /** @type {Float32Array} */
  let f;
  /** @type {Int32Array} */
  let ints;
  /** @type {Record<KernelName, Kernel>} */
  let k;
  /** @type {Record<Room, number>} */
  let places;

  // Parameters first, so that they can be moved to a larger buffer: W (in, out), filled up to whole LANES with zeros.
  let used = 0;
  /** @param {number} n */
  const take = (n) => {
    const at = used;
    used += 4 * Math.ceil(n / 4);
    return at;
  };
  /** @type {(pair: number[]) => Layer} */
  const lay = ([inputs, outputs]) => {
    const outs = whole(outputs),
      ins = whole(inputs);
    return { inputs, outputs, ins, outs, w: take(ins * outs), b: take(outs) };
  };
  const layers = { enc: enc.map(lay), dec: dec.map(lay) },
    all = [...layers.enc, ...layers.dec];
  const parameters = used,
    grad = take(parameters),
    mean = take(parameters),
    square = take(parameters),
    kept = used;
  for (const layer of all) Object.assign(layer, { gw: grad + layer.w, gb: grad + layer.b });

  // Room for `images` at a time with m samples each.
  /** @param {number} count @param {number} m */
  function makeRoom(count, m) {
    const rows = count * m;
    if (places && places.count >= count && places.rows >= rows) return;
    const before = f;
    used = kept;
    for (const layer of layers.enc) Object.assign(layer, { h: take(count * layer.outs), d: take(count * layer.outs) });
    for (const layer of layers.dec) Object.assign(layer, { h: take(rows * layer.outs), d: take(rows * layer.outs) });
    places = {
      count,
      rows,
      x: take(count * PIXELS),
      z: take(rows * zStride),
      eps: take(rows * zStride),
      dz: take(rows * zStride),
      sums: take(16),
      every: take(rows),
      byImage: take(count * PIXELS),
      byPixel: take(count * PIXELS),
      pack: take(widest * BLOCK),
      product: take(BLOCK * whole(count)),
    };
    ({ f, ...k } = arithmetic(used, CODE));
    ints = new Int32Array(f.buffer);
    if (before) f.set(before.subarray(0, kept));
  }

  /** @param {Float32Array} weights */
  function read(weights) {
    const wanted = countOf(enc) + countOf(dec);
    if (weights.length !== wanted)
      throw new Error(`a VAE of these layers has ${wanted} weights; given ${weights.length}`);
    let at = 0;
    for (const { inputs, outputs, outs, w, b } of all) {
      for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) f[w + i * outs + o] = weights[at++];
      f.set(weights.subarray(at, at + outputs), b);
      at += outputs;
    }
  }

  function write() {
    const out = new Float32Array(countOf(enc) + countOf(dec));
    let at = 0;
    for (const { inputs, outputs, outs, w, b } of all) {
      for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) out[at++] = f[w + i * outs + o];
      out.set(f.subarray(b, b + outputs), at);
      at += outputs;
    }
    return out;
  }

  makeRoom(64, 1);
  if (weights) {
    read(weights);
  } else {
    // as vae_core.MLP
    for (const { inputs, outputs, outs, w } of all) {
      for (let i = 0; i < inputs; i++)
        for (let o = 0; o < outputs; o++) f[w + i * outs + o] = source.next() / Math.sqrt(inputs);
    }
  }

  // c += a b, as `product` of products.js, in blocks. b: a matrix whose rows are bRow apart or, if `turn`, its transpose.
  /**
   * @param {number} a
   * @param {number} aRow
   * @param {number} aStep
   * @param {number} b
   * @param {number} bRow
   * @param {boolean} turn
   * @param {number} c
   * @param {number} cRow
   * @param {number} M
   * @param {number} N
   * @param {number} K
   */
  function multiply(a, aRow, aStep, b, bRow, turn, c, cRow, M, N, K) {
    for (let from = 0; from < K; from += BLOCK) {
      const some = Math.min(BLOCK, K - from);
      if (turn) k.turned(b + from, bRow, places.pack, N, some);
      else k.panels(b + from * bRow, bRow, places.pack, N, some);
      for (let m = 0; m < M; m += BLOCK) {
        k.product(
          a + m * aRow + from * aStep,
          aRow,
          aStep,
          places.pack,
          c + m * cRow,
          cRow,
          Math.min(BLOCK, M - m),
          N,
          some,
        );
      }
    }
  }

  // The images of a batch lie as numbers at x, and as lists: of each image the pixels that are on, of each pixel the images.
  /** @type {number[]} */
  const imageEnd = [];
  const pixelEnd = new Int32Array(PIXELS + 1);

  // lists: of each image, the pixels that are on.
  /** @param {number[][]} lists */
  function put(lists) {
    const { x, byImage, byPixel } = places,
      { outs } = layers.enc[0],
      next = new Int32Array(PIXELS + 1);
    f.fill(0, x, x + lists.length * PIXELS);
    pixelEnd.fill(0);
    imageEnd.length = 0;
    let n = 0;
    lists.forEach((list, r) => {
      imageEnd.push(n);
      for (const p of list) {
        f[x + r * PIXELS + p] = 1;
        ints[byImage + n++] = outs * p;
        pixelEnd[p + 1]++;
      }
    });
    imageEnd.push(n);
    for (let p = 0; p < PIXELS; p++) pixelEnd[p + 1] += pixelEnd[p];
    next.set(pixelEnd);
    lists.forEach((list, r) => {
      for (const p of list) ints[byPixel + next[p]++] = outs * r;
    });
  }

  // The values of the last layer, for `rows` inputs; of binary images, if `input` is x, by their lists.
  /** @type {(network: Layer[], input: number, stride: number, rows: number) => number} */
  function forward(network, input, stride, rows) {
    let from = input;
    network.forEach(({ w, b, h, outs, inputs }, i) => {
      for (let r = 0; r < rows; r++) f.copyWithin(h + r * outs, b, b + outs);
      if (from === places.x) {
        for (let r = 0; r < rows; r++)
          k.rows(w, places.byImage + imageEnd[r], imageEnd[r + 1] - imageEnd[r], h + r * outs, outs);
      } else {
        multiply(from, stride, 1, w, outs, false, h, outs, rows, outs, inputs);
      }
      if (i + 1 < network.length) k[activation](h, rows * outs);
      [from, stride] = [h, outs];
    });
    return from;
  }

  // The gradients of a network's parameters, from that of its last layer's values at d; that of its input goes to `below`.
  /**
   * @param {Layer[]} network
   * @param {number} input
   * @param {number} stride
   * @param {number} rows
   * @param {number} d
   * @param {number | null} [below]
   */
  function backward(network, input, stride, rows, d, below = null) {
    for (let i = network.length - 1; i >= 0; i--) {
      const { w, outs, ins, gw, gb } = network[i],
        under = network[i - 1];
      f.fill(0, gw, gw + ins * outs);
      f.fill(0, gb, gb + outs);
      for (let r = 0; r < rows; r++) ints[places.every + r] = outs * r;
      k.rows(d, places.every, rows, gb, outs);
      if (!under && input === places.x) {
        for (let p = 0; p < PIXELS; p++)
          k.rows(d, places.byPixel + pixelEnd[p], pixelEnd[p + 1] - pixelEnd[p], gw + p * outs, outs);
      } else {
        multiply(under ? under.h : input, 1, under ? under.outs : stride, d, outs, false, gw, outs, ins, outs, rows);
      }
      const to = under ? under.d : below;
      if (to === null) return;
      f.fill(0, to, to + rows * ins);
      multiply(d, outs, 1, w, outs, true, to, ins, rows, ins, outs);
      if (under) k[`${activation}Slope`](to, under.h, rows * ins);
      d = to;
    }
  }

  // log p(x|z) of one row of images, whose place is x, and one of logits, whose place is a and which become the gradient
  // of -weight log p(x|z).
  /** @type {(a: number, x: number, weight: number) => number} */
  function likelihood(a, x, weight) {
    const half = PIXELS / 2,
      { sums } = places;
    let sum = 0;
    for (const from of [0, half]) {
      k.bernoulli(a + from, x + from, sums, half, weight);
      for (let i = 0; i < 4; i++) sum += f[sums + i] - Math.log(f[sums + 4 + i]);
    }
    return sum;
  }

  // q(z|x) of the images that are there: means are at the last layer's values; returns the variances (count, z_dim).
  /** @param {number} count */
  function encode(count) {
    const h = forward(layers.enc, places.x, PIXELS, count),
      v = new Float64Array(count * z_dim);
    for (let r = 0; r < count; r++) {
      for (let j = 0; j < z_dim; j++) {
        const a = f[h + r * heads + z_dim + j];
        v[r * z_dim + j] = Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))) + 1e-8;
      }
    }
    return v;
  }

  // The loss on the `count` images that are there and, if `learn`, its gradients: means over images, in nats.
  // noise: (m count, z_dim), or drawn.
  /**
   * @param {number} count
   * @param {Step & { noise?: Numbers | null, learn?: boolean }} how
   * @returns {Loss}
   */
  function pass(count, { beta = 1, m = 1, dreg = false, noise = null, learn = true }) {
    const rows = count * m,
      top = layers.enc.at(-1),
      last = layers.dec.at(-1),
      { x, z, eps, dz } = places;
    const v = encode(count),
      many = m > 1;
    f.fill(0, z, z + rows * zStride);
    for (let s = 0, i = 0; s < rows; s++) {
      const r = s % count;
      for (let j = 0; j < z_dim; j++, i++) {
        const e = noise ? noise[i] : source.next();
        f[eps + s * zStride + j] = e;
        f[z + s * zStride + j] = f[top.h + r * heads + j] + Math.sqrt(v[r * z_dim + j]) * e;
      }
    }
    forward(layers.dec, z, zStride, rows);
    const rec = new Float64Array(rows),
      kl = new Float64Array(rows),
      share = new Float64Array(rows).fill(1 / count);
    let loss = 0,
      kl_mean = 0,
      rec_mean = 0;
    for (let s = 0; s < rows; s++) {
      const r = s % count;
      rec[s] = -likelihood(last.h + s * PIXELS, x + r * PIXELS, many ? 1 : 1 / count);
      for (let j = 0; j < z_dim; j++) {
        const mu = f[top.h + r * heads + j],
          variance = v[r * z_dim + j],
          at = s * zStride + j;
        const rest = many ? f[z + at] ** 2 - f[eps + at] ** 2 : variance + mu * mu - 1; // of the sample, or of all
        kl[s] += 0.5 * (rest - Math.log(variance));
      }
      kl_mean += kl[s] / rows;
      rec_mean += rec[s] / rows;
    }
    if (!many) loss = rec_mean + beta * kl_mean;
    for (let r = 0; many && r < count; r++) {
      let max = -Infinity,
        sum = 0;
      for (let s = r; s < rows; s += count) max = Math.max(max, -rec[s] - kl[s]);
      for (let s = r; s < rows; s += count) sum += Math.exp(-rec[s] - kl[s] - max);
      for (let s = r; s < rows; s += count) {
        const weight = Math.exp(-rec[s] - kl[s] - max) / sum;
        share[s] = weight < LEAST_SHARE ? 0 : weight / count;
      }
      loss -= (max + Math.log(sum / m)) / count;
    }
    const result = { loss, kl: kl_mean, rec: rec_mean };
    if (!learn) return result;

    if (many) for (let s = 0; s < rows; s++) k.scale(last.h + s * PIXELS, PIXELS, share[s]);
    backward(layers.dec, z, zStride, rows, last.h, dz);
    f.fill(0, top.d, top.d + count * heads);
    for (let s = 0; s < rows; s++) {
      const r = s % count,
        again = many && dreg ? share[s] * count : 1;
      for (let j = 0; j < z_dim; j++) {
        const variance = v[r * z_dim + j],
          sd = Math.sqrt(variance),
          e = f[eps + s * zStride + j],
          at = top.d + r * heads + j;
        let to_z = f[dz + s * zStride + j],
          to_m = 0,
          to_v = 0;
        if (many) {
          to_z += share[s] * f[z + s * zStride + j]; // of -log p(z)
          if (dreg)
            to_z -= (share[s] * e) / sd; // of log q(z|x), through z alone
          else to_v = -(share[s] * 0.5) / variance; // of log q(z|x) in all, since z = m + sd e
        } else {
          to_m = (beta * f[top.h + r * heads + j]) / count;
          to_v = (beta * 0.5 * (1 - 1 / variance)) / count;
        }
        to_z *= again;
        f[at] += to_z + to_m;
        f[at + z_dim] += (to_v + (to_z * e) / (2 * sd)) / (1 + Math.exp(-f[top.h + r * heads + z_dim + j])); // softplus
      }
    }
    backward(layers.enc, x, PIXELS, count, top.d);
    return result;
  }

  // ---- training

  const count = images.length / PIXELS,
    order = Int32Array.from({ length: count }, (_, i) => i);
  let next = count,
    steps = 0;

  function shuffle() {
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(source.uniform() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    next = 0;
  }

  /** @param {number} index */
  function binarise(index) {
    /** @type {number[]} */
    const list = [];
    for (let p = 0, at = index * PIXELS; p < PIXELS; p++, at++) {
      if (images[at] && (images[at] === 255 || source.uniform() * 255 < images[at])) list.push(p);
    }
    return list;
  }

  /** @param {number} learning_rate */
  function update(learning_rate) {
    steps++;
    const first = 1 - 0.9 ** steps,
      second = Math.sqrt(1 - 0.999 ** steps);
    k.adam(0, grad, mean, square, parameters, (learning_rate * second) / first, 1e-8 * second);
  }

  // One step on the next batch of a shuffled epoch. batch: a multiple of 4.
  /**
   * @param {Step} [how]
   * @returns {Loss}
   */
  function step({ beta = 1, learning_rate = 2e-3, m = 1, dreg = false, batch = 64 } = {}) {
    if (next + batch > count) shuffle();
    makeRoom(batch, m);
    const chosen = order.subarray(next, next + batch);
    next += batch;
    put(Array.from(chosen, binarise));
    const result = pass(batch, { beta, m, dreg });
    update(learning_rate);
    return result;
  }

  // ---- what is shown. Images are lists of the pixels that are on; they go in blocks, of whole tiles.

  const SOME = 64;
  /** @type {(lists: number[][]) => Generator<[number, number, number]>} */
  function* blocks(lists) {
    for (let first = 0; first < lists.length; first += SOME) {
      const some = lists.slice(first, first + SOME),
        n = some.length;
      while (some.length % 4) some.push([]);
      put(some);
      yield [first, n, some.length];
    }
  }

  // Means and variances of q(z|x): each (n, z_dim).
  /** @type {(lists: number[][]) => Generator<void, { m: Float32Array, v: Float32Array }>} */
  function* codes(lists) {
    const m = new Float32Array(lists.length * z_dim),
      v = new Float32Array(lists.length * z_dim),
      top = layers.enc.at(-1);
    for (const [first, n, filled] of blocks(lists)) {
      v.set(encode(filled).subarray(0, n * z_dim), first * z_dim);
      for (let r = 0; r < n; r++) for (let j = 0; j < z_dim; j++) m[(first + r) * z_dim + j] = f[top.h + r * heads + j];
      yield;
    }
    return { m, v };
  }

  // use(place of the logits, first, n) for latents (n, z_dim), block after block.
  /** @type {(latents: Float32Array, use: (h: number, first: number, rows: number) => void) => Generator<void, void>} */
  function* decode(latents, use) {
    const { z } = places,
      n = latents.length / z_dim;
    for (let first = 0; first < n; first += SOME) {
      const rows = Math.min(SOME, n - first);
      f.fill(0, z, z + SOME * zStride);
      for (let r = 0; r < rows; r++)
        for (let j = 0; j < z_dim; j++) f[z + r * zStride + j] = latents[(first + r) * z_dim + j];
      use(forward(layers.dec, z, zStride, 4 * Math.ceil(rows / 4)), first, rows);
      yield;
    }
  }

  // What latents (n, z_dim) decode to, as bytes (n, 784): 255 is ink.
  /** @type {(latents: Float32Array) => Generator<void, Uint8Array>} */
  function* pictures(latents) {
    const out = new Uint8ClampedArray((latents.length / z_dim) * PIXELS);
    yield* decode(latents, (h, first, rows) => {
      f.fill(0, places.x, places.x + PIXELS); // of which the gradient is the probability itself
      for (let r = 0; r < rows; r++) likelihood(h + r * PIXELS, places.x, 255);
      out.set(f.subarray(h, h + rows * PIXELS), first * PIXELS);
    });
    return new Uint8Array(out.buffer);
  }

  // The bound on -log p(x) of up to SOME images, a multiple of 4, under the same noise at each call: m = 1: the mean of
  // `times` draws of -ELBO; else -IWAE. { loss, rec, kl }, means in nats.
  /** @type {(lists: number[][], how?: { m?: number, times?: number }) => Generator<void, Loss>} */
  function* bound(lists, { m = 1, times = 1 } = {}) {
    /** @type {Loss} */
    const result = { loss: 0, rec: 0, kl: 0 };
    const own = normals(1);
    makeRoom(lists.length, m);
    for (let i = 0; i < times; i++) {
      put(lists);
      const noise = own.fill(new Float32Array(lists.length * m * z_dim));
      const found = pass(lists.length, { m, noise, learn: false });
      result.loss += found.loss / times;
      result.rec += found.rec / times;
      result.kl += found.kl / times;
      yield;
    }
    return result;
  }

  // log p(x) of up to SOME images by quadrature, as vae_core.log_marginal_grid has it, on n points from -limit to limit
  // along each of one or two latents.
  /** @type {(lists: number[][], n: number, limit: number) => Generator<void, Float64Array>} */
  function* logMarginal(lists, n, limit) {
    if (z_dim > 2) throw new Error(`quadrature needs one or two latents; given ${z_dim}`);
    const points = n ** z_dim,
      spacing = (2 * limit) / (n - 1),
      latents = new Float32Array(points * z_dim);
    for (let p = 0; p < points; p++) {
      for (let j = 0, q = p; j < z_dim; j++, q = Math.floor(q / n)) latents[p * z_dim + j] = -limit + spacing * (q % n);
    }
    const columns = whole(lists.length),
      max = new Float64Array(lists.length).fill(-Infinity),
      sum = new Float64Array(lists.length);
    // log p(x|z) = x . logits + log p(0|z), all images at once. Another turn may have come in between: x is put anew.
    yield* decode(latents, (h, first, rows) => {
      put(lists);
      f.fill(0, places.product, places.product + SOME * columns);
      multiply(h, PIXELS, 1, places.x, PIXELS, true, places.product, columns, 4 * Math.ceil(rows / 4), columns, PIXELS);
      f.fill(0, places.x, places.x + PIXELS);
      for (let r = 0; r < rows; r++) {
        let base = likelihood(h + r * PIXELS, places.x, 1);
        for (let j = 0; j < z_dim; j++) base -= 0.5 * (latents[(first + r) * z_dim + j] ** 2 + LOG_2PI);
        for (let i = 0; i < lists.length; i++) {
          const a = base + f[places.product + r * columns + i];
          if (a > max[i]) {
            sum[i] = sum[i] * Math.exp(max[i] - a) + 1;
            max[i] = a;
          } else {
            sum[i] += Math.exp(a - max[i]);
          }
        }
      }
    });
    return max.map((a, i) => a + Math.log(sum[i]) + z_dim * Math.log(spacing));
  }

  // log p(x) of up to SOME images, a multiple of 4, as the bound from m samples estimates it, under the same noise at
  // each call.
  /** @type {(lists: number[][], m: number) => Generator<void, Float64Array>} */
  function* estimate(lists, m) {
    const own = normals(1),
      n = lists.length,
      last = layers.dec.at(-1),
      top = layers.enc.at(-1);
    const max = new Float64Array(n).fill(-Infinity),
      sum = new Float64Array(n);
    makeRoom(n, 1);
    for (let i = 0; i < m; i++) {
      put(lists);
      const { x, z } = places,
        v = encode(n),
        log_w = new Float64Array(n);
      f.fill(0, z, z + n * zStride);
      for (let r = 0; r < n; r++) {
        for (let j = 0; j < z_dim; j++) {
          const e = own.next(),
            variance = v[r * z_dim + j],
            at = z + r * zStride + j;
          f[at] = f[top.h + r * heads + j] + Math.sqrt(variance) * e;
          log_w[r] += 0.5 * (e * e + Math.log(variance) - f[at] ** 2); // log p(z) - log q(z|x)
        }
      }
      forward(layers.dec, z, zStride, n);
      for (let r = 0; r < n; r++) {
        const a = log_w[r] + likelihood(last.h + r * PIXELS, x + r * PIXELS, 1),
          high = Math.max(a, max[r]);
        sum[r] = sum[r] * Math.exp(max[r] - high) + Math.exp(a - high);
        max[r] = high;
      }
      yield;
    }
    return max.map((a, r) => a + Math.log(sum[r] / m));
  }

  // One image's way through the networks, and the gradients of rec + beta kl on it.
  /** @param {number[]} list @param {Numbers} noise @param {number} beta */
  function trace(list, noise, beta) {
    const copies = 4,
      top = layers.enc.at(-1),
      last = layers.dec.at(-1),
      { z, dz } = places;
    /** @param {number} at */
    const few = (at) => f.slice(at, at + z_dim);
    put(Array.from({ length: copies }, () => list));
    const { rec, kl } = pass(copies, {
      beta,
      noise: Float32Array.from({ length: copies * z_dim }, (_, i) => noise[i % z_dim]),
    });
    const m = few(top.h),
      raw = few(top.h + z_dim),
      drawn = few(z),
      grad_z = few(dz).map((g) => g * copies);
    const grad_m = few(top.d).map((g) => g * copies);
    const grad_v = few(top.d + z_dim).map((g, j) => g * copies * (1 + Math.exp(-raw[j])));
    const v = raw.map((a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))) + 1e-8);
    const ink = f.slice(last.h, last.h + PIXELS).map((d) => d * copies); // sigmoid - x by now
    for (const p of list) ink[p] += 1;
    return { m, v, z: drawn, ink, rec, kl, grad_z, grad_m, grad_v };
  }

  return {
    step,
    pass,
    put,
    update,
    codes,
    pictures,
    bound,
    logMarginal,
    estimate,
    trace,
    write,
    makeRoom,
    // the weights of another one of this shape
    /** @type {(other: { f: Float32Array }) => void} */
    copy: (other) => void f.set(other.f.subarray(0, parameters)),
    shape,
    get steps() {
      return steps;
    },
    get f() {
      return f;
    },
    layers,
  };
}

// To the end of a generator, whose result it returns.
/** @type {<T>(generator: Generator<unknown, T>) => T} */
export function run(generator) {
  let turn;
  do turn = generator.next();
  while (!turn.done);
  return turn.value;
}
