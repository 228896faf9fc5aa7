// Draws: xoshiro128**, seeded by splitmix32, and the polar method, which needs log and sqrt alone.

/** @type {(seed: number) => Normals} */
export function normals(seed) {
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
    if (!Number.isNaN(spare)) {
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

  /** @type {Normals["fill"]} */
  function fill(array) {
    for (let i = 0; i < array.length; i++) array[i] = next();
    return array;
  }

  return { next, fill, uniform };
}
