// Elements of HTML and SVG, and names for them.

import { PROPERTIES } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : themed(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

// The value of an attribute, with custom properties for the colours in it.
const themed = (value) => String(value).replace(/#[0-9a-f]{3,6}\b/g, (colour) => PROPERTIES.get(colour) ?? colour);

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A number that changes: the sentence of `say` is read out, and not each of these as well.
export const output = (attributes = {}, ...children) => h("output", { "aria-live": "off", ...attributes }, ...children);

// Change attributes of an element that is there.
export const put = (element, attributes) => void fill(element, attributes, []);

export const range = (n) => Array.from({ length: n }, (_, i) => i);

// Names that are of one view alone, whatever other widgets there are on the page: each has a module of its own.
const MODULE = Math.random().toString(36).slice(2);
let names = 0;
export const uniqueName = (stem) => `vw-${stem}-${MODULE}-${++names}`;
