// Elements of HTML and SVG, and names for them.

import { PROPERTIES } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";

/** @type {<E extends Element>(element: E, attributes: Attributes, children: Child[]) => E} */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : themed(value));
  }
  element.append(...flat(children));
  return element;
}

// What there is, out of lists in lists.
/** @type {(child: Child) => (string | Node)[]} */
export const flat = (child) =>
  Array.isArray(child) ? child.flatMap(flat) : child === null || child === undefined || child === false ? [] : [child];

// The value of an attribute, with custom properties for the colours in it.
/** @type {(value: unknown) => string} */
const themed = (value) => String(value).replace(/#[0-9a-f]{3,6}\b/g, (colour) => PROPERTIES.get(colour) ?? colour);

/** @type {<T extends keyof HTMLElementTagNameMap>(tag: T, attributes?: Attributes, ...children: Child[]) => HTMLElementTagNameMap[T]} */
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
/** @type {<T extends keyof SVGElementTagNameMap>(tag: T, attributes?: Attributes, ...children: Child[]) => SVGElementTagNameMap[T]} */
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A number that changes: the sentence of `say` is read out, and not each of these as well.
/** @type {(attributes?: Attributes, ...children: Child[]) => HTMLOutputElement} */
export const output = (attributes = {}, ...children) => h("output", { "aria-live": "off", ...attributes }, ...children);

// Change attributes of an element that is there.
/** @type {(element: Element, attributes: Attributes) => void} */
export const put = (element, attributes) => void fill(element, attributes, []);

/** @param {number} n */
export const range = (n) => Array.from({ length: n }, (_, i) => i);

// Names that are of one view alone, whatever other widgets there are on the page: each has a module of its own.
const MODULE = Math.random().toString(36).slice(2);
let names = 0;
/** @param {string} stem */
export const uniqueName = (stem) => `vw-${stem}-${MODULE}-${++names}`;
