// Pictures of digits, tables of numbers, and sentences with numbers in them.

import { colourOf } from "./colours.js";
import { h, output } from "./elements.js";
import { MNIST } from "./traits.js";
import { format } from "./words.js";

// A picture of so many pixels. size: "", "small" or "tiny".
/** @param {string} [size] @param {number[]} [raster] */
export const digit = (size = "", [height, width] = MNIST) =>
  h("canvas", { class: `vw-digit ${size}`, width, height, role: "img", "aria-label": "nothing yet" });

// Ink from 0 to 1, pixel by pixel.
/** @type {(canvas: HTMLCanvasElement, ink: ArrayLike<number>) => void} */
export function paint(canvas, ink) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  image.data.fill(26); // the colour of ink; how opaque it is, is the picture
  for (let i = 0; i < canvas.width * canvas.height; i++) image.data[4 * i + 3] = Math.round(255 * ink[i]);
  context.putImageData(image, 0, 0);
}

/** @type {(picture: Child, caption: Child) => HTMLElement} */
export const captioned = (picture, caption) => h("figure", {}, picture, h("figcaption", {}, caption));

// A table of quantities: rows are [key, label, colour], and may end in { digits, unit } of their own; returns
// { table, show, rows }, and show takes { key: number } and puts each number in an <output data-key> whose data-value
// has all its digits; rows: { key: its <tr> }.
/** @param {(NumberRow | false)[]} rows */
export function numbers(rows, { digits = 2, unit = "nats" } = {}) {
  /** @type {Record<string, { element: HTMLOutputElement, digits: number }>} */
  const outputs = {};
  /** @type {Record<string, HTMLTableRowElement>} */
  const lines = {};
  const table = h(
    "table",
    { class: "vw-numbers" },
    h(
      "tbody",
      {},
      rows.map((row) => {
        if (!row) return null;
        const [key, label, colour, own] = row;
        const kind = { digits, unit, ...own };
        outputs[key] = { element: output({ "data-key": key }), digits: kind.digits };
        const swatch = colour && h("span", { class: "swatch", style: `background:${colourOf(colour)}` });
        lines[key] = h(
          "tr",
          {},
          h("th", { scope: "row" }, swatch, label),
          h("td", {}, outputs[key].element, kind.unit && (kind.unit === "%" ? "%" : ` ${kind.unit}`)),
        );
        return lines[key];
      }),
    ),
  );
  /** @param {Record<string, number>} values */
  const show = (values) => {
    for (const [key, value] of Object.entries(values)) {
      outputs[key].element.value = format(value, outputs[key].digits);
      outputs[key].element.dataset.value = String(value);
    }
  };
  return { table, show, rows: lines };
}

// What each colour is: entries are [colour, words], or [colour, words, true] for a dashed line.
/** @param {[string, Child, boolean?][]} entries */
export const keys = (entries) =>
  h(
    "p",
    { class: "vw-heading vw-keys" },
    entries.map(([colour, words, dashed]) =>
      h(
        "span",
        {},
        h("span", { class: dashed ? "swatch dash" : "swatch", style: `--colour:${colourOf(colour)}` }),
        words,
      ),
    ),
  );

// A sentence with numbers in it: sentence("{n} of {all}") -> { line, show }; show({ n: 3, all: "ten" }) fills them in.
// Numbers are whole; what is given as text, such as a time that was measured, has no data-key.
/** @param {string} text */
export function sentence(text) {
  /** @type {Record<string, HTMLOutputElement>} */
  const outputs = {};
  const line = h(
    "p",
    { class: "vw-note" },
    text.split(/\{(\w+)\}/).map((part, i) => {
      if (i % 2) outputs[part] = output();
      return i % 2 ? outputs[part] : part;
    }),
  );
  /** @param {Record<string, number | string>} values */
  const show = (values) => {
    for (const [key, value] of Object.entries(values)) {
      const isNumber = typeof value === "number";
      outputs[key].value = isNumber ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : value;
      if (isNumber) Object.assign(outputs[key].dataset, { key, value });
    }
  };
  return { line, show };
}
