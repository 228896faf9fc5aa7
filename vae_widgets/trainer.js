// Trains a VAE with Bernoulli pixels in the browser: forward, backward, Adam, and what a picture of it needs.
//
// What it computes is VAE.negative_elbo_bound of vae_core.py (m = 1) or negative_iwae_bound (m > 1, with or without dreg),
// and their gradients; tests/test_trainer.py holds it to PyTorch. No drawing and no DOM, so that it runs in a Worker.
// It declares one name, `trainer`, stands after engine.js, and has that one's conventions. Rows of samples are in the
// order of vae_core.duplicate: all images with their first sample, all with their second, ...
//
// Numbers below 1e-38 take processors a hundred times as long, and WebAssembly cannot make them 0. So whatever falls
// that low is cut before: shares of importance weights, slopes of unlikely pixels, Adam's means at pixels seldom on.
const trainer = (() => {
  const { wasm, whole, LANES } = engine;
  const PIXELS = 784;
  const BLOCK = 256; // rows of a product that stay in the cache
  const LEAST_SHARE = 1e-10; // of an importance weight: below it is 0

  // ---------------------------------------------------------------------------------------------
  // What training needs beside products, in vectors and in plain loops
  // ---------------------------------------------------------------------------------------------

  const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
  const FLOOR = -40; // e^-40 is nothing beside 1 in float32, and far above 1e-38
  // e^r for |r| <= ln(2) / 2 is 1 + r + r^2 (...), after Cephes.
  const POLYNOMIAL = [
    1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
  ];

  function vectorFunctions() {
    const { get, set, int, add, sub, shl, less, loop, when, v, loadInt, loadFloat, storeFloat, define } = wasm;
    const names = (L) => ({
      g: (name) => get(L[name]),
      to: (name, value) => set(L[name], value),
      plus: (name, n) => set(L[name], add(get(L[name]), typeof n === "number" ? int(n) : n)),
    });
    // e^x for FLOOR <= x <= 0, to 2e-7: 2^n times a polynomial. n and r: names of vectors that it may use.
    const exp = ({ g, to }, x, n, r) => [
      to(n, v.nearest(v.mul(x, v.all(Math.LOG2E)))),
      to(r, v.add(v.mul(g(n), v.all(-0.693359375)), x)),
      to(r, v.add(v.mul(g(n), v.all(2.1219444e-4)), g(r))),
      v.mul(
        v.add(
          v.add(
            v.mul(
              v.mul(
                POLYNOMIAL.slice(1).reduce((p, c) => v.add(v.mul(p, g(r)), v.all(c)), v.all(POLYNOMIAL[0])),
                g(r),
              ),
              g(r),
            ),
            g(r),
          ),
          v.all(1),
        ),
        v.shlInt(v.addInt(v.toInt(g(n)), v.allInt(127)), 23),
      ),
    ];
    const below = (x) => v.max(v.min(x, v.all(0)), v.all(FLOOR));

    // For each of n numbers at a: body, four at a time; further places move along.
    const each = (name, parameters, vectors, body) =>
      define(name, parameters, { ints: ["end"], vectors }, (L) => {
        const N = names(L);
        return [
          N.to("end", add(N.g("a"), shl(N.g("n"), int(2)))),
          loop(
            [body(N), parameters.filter((p) => p[0] === "@").map((p) => N.plus(p.slice(1), 16))],
            less(N.g("a"), N.g("end")),
          ),
        ];
      });

    // b (K, N) into panels of LANES columns. Its rows are bRow apart and its columns next to each other ...
    const panels = define("panels", ["@b", "@bRow", "@to", "N", "K"], { ints: ["q", "k"] }, (L) => {
      const { g, to, plus } = names(L);
      return loop(
        [
          to("q", g("b")),
          to("k", g("K")),
          loop(
            [
              v.store(g("to"), v.load(g("q"))),
              v.store(g("to"), v.load(g("q"), 16), 16),
              plus("to", 4 * LANES),
              plus("q", g("bRow")),
              plus("k", -1),
            ],
            less(int(0), g("k")),
          ),
          plus("b", 4 * LANES),
          plus("N", -LANES),
        ],
        less(int(0), g("N")),
      );
    });

    // ... or its columns are bCol apart and its rows next to each other: a transpose.
    const turned = define("turned", ["@b", "@bCol", "@to", "N", "K"], { ints: ["q", "r", "k"] }, (L) => {
      const { g, to, plus } = names(L);
      return loop(
        [
          to("q", g("b")),
          to("k", g("K")),
          loop(
            [
              to("r", g("q")),
              range(LANES, (i) => [
                storeFloat(g("to"), loadFloat(g("r")), 4 * i),
                i + 1 < LANES ? plus("r", g("bCol")) : [],
              ]),
              plus("to", 4 * LANES),
              plus("q", 4),
              plus("k", -1),
            ],
            less(int(0), g("k")),
          ),
          to("b", add(g("r"), g("bCol"))),
          to("b", sub(g("b"), shl(sub(g("K"), int(1)), int(2)))),
          plus("N", -LANES),
        ],
        less(int(0), g("N")),
      );
    });

    // out (n) += the rows of w at the places in a list. n is a multiple of LANES. Binary images make of a layer's product
    // a sum of the hundred rows out of 784 whose pixels are on.
    const rows = define(
      "rows",
      ["@w", "@list", "count", "@out", "n"],
      { ints: ["end", "at", "p"], vectors: range(8, (i) => `v${i}`) },
      (L) => {
        const { g, to, plus } = names(L);
        const strip = (vectors) => [
          range(vectors, (i) => to(`v${i}`, v.load(g("out"), 16 * i))),
          to("p", g("list")),
          when(
            less(g("p"), g("end")),
            loop(
              [
                to("at", add(g("w"), shl(loadInt(g("p")), int(2)))),
                range(vectors, (i) => to(`v${i}`, v.add(g(`v${i}`), v.load(g("at"), 16 * i)))),
                plus("p", 4),
              ],
              less(g("p"), g("end")),
            ),
          ),
          range(vectors, (i) => v.store(g("out"), g(`v${i}`), 16 * i)),
          plus("w", 16 * vectors),
          plus("out", 16 * vectors),
          plus("n", -4 * vectors),
        ];
        return [
          to("end", add(g("list"), shl(g("count"), int(2)))),
          when(less(int(31), g("n")), loop(strip(8), less(int(31), g("n")))),
          when(less(int(0), g("n")), loop(strip(2), less(int(0), g("n")))),
        ];
      },
    );

    // Logits a (n) of pixels x (n) become weight (sigmoid(a) - x), the gradient of -weight log p(x|z). At out: four sums of
    // x a - max(a, 0), and four products of 1 + e^-|a|, so that n is at most 4 x 100.
    const bernoulli = define(
      "bernoulli",
      ["@a", "@x", "@out", "n", "$weight"],
      { ints: ["end"], vectors: ["sum", "product", "y", "e", "s", "t", "r"] },
      (L) => {
        const N = names(L),
          { g, to, plus } = N;
        return [
          to("sum", v.all(0)),
          to("product", v.all(1)),
          to("end", add(g("a"), shl(g("n"), int(2)))),
          loop(
            [
              to("y", v.load(g("a"))),
              to("sum", v.add(g("sum"), v.sub(v.mul(v.load(g("x")), g("y")), v.max(g("y"), v.all(0))))),
              to("e", exp(N, v.max(v.neg(v.abs(g("y"))), v.all(FLOOR)), "t", "r")),
              to("s", v.add(g("e"), v.all(1))),
              to("product", v.mul(g("product"), g("s"))),
              to("s", v.div(v.choose(v.all(1), g("e"), v.gt(g("y"), v.all(0))), g("s"))),
              v.store(g("a"), v.mul(v.sub(g("s"), v.load(g("x"))), v.allOf(L.weight))),
              plus("a", 16),
              plus("x", 16),
            ],
            less(g("a"), g("end")),
          ),
          v.store(g("out"), g("sum")),
          v.store(g("out"), g("product"), 16),
        ];
      },
    );

    // Adam on n parameters at a, with gradients, their means and the means of their squares. $rate and $eps have the
    // corrections for the first steps in them. What is too small to move a parameter is rounded to 0.
    const adam = each("adam", ["@a", "@grad", "@mean", "@square", "n", "$rate", "$eps"], ["x", "y"], ({ g, to }) => {
      const round = (x, unit) => v.sub(v.add(x, v.all(unit)), v.all(unit));
      return [
        to("x", round(v.load(g("grad")), 1e-12)),
        to("y", round(v.add(v.load(g("mean")), v.mul(v.sub(g("x"), v.load(g("mean"))), v.all(0.1))), 1e-24)),
        v.store(g("mean"), g("y")),
        to("x", v.mul(g("x"), g("x"))),
        to("x", round(v.add(v.load(g("square")), v.mul(v.sub(g("x"), v.load(g("square"))), v.all(0.001))), 1e-30)),
        v.store(g("square"), g("x")),
        v.store(
          g("a"),
          v.sub(
            v.load(g("a")),
            v.div(v.mul(g("y"), [g("rate"), 0xfd, 0x13]), v.add(v.sqrt(g("x")), [g("eps"), 0xfd, 0x13])),
          ),
        ),
      ];
    });

    const elu = each("elu", ["@a", "n"], ["x", "t", "r"], (N) => [
      N.to("x", v.load(N.g("a"))),
      v.store(N.g("a"), v.max(N.g("x"), v.sub(exp(N, below(N.g("x")), "t", "r"), v.all(1)))),
    ]);
    const relu = each("relu", ["@a", "n"], [], ({ g }) => v.store(g("a"), v.max(v.load(g("a")), v.all(0))));
    const tanh = each("tanh", ["@a", "n"], ["x", "e", "t", "r"], (N) => [
      // (1 - e) / (1 + e) of e = e^-2|x|, and the sign
      N.to("x", v.load(N.g("a"))),
      N.to("e", exp(N, v.max(v.mul(v.abs(N.g("x")), v.all(-2)), v.all(FLOOR)), "t", "r")),
      N.to("e", v.div(v.sub(v.all(1), N.g("e")), v.add(v.all(1), N.g("e")))),
      v.store(N.g("a"), v.choose(N.g("e"), v.neg(N.g("e")), v.gt(N.g("x"), v.all(0)))),
    ]);

    // A gradient at a, times the slope of an activation, whose value is at h.
    const slope = (name, of) =>
      each(name, ["@a", "@h", "n"], [], ({ g }) => v.store(g("a"), of(v.load(g("a")), v.load(g("h")))));
    const slopes = [
      slope("eluSlope", (a, h) => v.mul(a, v.add(v.min(h, v.all(0)), v.all(1)))),
      slope("reluSlope", (a, h) => v.and(a, v.gt(h, v.all(0)))),
      slope("tanhSlope", (a, h) => v.mul(a, v.sub(v.all(1), v.mul(h, h)))),
    ];
    const scale = each("scale", ["@a", "n", "$by"], [], ({ g }) =>
      v.store(g("a"), v.mul(v.load(g("a")), [g("by"), 0xfd, 0x13])),
    );

    return [...engine.CODE.functions(), panels, turned, rows, bernoulli, adam, elu, relu, tanh, ...slopes, scale];
  }

  function plainFunctions(f) {
    const ints = new Int32Array(f.buffer);
    const over = (g) => (a, n) => {
      for (let i = a; i < a + n; i++) f[i] = g(f[i]);
    };
    const slope = (of) => (a, h, n) => {
      for (let i = 0; i < n; i++) f[a + i] *= of(f[h + i]);
    };
    const pack = (b, rowStep, columnStep, to, N, K) => {
      for (let n = 0; n < N; n += LANES) {
        for (let k = 0; k < K; k++) for (let l = 0; l < LANES; l++) f[to++] = f[b + k * rowStep + (n + l) * columnStep];
      }
    };
    return {
      ...engine.CODE.plain(f),
      panels: (b, bRow, to, N, K) => pack(b, bRow, 1, to, N, K),
      turned: (b, bCol, to, N, K) => pack(b, 1, bCol, to, N, K),
      rows(w, list, count, out, n) {
        for (let p = list; p < list + count; p++) {
          for (let i = 0, at = w + ints[p]; i < n; i++) f[out + i] += f[at + i];
        }
      },
      bernoulli(a, x, out, n, weight) {
        let sum = 0,
          product = 1;
        for (let i = 0; i < n; i++) {
          const logit = f[a + i],
            e = Math.exp(Math.max(-Math.abs(logit), FLOOR));
          sum += f[x + i] * logit - Math.max(logit, 0);
          product *= 1 + e;
          f[a + i] = ((logit > 0 ? 1 : e) / (1 + e) - f[x + i]) * weight;
        }
        f.fill(0, out, out + 4);
        f.fill(1, out + 4, out + 8);
        sum -= Math.log(product); // which may be above 1e38
        f[out] = sum;
        f[out + 1] = sum - f[out]; // what a float32 has no room for
      },
      adam(a, grad, mean, square, n, rate, eps) {
        for (let i = 0; i < n; i++) {
          const g = f[grad + i],
            y = f[mean + i] + 0.1 * (g - f[mean + i]),
            z = f[square + i] + 0.001 * (g * g - f[square + i]);
          f[mean + i] = Math.abs(y) < 1e-31 ? 0 : y;
          f[square + i] = z < 1e-37 ? 0 : z;
          f[a + i] -= (rate * y) / (Math.sqrt(z) + eps);
        }
      },
      elu: over((x) => (x > 0 ? x : Math.exp(Math.max(x, FLOOR)) - 1)),
      relu: over((x) => Math.max(x, 0)),
      tanh: over(Math.tanh),
      eluSlope: slope((h) => 1 + Math.min(h, 0)),
      reluSlope: slope((h) => +(h > 0)),
      tanhSlope: slope((h) => 1 - h * h),
      scale: (a, n, by) => over((x) => x * by)(a, n),
    };
  }

  const CODE = engine.code(vectorFunctions, plainFunctions);

  // ---------------------------------------------------------------------------------------------
  // The model and its gradients
  // ---------------------------------------------------------------------------------------------

  const LOG_2PI = Math.log(2 * Math.PI);

  // How a VAE's weights lie in a list, as a float32 spec of engine.network has them: of enc, then of dec, for each layer
  // (inputs, outputs): a matrix (out, in), then its bias.
  function layersOf({ hidden, z_dim }) {
    const pairs = (sizes) => sizes.slice(1).map((outputs, i) => [sizes[i], outputs]);
    return { enc: pairs([PIXELS, ...hidden, 2 * z_dim]), dec: pairs([z_dim, ...[...hidden].reverse(), PIXELS]) };
  }

  const countOf = (layers) => layers.reduce((sum, [inputs, outputs]) => sum + (inputs + 1) * outputs, 0);

  // Specs for engine.network of the weights that `weights` below returns: { enc, dec }.
  function networks(weights, shape) {
    const { enc, dec } = layersOf(shape),
      first = countOf(enc);
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
  function create({ images, hidden = [128], z_dim = 2, activation = "elu", seed = 0, weights = null }) {
    const shape = { hidden, z_dim, activation },
      source = engine.normals(seed),
      zStride = whole(z_dim),
      heads = whole(2 * z_dim);
    const { enc, dec } = layersOf(shape),
      widest = Math.max(PIXELS, ...hidden.map(whole));
    let f, ints, k, places; // the buffer, as floats and as whole numbers; the functions on it; where everything lies

    // Parameters first, so that they can be moved to a larger buffer: W (in, out), filled up to whole LANES with zeros.
    let used = 0;
    const take = (n) => {
      const at = used;
      used += 4 * Math.ceil(n / 4);
      return at;
    };
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
    function makeRoom(count, m) {
      const rows = count * m;
      if (places && places.count >= count && places.rows >= rows) return;
      const before = f;
      used = kept;
      for (const layer of layers.enc)
        Object.assign(layer, { h: take(count * layer.outs), d: take(count * layer.outs) });
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
      ({ f, ...k } = engine.arithmetic(used, CODE));
      ints = new Int32Array(f.buffer);
      if (before) f.set(before.subarray(0, kept));
    }

    function read(weights) {
      const wanted = countOf(enc) + countOf(dec);
      if (weights.length !== wanted)
        throw new Error(`a VAE of these layers has ${wanted} weights; given ${weights.length}`);
      let at = 0;
      for (const { inputs, outputs, outs, w, b } of all) {
        for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) f[w + i * outs + o] = weights[at++];
        f.set(weights.subarray(at, (at += outputs)), b);
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

    // c += a b, as `product` of engine.js, in blocks. b: a matrix whose rows are bRow apart or, if `turn`, its transpose.
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
    const imageEnd = [],
      pixelEnd = new Int32Array(PIXELS + 1),
      onPixels = [];

    // lists: of each image, the pixels that are on.
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
          const e = (f[eps + s * zStride + j] = noise ? noise[i] : source.next());
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

    function binarise(index) {
      const list = [];
      for (let p = 0, at = index * PIXELS; p < PIXELS; p++, at++) {
        if (images[at] && (images[at] === 255 || source.uniform() * 255 < images[at])) list.push(p);
      }
      return list;
    }

    function update(learning_rate) {
      steps++;
      const first = 1 - 0.9 ** steps,
        second = Math.sqrt(1 - 0.999 ** steps);
      k.adam(0, grad, mean, square, parameters, (learning_rate * second) / first, 1e-8 * second);
    }

    // One step on the next batch of a shuffled epoch. batch: a multiple of 4.
    function step({ beta = 1, learning_rate = 2e-3, m = 1, dreg = false, batch = 64 } = {}) {
      if (next + batch > count) shuffle();
      makeRoom(batch, m);
      const chosen = order.subarray(next, (next += batch));
      put(Array.from(chosen, binarise));
      const result = pass(batch, { beta, m, dreg });
      update(learning_rate);
      return result;
    }

    // ---- what is shown. Images are lists of the pixels that are on; they go in blocks, of whole tiles.

    const SOME = 64;
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
    function* codes(lists) {
      const m = new Float32Array(lists.length * z_dim),
        v = new Float32Array(lists.length * z_dim),
        top = layers.enc.at(-1);
      for (const [first, n, filled] of blocks(lists)) {
        v.set(encode(filled).subarray(0, n * z_dim), first * z_dim);
        for (let r = 0; r < n; r++)
          for (let j = 0; j < z_dim; j++) m[(first + r) * z_dim + j] = f[top.h + r * heads + j];
        yield;
      }
      return { m, v };
    }

    // use(place of the logits, first, n) for latents (n, z_dim), block after block.
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
    function* bound(lists, { m = 1, times = 1 } = {}) {
      const result = { loss: 0, rec: 0, kl: 0 },
        own = engine.normals(1);
      makeRoom(lists.length, m);
      for (let i = 0; i < times; i++) {
        put(lists);
        const noise = own.fill(new Float32Array(lists.length * m * z_dim));
        const found = pass(lists.length, { m, noise, learn: false });
        for (const name in result) result[name] += found[name] / times;
        yield;
      }
      return result;
    }

    // log p(x) of up to SOME images by quadrature, as vae_core.log_marginal_grid has it, on n points from -limit to limit
    // along each of one or two latents.
    function* logMarginal(lists, n, limit) {
      if (z_dim > 2) throw new Error(`quadrature needs one or two latents; given ${z_dim}`);
      const points = n ** z_dim,
        spacing = (2 * limit) / (n - 1),
        latents = new Float32Array(points * z_dim);
      for (let p = 0; p < points; p++) {
        for (let j = 0, q = p; j < z_dim; j++, q = Math.floor(q / n))
          latents[p * z_dim + j] = -limit + spacing * (q % n);
      }
      const columns = whole(lists.length),
        max = new Float64Array(lists.length).fill(-Infinity),
        sum = new Float64Array(lists.length);
      // log p(x|z) = x . logits + log p(0|z), all images at once. Another turn may have come in between: x is put anew.
      yield* decode(latents, (h, first, rows) => {
        put(lists);
        f.fill(0, places.product, places.product + SOME * columns);
        multiply(
          h,
          PIXELS,
          1,
          places.x,
          PIXELS,
          true,
          places.product,
          columns,
          4 * Math.ceil(rows / 4),
          columns,
          PIXELS,
        );
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
    function* estimate(lists, m) {
      const own = engine.normals(1),
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
    function trace(list, noise, beta) {
      const copies = 4,
        top = layers.enc.at(-1),
        last = layers.dec.at(-1),
        { z, dz } = places;
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
      const ink = f.slice(last.h, last.h + PIXELS).map((d, p) => d * copies); // sigmoid - x by now
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
      copy: (other) => void f.set(other.f.subarray(0, parameters)), // the weights of another one of this shape
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
  function run(generator) {
    let turn;
    do turn = generator.next();
    while (!turn.done);
    return turn.value;
  }

  // The pixels that are on in each of the binary images (n, 784).
  function listsOf(images) {
    return range(images.length / PIXELS, (n) => {
      const list = [];
      for (let p = 0, at = n * PIXELS; p < PIXELS; p++, at++) if (images[at]) list.push(p);
      return list;
    });
  }

  // Images as pages have them, a byte a pixel: of grey levels 0 to 15 there are two in a byte, of zeros and ones eight.
  function ofNibbles(packed) {
    const pairs = new Uint16Array(packed.length); // of bytes, the first one low
    const table = Uint16Array.from({ length: 256 }, (_, two) => 17 * ((two >> 4) + 256 * (two & 15)));
    for (let i = 0; i < pairs.length; i++) pairs[i] = table[packed[i]];
    return new Uint8Array(pairs.buffer);
  }

  function ofBits(packed) {
    const out = new Uint8Array(8 * packed.length);
    for (let i = 0; i < out.length; i++) out[i] = (packed[i >> 3] >> (7 - (i & 7))) & 1;
    return out;
  }

  // ---------------------------------------------------------------------------------------------
  // A session: training in turns, reports of it, answers to questions
  // ---------------------------------------------------------------------------------------------

  const HELD = 64; // test digits on which the model is measured
  const EVERY = 500; // ms between two measurements, in a run
  const SHARE = 0.5; // ms of measuring for a ms of training, while both go on
  const PAUSE = 20; // ms at least between two reports of a run
  const SIDE = 15,
    EXTENT = 3; // the sheet of what z draws
  const GRID = { n: 61, limit: 5 },
    FINE = { n: 121, limit: 6 }; // for log p(x): in a run, and when it pauses
  const SAMPLES = 100; // for log p(x) where there is no grid

  const SHEET = Float32Array.from({ length: 2 * SIDE * SIDE }, (_, i) => {
    const place = i >> 1,
      [cell, sign] = i % 2 ? [Math.floor(place / SIDE), -1] : [place % SIDE, 1];
    return sign * EXTENT * ((2 * (cell + 0.5)) / SIDE - 1);
  });

  // post(message, buffers) sends; later(f) calls f when others have had their turn; slice: ms of work in a turn.
  function session(post, later, slice) {
    let model = null,
      images,
      shown,
      set = {},
      last = null,
      playing = false,
      waiting = false,
      drawn = true,
      finite = true;
    let report = 0,
      reported = -Infinity,
      task = null; // a report to be made, in turns, since to measure takes long
    // In a run a copy of the model is measured, between steps of the model itself.
    let gauge = null,
      measuring = null,
      measured = -Infinity,
      credit = 0,
      held = null;
    let spent = 0; // ms in steps
    let pair = [0, 1]; // the latents of the plane

    function begin({ hidden, z_dim = 2, activation, seed, weights }) {
      model = create({ images, hidden, z_dim, activation, seed, weights });
      [last, gauge, measuring, held, report, measured, finite, pair, spent] = [
        null,
        null,
        null,
        null,
        0,
        -Infinity,
        true,
        [0, 1],
        0,
      ];
      task = tell("now");
    }

    // when: "run", or "now", with all that there is.
    function* tell(when) {
      const now = when === "now",
        { m, v } = yield* model.codes(shown),
        { z_dim } = model.shape,
        begins = !now && mayMeasure();
      const nats = new Float64Array(z_dim); // of KL, a digit
      for (let i = 0; i < m.length; i++)
        nats[i % z_dim] += (0.5 * (v[i] + m[i] * m[i] - 1 - Math.log(v[i]))) / shown.length;
      if (now || begins)
        pair = range(z_dim, (j) => j)
          .sort((a, b) => nats[b] - nats[a] || a - b)
          .slice(0, 2)
          .sort((a, b) => a - b);
      const two = (all) =>
        z_dim === 2
          ? all
          : Float32Array.from({ length: 2 * shown.length }, (_, i) => all[z_dim * (i >> 1) + pair[i & 1]]);
      const out = {
        steps: model.steps,
        rec: NaN,
        kl: NaN,
        loss: NaN,
        ...last,
        codes: { m: two(m), v: two(v) },
        nats,
        pair,
        spent,
        finite,
      };
      if (now || report % 4 === 0) out.sheet = yield* model.pictures(inPlane(SHEET));
      report++;
      if (now) {
        [measuring, held] = [null, yield* measure(model, model.steps, FINE)];
        measured = performance.now();
      } else if (begins) {
        gauge ??= create({ images: new Uint8Array(), ...model.shape, weights: model.write() });
        gauge.copy(model);
        [measuring, measured, credit] = [measure(gauge, model.steps, GRID), performance.now(), 0];
      }
      if (held) [out.held, held] = [held, null];
      drawn = false;
      reported = performance.now();
      const arrays = [out.codes.m, out.codes.v, ...(out.sheet ? [out.sheet] : [])];
      post(
        { report: out },
        arrays.map(({ buffer }) => buffer),
      );
    }

    const mayMeasure = () => !measuring && !held && performance.now() - measured > EVERY;

    // Points (n, 2) of the plane as latents.
    function inPlane(points) {
      const { z_dim } = model.shape,
        latents = new Float32Array((points.length / 2) * z_dim);
      points.forEach((value, i) => (latents[(i >> 1) * z_dim + pair[i & 1]] = value));
      return latents;
    }

    // The bound and log p(x) of the held digits: { steps, rec, kl, exact or estimate, m, bound }.
    function* measure(of, steps, grid) {
      const lists = shown.slice(0, HELD),
        { m = 1 } = set,
        { rec, kl } = yield* of.bound(lists, { times: 16 });
      const fits = model.shape.z_dim < 3;
      const all = fits ? yield* of.logMarginal(lists, grid.n, grid.limit) : yield* of.estimate(lists, SAMPLES);
      const log_px = -all.reduce((a, b) => a + b) / all.length;
      const { loss: bound } = m > 1 ? yield* of.bound(lists, { m, times: 4 }) : { loss: NaN };
      return { steps, rec, kl, [fits ? "exact" : "estimate"]: log_px, m, bound };
    }

    function train() {
      const start = performance.now();
      last = model.step(set);
      spent += performance.now() - start;
      if (Number.isFinite(last.loss)) return;
      [finite, playing] = [false, false];
    }

    function turn() {
      const start = performance.now();
      let now = start;
      while (model && (task || playing) && now < start + slice) {
        const before = now;
        if (task) {
          if (task.next().done) task = null;
        } else if (measuring && credit > 0) {
          const { done, value } = measuring.next();
          if (done) [measuring, held] = [null, value];
          credit -= performance.now() - before;
        } else {
          train();
          credit += SHARE * (performance.now() - before);
          if (!finite) task = tell("now");
        }
        now = performance.now();
      }
      if (playing && !task && drawn && now - reported > PAUSE) task = tell("run");
      if (task || playing) wake();
    }

    function wake() {
      if (waiting) return;
      waiting = true;
      later(() => {
        waiting = false;
        turn();
      });
    }

    // What comes in: { data } once, { set }, { play }, { step }, { drawn }, { restart }, and { question, id }.
    return (message) => {
      if (message.data) {
        images = ofNibbles(message.data.images);
        shown = listsOf(ofBits(message.data.test));
      }
      if (message.set) set = { ...set, ...message.set };
      if (message.restart) begin(message.restart);
      if (message.drawn) drawn = true;
      if (message.play === false && playing) {
        playing = false;
        task = tell("now"); // in place of one that may be under way
      }
      if (message.play && finite && !playing) [playing, credit] = [true, 0];
      if (message.step && finite) {
        train();
        task = tell("now");
      }
      if (message.question === "weights") post({ id: message.id, answer: model.write() });
      if (message.question === "decode") post({ id: message.id, answer: run(model.pictures(inPlane(message.z))) });
      if (message.question === "trace") {
        const { x, noise, beta } = message;
        post({ id: message.id, answer: model.trace(listsOf(x)[0], noise, beta) });
      }
      if (task || playing) wake();
    };
  }

  // log p(x) of digits by quadrature, in turns between which the page does other things. For weights as `weights` below
  // returns them, of a VAE with two latents.
  async function logMarginal(weights, shape, digits) {
    const model = create({ images: new Uint8Array(), ...shape, weights }),
      found = [];
    for (let first = 0; first < digits.length; first += HELD) {
      const lists = digits.slice(first, first + HELD).flatMap(listsOf),
        n = lists.length;
      while (lists.length % 4) lists.push([]);
      const turns = model.logMarginal(lists, FINE.n, FINE.limit);
      for (let turn = turns.next(), start = performance.now(); ; turn = turns.next()) {
        if (turn.done) {
          found.push(...turn.value.subarray(0, n));
          break;
        }
        if (performance.now() < start + 6) continue;
        await new Promise((done) => setTimeout(done));
        start = performance.now();
      }
    }
    return found;
  }

  // The Worker's side.
  function serve(scope) {
    const { port1, port2 } = new MessageChannel(),
      waiting = [];
    port1.onmessage = () => waiting.shift()();
    const later = (f) => {
      waiting.push(f);
      port2.postMessage(0);
    };
    const take = session((message, buffers) => scope.postMessage(message, buffers), later, 10);
    scope.onmessage = ({ data }) => {
      try {
        take(data);
      } catch (error) {
        scope.postMessage({ error: error.message, id: data.id });
      }
    };
    scope.postMessage({ ready: true });
  }

  // The page's side: trains in a Worker, or in this thread's spare time where there is none.
  //
  // source: as for engine.openWorker. setup: { images, test, packed as for ofNibbles and ofBits; hidden; z_dim;
  // activation; seed; weights }. onReport({ steps, rec, kl, loss, spent, codes, nats, pair, sheet, held, finite }): after each
  // that was drawn the next one. nats: the KL of each latent; pair: the two with the most, which codes (n, 2) and sheet
  // are of; spent: ms in steps; held: what has been measured lately. onError(error): nothing more comes.
  function start(source, { images, test, ...setup }, onReport, onError) {
    const asked = new Map();
    let lastId = 0,
      worker = null,
      here = null,
      closed = false;
    const told = []; // what a Worker that fails will have been told in vain

    function hear({ report, id, answer, error }) {
      if (closed) return;
      if (report) onReport(report);
      else if (asked.has(id)) {
        const [done, fail] = asked.get(id);
        asked.delete(id);
        if (error) fail(new Error(error));
        else done(answer);
      } else if (error) onError(new Error(error));
    }

    function trainHere() {
      worker = null;
      here = session(
        (message) => setTimeout(hear, 0, message),
        (f) => setTimeout(f),
        6,
      );
      told.splice(0).forEach(tell);
    }

    let last = Promise.resolve(); // of what this thread has been told, each in a task of its own
    async function tellHere(message) {
      await last;
      await new Promise((done) => setTimeout(done));
      try {
        if (!closed) here(message);
      } catch (error) {
        hear({ error: error.message, id: message.id });
      }
    }

    function tell(message) {
      if (worker) {
        worker.postMessage(message);
        if (!worker.ready) told.push(message);
      } else {
        last = tellHere(message);
      }
    }

    function ask(question, what = {}) {
      const id = ++lastId;
      return new Promise((...both) => {
        asked.set(id, both);
        tell({ question, id, ...what });
      });
    }

    try {
      worker = engine.openWorker(source, "trainer", () => closed || trainHere());
      worker.addEventListener("message", ({ data }) => {
        if (!data.ready) return hear(data);
        worker.ready = true;
        told.length = 0;
      });
    } catch {
      trainHere();
    }
    tell({ data: { images, test } });
    tell({ restart: setup });
    return {
      set: (values) => tell({ set: values }),
      play: () => tell({ play: true }),
      pause: () => tell({ play: false }),
      step: () => tell({ step: true }),
      drawn: () => tell({ drawn: true }),
      restart: (changes) => tell({ restart: (setup = { ...setup, weights: null, ...changes }) }),
      weights: () => ask("weights"),
      decode: (z) => ask("decode", { z }), // grey levels of ink, bytes (n, 784)
      trace: (what) => ask("trace", what),
      close() {
        closed = true;
        worker?.terminate();
      },
    };
  }

  return { create, networks, listsOf, run, logMarginal, serve, start, SAMPLES };
})();
