// An assembler for WebAssembly: code is nested lists of bytes. Names are the specification's, but for what is short.

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const NOTHING = 0x40;
/** @type {(n: number) => Code} */
const uint = (n) => (n < 128 ? [n] : [(n & 127) | 128, uint(n >>> 7)]);
/** @type {(n: number) => Code} */
const sint = (n) => (n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, sint(n >> 7)]);
/** @param {number} value */
const bytes = (value) => [...new Uint8Array(Float32Array.of(value).buffer)];
/** @type {(local: number) => Code} */
export const get = (local) => [0x20, uint(local)];
/** @type {(local: number, value: Code) => Code} */
export const set = (local, value) => [value, 0x21, uint(local)];
/** @type {(n: number) => Code} */
export const int = (n) => [0x41, sint(n)];
/** @type {(value: number) => Code} */
const float = (value) => [0x43, bytes(value)]; // constants
/** @type {(code: number) => (a: Code, b: Code) => Code} */
const two = (code) => (a, b) => [a, b, code];
export const add = two(0x6a);
export const sub = two(0x6b);
export const mul = two(0x6c);
export const shl = two(0x74);
export const less = two(0x48); // i32; less: lt_s
/** @type {(body: Code, again: Code) => Code} */
export const loop = (body, again) => [0x03, NOTHING, body, again, 0x0d, 0, 0x0b]; // while `again`, and once at least
/** @type {(test: Code, then: Code) => Code} */
export const when = (test, then) => [test, 0x04, NOTHING, then, 0x0b];
/** @type {(code: number) => (...operands: Code[]) => Code} */
const vector =
  (code) =>
  (...operands) => [operands, 0xfd, uint(code)];
/** @type {(code: Code) => (address: Code, offset?: number) => Code} */
const load =
  (code) =>
  (address, offset = 0) => [address, code, 2, uint(offset)];
/** @type {(code: Code) => (address: Code, value: Code, offset?: number) => Code} */
const store =
  (code) =>
  (address, value, offset = 0) => [address, value, code, 2, uint(offset)];
export const v = {
  load: load([0xfd, 0x00]),
  store: store([0xfd, 0x0b]),
  splat: load([0xfd, 0x09]), // v128.load32_splat
  /** @type {(value: number) => Code} */
  all: (value) => [float(value), 0xfd, 0x13],
  /** @type {(local: number) => Code} */
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
  /** @type {(n: number) => Code} */
  allInt: (n) => [int(n), 0xfd, 0x11],
  addInt: vector(0xae),
  /** @type {(a: Code, n: number) => Code} */
  shlInt: (a, n) => [a, int(n), 0xfd, uint(0xab)],
};
export const loadInt = load(0x28);
export const loadFloat = load(0x2a);
export const storeFloat = store(0x38);

/** @type {(code: Code, bytes?: number[]) => number[]} */
function flat(code, bytes = []) {
  if (typeof code === "number") bytes.push(code);
  else for (const part of code) flat(part, bytes);
  return bytes;
}

// A function of this name. parameters: "@a", a place in floats, which is made an address; "n", a whole number;
// "$w", a float. ints and vectors: further locals. body({ name: local }) is its code.
/**
 * @param {string} name
 * @param {string[]} parameters
 * @param {{ ints?: string[], vectors?: string[] }} locals
 * @param {(locals: Record<string, number>) => Code} body
 * @returns {Assembled}
 */
export function define(name, parameters, { ints = [], vectors = [] }, body) {
  const locals = Object.fromEntries(
    [...parameters, ...ints, ...vectors].map((local, i) => [local.replace(/^[@$]/, ""), i]),
  );
  const types = parameters.map((parameter) => (parameter[0] === "$" ? F32 : I32));
  const places = parameters.map((parameter, i) => (parameter[0] === "@" ? set(i, shl(get(i), int(2))) : []));
  return {
    name,
    types,
    code: flat([2, uint(ints.length), I32, uint(vectors.length), V128, places, body(locals), 0x0b]),
  };
}

// A module of functions on the memory that it is given.
/** @param {Assembled[]} functions */
export function assemble(functions) {
  /** @type {(s: string) => Code} */
  const text = (s) => [s.length, [...s].map((c) => c.charCodeAt(0))];
  /** @type {(id: number, items: Code[]) => Code} */
  const section = (id, items) => {
    const content = flat([uint(items.length), items]);
    return [id, uint(content.length), content];
  };
  return Uint8Array.from(
    flat([
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
    ]),
  );
}
