// What training needs beside products, in vectors of four floats and in plain loops.
//
// Numbers below 1e-38 take processors a hundred times as long, and WebAssembly cannot make them 0. So whatever falls
// that low is cut before: shares of importance weights, slopes of unlikely pixels, Adam's means at pixels seldom on.

import { CODE as PRODUCTS, code, LANES } from "./products.js";
import * as wasm from "./wasm.js";

/** @type {<T>(n: number, f: (i: number) => T) => T[]} */
export const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
const FLOOR = -40; // e^-40 is nothing beside 1 in float32, and far above 1e-38
// e^r for |r| <= ln(2) / 2 is 1 + r + r^2 (...), after Cephes.
const POLYNOMIAL = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];

function vectorFunctions() {
  const { get, set, int, add, sub, shl, less, loop, when, v, loadInt, loadFloat, storeFloat, define } = wasm;
  /** @type {(L: Record<string, number>) => Names} */
  const names = (L) => ({
    g: (name) => get(L[name]),
    to: (name, value) => set(L[name], value),
    plus: (name, n) => set(L[name], add(get(L[name]), typeof n === "number" ? int(n) : n)),
  });
  // e^x for FLOOR <= x <= 0, to 2e-7: 2^n times a polynomial. n and r: names of vectors that it may use.
  /** @type {(names: Names, x: Code, n: string, r: string) => Code} */
  const exp = ({ g, to }, x, n, r) => [
    to(n, v.nearest(v.mul(x, v.all(Math.LOG2E)))),
    to(r, v.add(v.mul(g(n), v.all(-0.693359375)), x)),
    to(r, v.add(v.mul(g(n), v.all(2.1219444e-4)), g(r))),
    v.mul(
      v.add(
        v.add(
          v.mul(
            v.mul(
              POLYNOMIAL.slice(1).reduce(
                (/** @type {Code} */ p, c) => v.add(v.mul(p, g(r)), v.all(c)),
                v.all(POLYNOMIAL[0]),
              ),
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
  /** @type {(x: Code) => Code} */
  const below = (x) => v.max(v.min(x, v.all(0)), v.all(FLOOR));

  // For each of n numbers at a: body, four at a time; further places move along.
  /** @type {(name: string, parameters: string[], vectors: string[], body: (names: Names) => Code) => Assembled} */
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
      /** @type {(vectors: number) => Code} */
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
    /** @type {(x: Code, unit: number) => Code} */
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
  /** @type {(name: string, of: (a: Code, h: Code) => Code) => Assembled} */
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

  return [...PRODUCTS.functions(), panels, turned, rows, bernoulli, adam, elu, relu, tanh, ...slopes, scale];
}

/** @type {(f: Float32Array) => Record<KernelName, Kernel>} */
function plainFunctions(f) {
  const ints = new Int32Array(f.buffer);
  /** @type {(g: (x: number) => number) => Kernel} */
  const over = (g) => (a, n) => {
    for (let i = a; i < a + n; i++) f[i] = g(f[i]);
  };
  /** @type {(of: (h: number) => number) => Kernel} */
  const slope = (of) => (a, h, n) => {
    for (let i = 0; i < n; i++) f[a + i] *= of(f[h + i]);
  };
  /** @type {Kernel} */
  const pack = (b, rowStep, columnStep, to, N, K) => {
    for (let n = 0; n < N; n += LANES) {
      for (let k = 0; k < K; k++) for (let l = 0; l < LANES; l++) f[to++] = f[b + k * rowStep + (n + l) * columnStep];
    }
  };
  return {
    ...PRODUCTS.plain(f),
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

export const CODE = code(vectorFunctions, plainFunctions);
