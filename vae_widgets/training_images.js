// Training images: lists of the pixels that are on, and bytes as pages have them.

import { range } from "./training_code.js";

export const PIXELS = 784;

// The pixels that are on in each of the binary images (n, 784).
/** @type {(images: ArrayLike<number>) => number[][]} */
export function listsOf(images) {
  return range(images.length / PIXELS, (n) => {
    /** @type {number[]} */
    const list = [];
    for (let p = 0, at = n * PIXELS; p < PIXELS; p++, at++) if (images[at]) list.push(p);
    return list;
  });
}

// Images as pages have them, a byte a pixel: of grey levels 0 to 15 there are two in a byte, of zeros and ones eight.
/** @type {(packed: Uint8Array) => Uint8Array} */
export function ofNibbles(packed) {
  const pairs = new Uint16Array(packed.length); // of bytes, the first one low
  const table = Uint16Array.from({ length: 256 }, (_, two) => 17 * ((two >> 4) + 256 * (two & 15)));
  for (let i = 0; i < pairs.length; i++) pairs[i] = table[packed[i]];
  return new Uint8Array(pairs.buffer);
}

/** @type {(packed: Uint8Array) => Uint8Array} */
export function ofBits(packed) {
  const out = new Uint8Array(8 * packed.length);
  for (let i = 0; i < out.length; i++) out[i] = (packed[i >> 3] >> (7 - (i & 7))) & 1;
  return out;
}
