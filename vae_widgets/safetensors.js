// A file that vae_core.load_model reads.

import { h } from "./elements.js";

// The bits of the half float nearest to a number, of two the even one.
/** @param {number} value */
function toHalf(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0],
    sign = (bits >>> 16) & 0x8000,
    size = bits & 0x7fffffff;
  if (size >= 0x477ff000) throw new Error(`float16 ends at 65504, and a weight is ${value}`);
  if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
  const units = Math.abs(value) * 2 ** 24,
    floor = Math.floor(units),
    rest = units - floor; // below 2^-14
  return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2) ? 1 : 0));
}

// As Python's json.dumps writes a text.
/** @param {string} json */
const ascii = (json) => json.replace(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

// weights: all of a VAE's in PyTorch's order, encoder first. description: { arguments: { z_dim, hidden, ... }, recipe, ... }.
// Rejects where the page may not hash (plain http), and for weights that do not fit or that float16 cannot hold.
/** @param {Float32Array} weights @param {Record<string, any>} description */
export async function safetensors(weights, description) {
  if (!globalThis.crypto?.subtle)
    throw new Error("A browser computes the file's hash on pages from https, localhost or disk only.");
  const { hidden, z_dim } = description.arguments;
  let at = 0;
  /** @type {[string, number[]][]} */
  const networks = [
    ["enc", [784, ...hidden, 2 * z_dim]],
    ["dec", [z_dim, ...[...hidden].reverse(), 784]],
  ];
  const tensors = networks.flatMap(([part, sizes]) =>
    sizes.slice(1).flatMap((out, i) =>
      [
        { kind: "weight", shape: [out, sizes[i]] },
        { kind: "bias", shape: [out] },
      ].map(({ kind, shape }) => {
        const size = shape.reduce((a, b) => a * b);
        const data = Uint16Array.from(weights.subarray(at, at + size), toHalf);
        at += size;
        return { name: `${part}.${i ? `rest.${2 * i - 1}` : "first"}.${kind}`, shape, data };
      }),
    ),
  );
  if (at !== weights.length) throw new Error(`a VAE of this shape has ${at} weights; given ${weights.length}`);
  tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
  const { sha256, ...rest } = description;
  const text = ascii(JSON.stringify({ ...rest, class: "VAE", sha256: "" }));
  const rows = tensors.map(({ name, shape }) => `["${name}", "torch.float16", [${shape.join(", ")}]]`);
  const data = tensors.map((tensor) => tensor.data);
  const whole = new Blob([`[${[JSON.stringify(text), ...rows].join(", ")}]`, ...data]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await whole.arrayBuffer()));
  const hash = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  /** @type {Record<string, object>} */
  const header = { __metadata__: { description: `${text.slice(0, -2)}${hash}"}` } };
  let end = 0;
  for (const { name, shape, data } of tensors) {
    header[name] = { dtype: "F16", shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const head = JSON.stringify(header),
    padded = head.padEnd(8 * Math.ceil(head.length / 8));
  const length = new DataView(new ArrayBuffer(8));
  length.setUint32(0, padded.length, true);
  return new Blob([length, padded, ...data], { type: "application/octet-stream" });
}

/** @param {Blob} blob @param {string} filename */
export function download(blob, filename) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
