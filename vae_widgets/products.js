// Matrix products, in WebAssembly's vectors of four floats; in plain loops where a browser, or the page's policy, has none.

import * as wasm from "./wasm.js";

// The work is in tiles of ROWS x LANES sums that stay in registers.
const ROWS = 4;
export const LANES = 8;
/** @param {number} n */
export const whole = (n) => LANES * Math.ceil(n / LANES);

// c (M, N) += a (M, K) b (K, N), all at places in the buffer. A row of a is aRow after the one before and a column
// aStep, so that a transpose is a matter of two distances; b lies in panels of LANES columns, (K, LANES) each; a row of
// c is cRow after the one before. N is a multiple of LANES; of c, and of a, there is room for whole tiles of rows.
function vectorProduct() {
  const { get, set, int, add, sub, mul, less, loop, v } = wasm;
  /** @type {<T>(n: number, f: (i: number) => T) => T[]} */
  const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
  /** @type {(r: number, half: number) => string} */
  const sum = (r, half) => `s${2 * r + half}`;
  /** @type {(r: number) => string} */
  const row = (r) => `r${r}`;
  return wasm.define(
    "product",
    ["@a", "@aRow", "@aStep", "@b", "@c", "@cRow", "M", "N", "K"],
    {
      ints: ["from", "t", "m", "end", "q", ...range(ROWS, row)],
      vectors: [...range(2 * ROWS, (i) => `s${i}`), "w0", "w1", "x"],
    },
    (L) => {
      /** @type {(name: string) => Code} */
      const g = (name) => get(L[name]);
      /** @type {(name: string, value: Code) => Code} */
      const to = (name, value) => set(L[name], value);
      /** @type {(name: string, n: Code) => Code} */
      const plus = (name, n) => to(name, add(g(name), n));
      const tile = [
        to("r0", g("from")),
        range(ROWS - 1, (r) => to(row(r + 1), add(g(row(r)), g("aRow")))),
        to("from", add(g(row(ROWS - 1)), g("aRow"))),
        range(ROWS, (r) => [range(2, (half) => to(sum(r, half), v.load(g("t"), 16 * half))), plus("t", g("cRow"))]),
        to("q", g("b")),
        loop(
          [
            to("w0", v.load(g("q"))),
            to("w1", v.load(g("q"), 16)),
            range(ROWS, (r) => [
              to("x", v.splat(g(row(r)))),
              range(2, (half) => to(sum(r, half), v.add(v.mul(g("x"), g(`w${half}`)), g(sum(r, half))))),
              plus(row(r), g("aStep")),
            ]),
            plus("q", int(4 * LANES)),
          ],
          less(g("q"), g("end")),
        ),
        range(ROWS, () => to("t", sub(g("t"), g("cRow")))),
        range(ROWS, (r) => [range(2, (half) => v.store(g("t"), g(sum(r, half)), 16 * half)), plus("t", g("cRow"))]),
        to("m", sub(g("m"), int(ROWS))),
      ];
      return loop(
        [
          // panel by panel
          to("from", g("a")),
          to("t", g("c")),
          to("m", g("M")),
          to("end", add(g("b"), mul(g("K"), int(4 * LANES)))),
          loop(tile, less(int(0), g("m"))),
          to("b", g("end")),
          plus("c", int(4 * LANES)),
          to("N", sub(g("N"), int(LANES))),
        ],
        less(int(0), g("N")),
      );
    },
  );
}

// The same, in loops.
/** @type {(f: Float32Array) => Kernel} */
function plainProduct(f) {
  return (a, aRow, aStep, b, c, cRow, M, N, K) => {
    for (const end = c + N; c < end; c += LANES, b += LANES * K) {
      for (let m = 0; m < M; m++) {
        const out = c + m * cRow;
        let s0 = f[out],
          s1 = f[out + 1],
          s2 = f[out + 2],
          s3 = f[out + 3];
        let s4 = f[out + 4],
          s5 = f[out + 5],
          s6 = f[out + 6],
          s7 = f[out + 7];
        for (let p = b, last = b + LANES * K, q = a + m * aRow; p < last; p += LANES, q += aStep) {
          const x = f[q];
          s0 += x * f[p];
          s1 += x * f[p + 1];
          s2 += x * f[p + 2];
          s3 += x * f[p + 3];
          s4 += x * f[p + 4];
          s5 += x * f[p + 5];
          s6 += x * f[p + 6];
          s7 += x * f[p + 7];
        }
        f[out] = s0;
        f[out + 1] = s1;
        f[out + 2] = s2;
        f[out + 3] = s3;
        f[out + 4] = s4;
        f[out + 5] = s5;
        f[out + 6] = s6;
        f[out + 7] = s7;
      }
    }
  };
}

// What works on one buffer: the functions as WebAssembly has them, and in plain loops, plain(f) -> { name: function }.
/**
 * @template {string} Name
 * @param {() => Assembled[]} functions
 * @param {(f: Float32Array) => Record<Name, Kernel>} plain
 * @returns {Kernels<Name>}
 */
export const code = (functions, plain) => ({ functions, plain, module: null });
export const CODE = code(
  () => [vectorProduct()],
  (f) => ({ product: plainProduct(f) }),
);

// { f, ... }: a buffer of so many floats, and the functions of a `code` on it.
/**
 * @template {string} Name
 * @param {number} floats
 * @param {Kernels<Name>} code
 * @returns {{ f: Float32Array } & Record<Name, Kernel>}
 */
export function arithmetic(floats, code) {
  const pages = Math.ceil(floats / 16384);
  try {
    code.module ??= new WebAssembly.Module(wasm.assemble(code.functions()));
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    /** @type {{ exports: any }} */
    const { exports } = new WebAssembly.Instance(code.module, { page: { memory } });
    return { f: new Float32Array(memory.buffer), ...exports };
  } catch {
    const f = new Float32Array(floats);
    return { f, ...code.plain(f) };
  }
}
