// The arithmetic of every widget: networks, densities, bounds, and the draws they need.
//
// No drawing and no DOM, so that the same text runs in the page and in a Worker. It declares one
// name, `engine`, and is put in front of a widget's own code as it stands: no import, no export.
//
// As in vae_core.py: logarithms are natural, bounds are in nats, `v` is always a variance, and
// arrays are row-major with one sample a row. What this file computes agrees with PyTorch to 1e-4
// in logits and 0.01 nat in bounds; tests/test_engine.py holds it to that.
const engine = (() => {
  // ---------------------------------------------------------------------------------------------
  // Weights, as Python packs them
  // ---------------------------------------------------------------------------------------------

  const PRECISIONS = ["float16", "float32", "int8"];

  // All low bytes, then all high ones. A half float's bits, moved to where a float has its own, are its value times 2^-112;
  // but for those of infinity and of what is no number.
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
  function copyBytes(data) {
    if (data instanceof ArrayBuffer) return data.slice(0);
    if (ArrayBuffer.isView(data)) return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    throw new Error("weights must be an ArrayBuffer or a view of one");
  }

  function shapes({ sizes, y_dim }) {
    const list = [];
    for (let i = 1; i < sizes.length; i++) {
      list.push([sizes[i], sizes[i - 1]]);
      if (i === 1 && y_dim) list.push([sizes[i], y_dim]);
      list.push([sizes[i], 0]); // a bias
    }
    return list;
  }

  function countBytes([rows, columns], precision) {
    if (precision === "float16") return 2 * rows * (columns || 1);
    if (precision === "float32" || !columns) return 4 * rows * (columns || 1);
    return 4 * rows + 4 * Math.ceil((rows * columns) / 4); // int8: a scale for each row, then the rows
  }

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

  function checkFinite(values, what) {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += 0 * values[i];
    if (sum !== 0) throw new Error(`${what} are not all finite, so that nothing can be computed with them`);
  }

  function unpack(spec) {
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

  // ---------------------------------------------------------------------------------------------
  // Matrix products, in WebAssembly's vectors of four floats; in plain loops where a browser, or the page's policy, has none
  // ---------------------------------------------------------------------------------------------

  // The work is in tiles of ROWS x LANES sums that stay in registers.
  const ROWS = 4;
  const LANES = 8;
  const whole = (n) => LANES * Math.ceil(n / LANES);

  // An assembler: code is nested lists of bytes. Names are the specification's, but for what is short.
  const wasm = (() => {
    const I32 = 0x7f,
      F32 = 0x7d,
      V128 = 0x7b,
      NOTHING = 0x40;
    const uint = (n) => (n < 128 ? [n] : [(n & 127) | 128, uint(n >>> 7)]);
    const sint = (n) => (n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, sint(n >> 7)]);
    const bytes = (value) => [...new Uint8Array(Float32Array.of(value).buffer)];
    const get = (local) => [0x20, uint(local)],
      set = (local, value) => [value, 0x21, uint(local)];
    const int = (n) => [0x41, sint(n)],
      float = (value) => [0x43, bytes(value)]; // constants
    const two = (code) => (a, b) => [a, b, code];
    const add = two(0x6a),
      sub = two(0x6b),
      mul = two(0x6c),
      shl = two(0x74),
      less = two(0x48); // i32; less: lt_s
    const loop = (body, again) => [0x03, NOTHING, body, again, 0x0d, 0, 0x0b]; // while `again`, and once at least
    const when = (test, then) => [test, 0x04, NOTHING, then, 0x0b];
    const vector =
      (code) =>
      (...operands) => [operands, 0xfd, uint(code)];
    const at =
      (code) =>
      (address, ...rest) => {
        // load(address, offset), store(address, value, offset)
        const offset = typeof rest.at(-1) === "number" ? rest.pop() : 0;
        return [address, rest, code, 2, uint(offset)];
      };
    const v = {
      load: at([0xfd, 0x00]),
      store: at([0xfd, 0x0b]),
      splat: at([0xfd, 0x09]), // v128.load32_splat
      all: (value) => [float(value), 0xfd, 0x13],
      allOf: (local) => [get(local), 0xfd, 0x13], // f32x4.splat
      add: vector(0xe4),
      sub: vector(0xe5),
      mul: vector(0xe6),
      div: vector(0xe7),
      min: vector(0xe8),
      max: vector(0xe9),
      abs: vector(0xe0),
      neg: vector(0xe1),
      sqrt: vector(0xe3),
      nearest: vector(0x6a),
      gt: vector(0x44),
      choose: vector(0x52),
      and: vector(0x4e), // v128.bitselect, v128.and
      toInt: vector(0xf8),
      allInt: (n) => [int(n), 0xfd, 0x11],
      addInt: vector(0xae),
      shlInt: (a, n) => [a, int(n), 0xfd, uint(0xab)],
    };
    const loadInt = at(0x28),
      loadFloat = at(0x2a),
      storeFloat = at(0x38);

    // A function of this name. parameters: "@a", a place in floats, which is made an address; "n", a whole number;
    // "$w", a float. ints and vectors: further locals. body({ name: local }) is its code.
    function define(name, parameters, { ints = [], vectors = [] }, body) {
      const locals = Object.fromEntries(
        [...parameters, ...ints, ...vectors].map((local, i) => [local.replace(/^[@$]/, ""), i]),
      );
      const types = parameters.map((parameter) => (parameter[0] === "$" ? F32 : I32));
      const places = parameters.map((parameter, i) => (parameter[0] === "@" ? set(i, shl(get(i), int(2))) : []));
      return {
        name,
        types,
        code: [2, uint(ints.length), I32, uint(vectors.length), V128, places, body(locals), 0x0b].flat(Infinity),
      };
    }

    // A module of functions on the memory that it is given.
    function assemble(functions) {
      const text = (s) => [s.length, [...s].map((c) => c.charCodeAt(0))];
      const section = (id, items) => {
        const content = [uint(items.length), items].flat(Infinity);
        return [id, uint(content.length), content];
      };
      return new Uint8Array(
        [
          0,
          0x61,
          0x73,
          0x6d,
          1,
          0,
          0,
          0, // "asm", version 1
          section(
            1,
            functions.map(({ types }) => [0x60, uint(types.length), types, 0]),
          ), // numbers in, no result
          section(2, [[text("page"), text("memory"), 2, 0, 0]]), // imports
          section(
            3,
            functions.map((_, i) => uint(i)),
          ),
          section(
            7,
            functions.map(({ name }, i) => [text(name), 0, uint(i)]),
          ), // exports
          section(
            10,
            functions.map(({ code }) => [uint(code.length), code]),
          ),
        ].flat(Infinity),
      );
    }

    return { get, set, int, add, sub, mul, shl, less, loop, when, v, loadInt, loadFloat, storeFloat, define, assemble };
  })();

  // c (M, N) += a (M, K) b (K, N), all at places in the buffer. A row of a is aRow after the one before and a column
  // aStep, so that a transpose is a matter of two distances; b lies in panels of LANES columns, (K, LANES) each; a row of
  // c is cRow after the one before. N is a multiple of LANES; of c, and of a, there is room for whole tiles of rows.
  function vectorProduct() {
    const { get, set, int, add, sub, mul, shl, less, loop, v } = wasm;
    const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
    const sum = (r, half) => `s${2 * r + half}`,
      row = (r) => `r${r}`;
    return wasm.define(
      "product",
      ["@a", "@aRow", "@aStep", "@b", "@c", "@cRow", "M", "N", "K"],
      {
        ints: ["from", "t", "m", "end", "q", ...range(ROWS, row)],
        vectors: [...range(2 * ROWS, (i) => `s${i}`), "w0", "w1", "x"],
      },
      (L) => {
        const g = (name) => get(L[name]),
          to = (name, value) => set(L[name], value),
          plus = (name, n) => to(name, add(g(name), n));
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
          range(ROWS, (r) => to("t", sub(g("t"), g("cRow")))),
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
  const code = (functions, plain) => ({ functions, plain, module: null });
  const CODE = code(
    () => [vectorProduct()],
    (f) => ({ product: plainProduct(f) }),
  );

  // { f, ... }: a buffer of so many floats, and the functions of a `code` on it.
  function arithmetic(floats, code) {
    const pages = Math.ceil(floats / 16384);
    try {
      code.module ??= new WebAssembly.Module(wasm.assemble(code.functions()));
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
      const { exports } = new WebAssembly.Instance(code.module, { page: { memory } });
      return { f: new Float32Array(memory.buffer), ...exports };
    } catch {
      const f = new Float32Array(floats);
      return { f, ...code.plain(f) };
    }
  }

  // ---------------------------------------------------------------------------------------------
  // Networks
  // ---------------------------------------------------------------------------------------------

  // Outputs are filled up to whole LANES with zeros, and a layer's weights lie in panels of that many.
  const BLOCK = 64; // samples that go through all layers at a time, and so stay in the cache

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

  function network(spec) {
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

  function build(spec) {
    const { sizes, activation, y_dim, grey } = spec;
    const matrices = unpack(spec),
      strides = sizes.map(whole),
      layers = [];
    const total = strides.reduce((sum, stride, i) => sum + stride * (BLOCK + (i && sizes[i - 1])), 0);
    const { f, product } = arithmetic(total, CODE);
    let at = 0;
    const take = (n) => ({ at, array: f.subarray(at, (at += n)) });
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
  function panels(place, w, inputs, outputs) {
    const { array } = place;
    for (let o = 0; o < outputs; o++) {
      const lane = o % LANES;
      for (let i = 0, p = (o - lane) * inputs + lane; i < inputs; i++, p += LANES) array[p] = w[o * inputs + i];
    }
    return place;
  }

  function transpose(w, rows, columns) {
    const t = new Float32Array(rows * columns);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) t[c * rows + r] = w[r * columns + c];
    return t;
  }

  // What the sums of a layer start from: its bias; for each label, bias + U[:, label].
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
  function eachBlock(net, x, rows, y, use) {
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

  const asFloats = (x) => (x instanceof Float32Array ? x : Float32Array.from(x));

  function checkLabels(y, rows, y_dim) {
    if (y?.length !== rows) throw new Error(`wanted a label for each of ${rows} rows; given ${y?.length ?? "none"}`);
    for (let r = 0; r < rows; r++) {
      if (!Number.isInteger(y[r]) || y[r] < 0 || y[r] >= y_dim) {
        throw new Error(`labels are 0 to ${y_dim - 1}; given ${y[r]}`);
      }
    }
  }

  // x: (rows, in), y: class ids where the network wants them -> (rows, out).
  function forward(net, x, rows = 1, y = null) {
    const out = new Float32Array(rows * net.outputs);
    eachBlock(net, x, rows, y, (h, stride, first, n) => {
      for (let r = 0; r < n; r++) out.set(h.subarray(r * stride, r * stride + net.outputs), (first + r) * net.outputs);
    });
    return out;
  }

  // An encoder's q(z|x): mean and variance, each (rows, z_dim).
  function encode(net, x, rows = 1, y = null) {
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

  // ---------------------------------------------------------------------------------------------
  // Densities
  // ---------------------------------------------------------------------------------------------

  const LOG_2PI = Math.log(2 * Math.PI);
  const sigmoidOf = (a) => 1 / (1 + Math.exp(-a));
  const softplusOf = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));

  // Of a number or of each number in an array.
  const elementwise = (f) => (a) => {
    if (typeof a === "number") return f(a);
    const out = new Float32Array(a.length);
    for (let i = 0; i < out.length; i++) out[i] = f(a[i]);
    return out;
  };

  // What makes grey levels of a decoder's numbers: of the logits of pixels that are 0 or 1, of means, or of the logits of a
  // continuous Bernoulli, whose mean is 1 / (1 - e^-a) - 1 / a.
  const GREYS = {
    sigmoid: sigmoidOf,
    identity: (mean) => Math.min(1, Math.max(0, mean)),
    continuous: (a) => (Math.abs(a) < 1e-3 ? 0.5 + a / 12 : 1 / (1 - Math.exp(-a)) - 1 / a),
  };

  // Ink from 0 to 1 of a decoder's numbers; `grey` is the network's, or is given by itself.
  const ink = ({ grey }, numbers) => elementwise(GREYS[grey])(numbers);

  function logMeanExp(a) {
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
  function rowStep(name, a, dim, rows) {
    if (a.length === rows * dim) return dim;
    if (a.length === dim) return 0;
    throw new Error(`${name}: wanted ${dim} or ${rows} x ${dim} numbers; given ${a.length}`);
  }

  // log N(z; m, diag(v)) of each row.
  function logNormal(z, m, v, dim, rows = 1) {
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
  function gaussian(m, covariance) {
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
  function logGaussian(z, at, { m, whiten, constant, away }) {
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
  function logBernoulliRow(x, xAt, a, at, dim) {
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

  function logBernoulli(x, logits, dim, rows = 1) {
    const xStep = rowStep("x", x, dim, rows),
      step = rowStep("logits", logits, dim, rows);
    const out = new Float64Array(rows);
    for (let r = 0; r < rows; r++) out[r] = logBernoulliRow(x, r * xStep, logits, r * step, dim);
    return out;
  }

  // KL(N(qm, qv) || N(pm, pv)) of one row; against N(0, I) without pm and pv.
  function klNormal(qm, qv, pm = null, pv = null) {
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

  function mixture({ k, z_dim, weights }) {
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

  function logMixture(z, { k, z_dim, m, precision, constant }, rows = 1) {
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
  function mixtureSample({ k, z_dim, m, v }, noise, u) {
    const at = z_dim * Math.floor(u * k);
    return Float32Array.from({ length: z_dim }, (_, i) => m[at + i] + Math.sqrt(v[at + i]) * noise[i]);
  }

  function logStandardNormal(z, dim, rows) {
    const out = new Float64Array(rows);
    for (let r = 0; r < rows; r++) {
      let sum = dim * LOG_2PI;
      for (let i = 0; i < dim; i++) sum += z[r * dim + i] * z[r * dim + i];
      out[r] = -0.5 * sum;
    }
    return out;
  }

  const logPrior = (prior, z, dim, rows) => (prior ? logMixture(z, prior, rows) : logStandardNormal(z, dim, rows));

  // ---------------------------------------------------------------------------------------------
  // Draws: xoshiro128**, seeded by splitmix32, and the polar method, which needs log and sqrt alone
  // ---------------------------------------------------------------------------------------------

  function normals(seed) {
    let s = seed | 0,
      spare = NaN;
    const split = () => {
      s = (s + 0x9e3779b9) | 0;
      let t = Math.imul(s ^ (s >>> 16), 0x21f0aaad);
      t = Math.imul(t ^ (t >>> 15), 0x735a2d97);
      return t ^ (t >>> 15);
    };
    let a = split(),
      b = split(),
      c = split(),
      d = split();

    // A number strictly between 0 and 1.
    function uniform() {
      const t = Math.imul(b, 5),
        result = Math.imul((t << 7) | (t >>> 25), 9);
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = (d << 11) | (d >>> 21);
      return ((result >>> 0) + 0.5) / 4294967296;
    }

    function next() {
      if (spare === spare) {
        const value = spare;
        spare = NaN;
        return value;
      }
      let u, v, square;
      do {
        u = 2 * uniform() - 1;
        v = 2 * uniform() - 1;
        square = u * u + v * v;
      } while (square >= 1 || square === 0);
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      spare = v * scale;
      return u * scale;
    }

    function fill(array) {
      for (let i = 0; i < array.length; i++) array[i] = next();
      return array;
    }

    return { next, fill, uniform };
  }

  // ---------------------------------------------------------------------------------------------
  // Bounds
  // ---------------------------------------------------------------------------------------------

  // What z, and for an SSVAE y, is drawn from: {m, v, labels, log_q}. m and v have a row for each of
  // `labels`, and log_q the log q(y|x) of each; without labels (null) there is one row. known: what it is for this x,
  // where an encoder has told already.
  function proposal({ enc, dec, cls }, x, { q = null, y = null, known = null } = {}) {
    const y_dim = dec.y_dim,
      dim = dec.inputs;
    if (known) {
      if (y === null) return known;
      const [m, v] = [known.m, known.v].map((all) => all.subarray(y * dim, (y + 1) * dim));
      return { m, v, labels: [y], log_q: [0] };
    }
    if (x.length !== dec.outputs) throw new Error(`wanted an image of ${dec.outputs} pixels; given ${x.length}`);
    if (q) q = { m: checkSize("q.m", q.m, dim), v: checkSize("q.v", q.v, dim) };
    if (!y_dim) return { ...(q ?? encode(enc, x)), labels: null };
    if (y !== null) return { ...(q ?? encode(enc, x, 1, [y])), labels: [y], log_q: [0] };
    if (q || !cls) throw new Error("a label y is wanted, or a classifier cls to draw it from");
    const labels = Array.from({ length: y_dim }, (_, i) => i);
    const repeated = new Float32Array(y_dim * x.length);
    labels.forEach((i) => repeated.set(x, i * x.length));
    return { ...encode(enc, repeated, y_dim, labels), labels, log_q: logSoftmax(forward(cls, x)) };
  }

  function checkSize(name, a, size) {
    if (a?.length !== size) throw new Error(`wanted ${size} numbers in ${name}; given ${a?.length ?? "none"}`);
    return asFloats(a);
  }

  function checkCount(name, n) {
    if (!(Number.isInteger(n) && n >= 1)) throw new Error(`${name} must be a whole number of at least 1; given ${n}`);
    return n;
  }

  function logSoftmax(a) {
    const log_sum = logMeanExp(a) + Math.log(a.length);
    return Float64Array.from(a, (logit) => logit - log_sum);
  }

  // An index, drawn with probability e^log_p.
  function drawIndex(log_p, normals) {
    if (log_p.length === 1) return 0;
    let u = normals.uniform(),
      i = 0;
    while (i < log_p.length - 1 && (u -= Math.exp(log_p[i])) > 0) i++;
    return i;
  }

  // `count` log importance weights of x. A sample's draws follow one another, first y, then z, so
  // that the weights do not depend on how their number is cut into chunks.
  function drawWeights({ dec, prior }, x, { m, v, labels, log_q }, count, normals) {
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
  function logWeights(models, x, count, normals, options) {
    checkCount("count", count);
    return drawWeights(models, x, proposal(models, x, options), count, normals);
  }

  // ---------------------------------------------------------------------------------------------
  // Long runs, in a Worker where the page may have one
  // ---------------------------------------------------------------------------------------------

  const CHUNK = 200; // samples between two reports

  // Draws job.count weights in chunks: report(result) after each, then later(next chunk).
  function run(job, models, report, later) {
    const { x, count, seed, options } = job,
      source = normals(seed),
      q = proposal(models, x, options);
    let done = 0;
    const step = () => {
      if (job.cancelled) return;
      const n = Math.min(options.chunk ?? CHUNK, count - done);
      const result = drawWeights(models, x, q, n, source);
      done += n;
      report({ ...result, done });
      if (done < count) later(step);
    };
    later(step);
  }

  // The Worker's side: {network}, {mixture}, {job} and {cancel} come in, {job, result | error} go out.
  function serve(scope) {
    const parts = new Map(),
      jobs = new Map(),
      { port1, port2 } = new MessageChannel(),
      waiting = [];
    port1.onmessage = () => waiting.shift()();
    // A message to itself: a cancel gets in between, and setTimeout would wait 4 ms each time.
    const later = (step) => {
      waiting.push(step);
      port2.postMessage(0);
    };
    const take = {
      network: ({ id, spec }) => parts.set(id, network(spec)),
      mixture: ({ id, spec }) => parts.set(id, mixture(spec)),
      cancel: ({ id }) => {
        const job = jobs.get(id);
        if (job) job.cancelled = true;
        jobs.delete(id);
      },
      job: ({ id, job }) => {
        jobs.set(id, job);
        const models = Object.fromEntries(Object.entries(job.models).map(([name, part]) => [name, parts.get(part)]));
        run(
          job,
          models,
          (result) => {
            if (result.done === job.count) jobs.delete(id);
            const arrays = Object.values(result).filter(ArrayBuffer.isView);
            scope.postMessage(
              { id, result },
              arrays.map((a) => a.buffer),
            );
          },
          later,
        );
      },
    };
    scope.onmessage = ({ data }) => {
      try {
        take[data.type](data);
      } catch (error) {
        scope.postMessage({ id: data.id, error: error.message });
      }
    };
    scope.postMessage({ ready: true });
  }

  const WAIT = 5000; // ms until a Worker that has not said it is ready is given up
  const REST = 5000; // ms without a job until a Worker is let go, with the networks that it holds

  // A Worker in which the piece of this name serves; or an error. fail() is called if none comes of it after all.
  // source: the text of the module that the piece is in, or the address of a script that serves it.
  function openWorker(source, name, fail) {
    // Plain scripts, without what draws: a page opened from disk gets no Worker that is a module.
    const text = [...source.split("\f\n").slice(0, name === "engine" ? 1 : 2), `\n${name}.serve(self);`];
    const isText = source.includes("\n");
    const url = isText ? URL.createObjectURL(new Blob(text, { type: "text/javascript" })) : source;
    const worker = new Worker(url),
      settled = new AbortController();
    const settle = () => {
      settled.abort();
      clearTimeout(timer);
      if (isText) URL.revokeObjectURL(url);
    };
    const giveUp = (event) => {
      event?.preventDefault();
      settle();
      worker.terminate();
      fail();
    };
    const timer = setTimeout(giveUp, WAIT);
    worker.addEventListener("error", giveUp);
    worker.addEventListener("message", ({ data }) => data.ready && settle(), { signal: settled.signal });
    return worker;
  }

  const workers = new Map(); // source -> its Worker
  let lastId = 0;

  function workerOf(source) {
    if (workers.has(source)) return workers.get(source);
    const crew = { worker: null, sent: new WeakMap(), jobs: new Map(), failed: false };
    workers.set(source, crew);
    crew.rest = () => {
      clearTimeout(crew.resting);
      crew.resting = setTimeout(() => {
        if (crew.failed || crew.jobs.size) return;
        crew.worker.terminate();
        workers.delete(source);
      }, REST);
    };
    const fail = () => {
      crew.failed = true;
      for (const job of crew.jobs.values()) runHere(job);
      crew.jobs.clear();
    };
    try {
      crew.worker = openWorker(source, "engine", fail);
      crew.worker.addEventListener("message", ({ data }) => crew.jobs.get(data.id)?.take(data));
    } catch {
      fail();
    }
    return crew;
  }

  function send(crew, part) {
    if (!crew.sent.has(part)) {
      const id = ++lastId,
        spec = { ...part.spec, weights: copyBytes(part.spec.weights) };
      crew.worker.postMessage({ type: part.layers ? "network" : "mixture", id, spec }, [spec.weights]);
      crew.sent.set(part, id);
    }
    return crew.sent.get(part);
  }

  // The same run in this thread, in slices between which the page stays alive. What a Worker that
  // failed had reported already comes out again, and is dropped.
  function runHere(job) {
    setTimeout(() => {
      if (job.cancelled) return;
      try {
        run(
          job,
          job.models,
          (result) => result.done > job.done && job.take({ result }),
          (step) => setTimeout(step),
        );
      } catch (error) {
        job.take({ error: error.message });
      }
    });
  }

  // `count` log weights of x from `seed`, as logWeights(models, x, count, normals(seed), options) has
  // them, in chunks: onChunk({logW, kl, rec, z, y, done}) for each, then onDone(), or onDone(error).
  // source: as for openWorker. options: those of logWeights, and
  // {chunk}: samples in a chunk, {replaces}: an earlier job, to be cancelled.
  function boundJob(source, models, x, count, seed, onChunk, onDone, options = {}) {
    const { replaces, ...rest } = options;
    replaces?.cancel();
    checkCount("count", count);
    checkCount("chunk", rest.chunk ?? CHUNK);
    const crew = workerOf(source),
      id = ++lastId;
    models = Object.fromEntries(Object.entries(models).filter(([, part]) => part));
    const order = structuredClone({ x: asFloats(x), count, seed, options: rest }); // x may change meanwhile
    const job = { ...order, models, done: 0, cancelled: false };
    job.take = ({ result, error }) => {
      if (job.cancelled) return;
      if (result) {
        job.done = result.done;
        onChunk(result);
      }
      if (error || job.done === count) {
        crew.jobs.delete(id);
        crew.rest();
        onDone?.(error && new Error(error));
      }
    };
    if (crew.failed) {
      runHere(job);
    } else {
      crew.jobs.set(id, job);
      const ids = Object.fromEntries(Object.entries(models).map(([name, part]) => [name, send(crew, part)]));
      crew.worker.postMessage({ type: "job", id, job: { ...order, models: ids } });
    }
    const cancel = () => {
      job.cancelled = true;
      if (!crew.jobs.delete(id)) return; // it had come to its end, and its Worker may be gone
      crew.worker.postMessage({ type: "cancel", id });
      crew.rest();
    };
    return { cancel };
  }

  return {
    network,
    forward,
    encode,
    mixture,
    normals,
    sigmoid: elementwise(sigmoidOf),
    ink,
    logMeanExp,
    logNormal,
    gaussian,
    logGaussian,
    logBernoulli,
    klNormal,
    logMixture,
    mixtureSample,
    proposal,
    logSoftmax,
    logWeights,
    boundJob,
    serve,
    openWorker,
    wasm,
    arithmetic,
    code,
    CODE,
    LANES,
    whole,
  };
})();
