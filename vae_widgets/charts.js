// Axes, bars and curves in SVG.

import { COLOURS, INK, colourOf } from "./colours.js";
import { flat, range, s, uniqueName } from "./elements.js";

// The text of a chart is 13 units high, and no smaller than 11 px on the screen, however small the chart is drawn.
const shrunk = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const { width } = /** @type {SVGSVGElement} */ (target).viewBox.baseVal;
    if (contentRect.width) target.setAttribute("font-size", String(Math.max(13, (11 * width) / contentRect.width)));
  }
});

/** @param {SVGSVGElement} svg */
export function legible(svg) {
  svg.setAttribute("font-size", "13");
  shrunk.observe(svg);
  return svg;
}

// Axes in SVG. x and y: { min, max, ticks: [..] or count, label, log, format }. Returns { svg, plot, x, y }: x(value)
// and y(value) are places in the picture, plot is the group to draw in, clipped to the axes. at(x, y): the values at a place.
/**
 * @typedef {object} Axis
 * @property {number} min
 * @property {number} max
 * @property {number[] | number} [ticks]
 * @property {string} [label]
 * @property {boolean} [log]
 * @property {(value: number) => string} [format]
 */

/** @param {{ width?: number, height?: number, x: Axis, y: Axis, label?: string, left?: number, right?: number }} what */
export function axes({ width = 420, height = 260, x, y, label, left = 46, right = 12 }) {
  const box = { left, right: width - right, top: 10, bottom: height - 40 };
  /** @type {(axis: Axis, from: number, to: number) => ((value: number) => number)[]} */
  const scale = ({ min, max, log }, from, to) => {
    /** @type {(value: number) => number} */
    const f = log ? Math.log : (value) => value;
    /** @param {number} value */
    const place = (value) => from + ((f(value) - f(min)) / (f(max) - f(min))) * (to - from);
    /** @type {(value: number) => number} */
    const inverse = log ? Math.exp : (value) => value;
    /** @param {number} p */
    const back = (p) => inverse(f(min) + ((p - from) / (to - from)) * (f(max) - f(min)));
    return [place, back];
  };
  const [sx, backX] = scale(x, box.left, box.right);
  const [sy, backY] = scale(y, box.bottom, box.top);
  /** @type {(px: number, py: number) => [number, number]} */
  const at = (px, py) => [backX(px), backY(py)];
  const id = uniqueName("clip");
  const plot = s("g", { "clip-path": `url(#${id})` });
  /** @type {(content: string, at: Attributes) => SVGTextElement} */
  const text = (content, at) => s("text", { fill: COLOURS.muted, ...at }, content);
  /** @param {Axis} axis */
  const ticks = (axis) => (Array.isArray(axis.ticks) ? axis.ticks : niceTicks(axis.min, axis.max, axis.ticks ?? 5));
  /** @type {(axis: Axis) => (value: number) => string} */
  const show = (axis) => axis.format ?? ((value) => String(+value.toPrecision(6)).replace("-", "−"));
  const svg = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, style: `max-width:${width * 1.25}px` },
    s(
      "clipPath",
      { id },
      s("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }),
    ),
    ticks(x).map((t) => [
      s("line", { x1: sx(t), x2: sx(t), y1: box.bottom, y2: box.bottom + 4, stroke: COLOURS.muted }),
      text(show(x)(t), { x: sx(t), y: box.bottom + 17, "text-anchor": "middle" }),
    ]),
    ticks(y).map((t) => [
      s("line", { x1: box.left, x2: box.right, y1: sy(t), y2: sy(t), stroke: COLOURS.line, "stroke-width": 0.6 }),
      text(show(y)(t), { x: box.left - 6, y: sy(t) + 4.5, "text-anchor": "end" }),
    ]),
    s("line", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, stroke: COLOURS.muted }),
    text(x.label ?? "", { x: (box.left + box.right) / 2, y: height - 5, "text-anchor": "middle" }),
    text(y.label ?? "", {
      x: 0,
      y: (box.top + box.bottom) / 2,
      dy: "0.9em", // at the edge, however large it is
      "text-anchor": "middle",
      transform: `rotate(-90 0 ${(box.top + box.bottom) / 2})`,
    }),
    plot,
  );
  return { svg: legible(svg), plot, x: sx, y: sy, box, at };
}

/** @type {(min: number, max: number, count: number) => number[]} */
export function niceTicks(min, max, count) {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return range(last - first + 1).map((i) => (first + i) * step);
}

// Bars in nats, `count` of them one below the other, along one axis. Returns { svg, show }, and show takes
// { low, high, mark: [value, text], rows: [{ name, parts: [[from, to, colour, text], ...], note }, ...] }:
// a text stands in its part where it fits, a note to the right of the row, and a line through all rows at the mark.
// What begins below `low` has an arrow at the edge.
/** @param {{ count: number, label?: string }} what */
export function bars({ count, label }) {
  const [width, left, right, top, pitch, thick] = [440, 6, 356, 26, 54, 26];
  const bottom = top + pitch * count + 4;
  const picture = s("g");
  const svg = s(
    "svg",
    {
      viewBox: `0 0 ${width} ${bottom + 38}`,
      role: "img",
      "aria-label": label,
      style: `max-width:${width * 1.25}px`,
    },
    picture,
  );
  /** @type {(content: string, at: Attributes) => SVGTextElement} */
  const text = (content, at) => s("text", { fill: COLOURS.muted, ...at }, content);

  /** @param {Bars} what */
  function show({ low, high, mark, rows }) {
    /** @param {number} value */
    const x = (value) => left + ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (right - left);
    const clear = { fill: INK, stroke: "#fff", "stroke-width": 4, style: "paint-order: stroke" }; // of a line behind it
    /** @type {(row: Bars["rows"][number], i: number) => Child} */
    const row = ({ parts }, i) => {
      const y = top + pitch * i;
      return parts.map(([from, to, colour, content = ""]) => {
        const length = x(to) - x(from);
        return [
          s("rect", {
            x: x(from),
            y: y + 21,
            width: Math.max(0, length),
            height: thick,
            fill: colourOf(colour),
          }),
          content.length * 9 + 8 < length &&
            text(content, { x: x(from) + 6, y: y + 39, fill: "#fff", "font-weight": 600 }),
          from < low && to > low && text("◂", { x: left + 3, y: y + 39, fill: "#fff" }),
        ];
      });
    };
    picture.replaceChildren(
      ...flat([
        niceTicks(low, high, 5).map((t) => [
          s("line", { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 4, stroke: COLOURS.muted }),
          text(String(+t.toPrecision(6)).replace("-", "−"), { x: x(t), y: bottom + 17, "text-anchor": "middle" }),
        ]),
        s("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: COLOURS.muted }),
        text("nats", { x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle" }),
        rows.map(row),
        s("line", { x1: x(mark[0]), x2: x(mark[0]), y1: 18, y2: bottom, stroke: INK, "stroke-width": 1.5 }),
        rows.map(({ name, parts, note }, i) => [
          text(name, { x: left, y: top + pitch * i + 15, ...clear }),
          note &&
            text(note, {
              x: Math.max(...parts.map(([, to]) => x(to))) + 7,
              y: top + pitch * i + 39,
              "font-weight": 600,
              ...clear,
            }),
        ]),
        text(mark[1], {
          x: Math.min(x(mark[0]), width - 62),
          y: 13,
          fill: INK,
          "font-weight": 600,
          "text-anchor": "middle",
        }),
      ]),
    );
  }
  return { svg: legible(svg), show };
}

// Where bars that hang from a level begin: so far below it that the longest one fits, in steps of doubling.
/** @param {number} longest */
export const reach = (longest) =>
  [4, 8, 16, 32, 64, 128, 256, 512].find((size) => size >= 1.25 * longest) ?? 1.25 * longest;

// An SVG path through points [x, y] that are already places in the picture.
/** @param {number[][]} points */
export const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");

// Calls onDrag(x, y, started) with places in an SVG picture while a pointer is down on it; `started` for the first.
// What can be dragged is dragged sideways, so that a finger still scrolls the page up and down.
/** @type {(svg: SVGSVGElement, onDrag: (x: number, y: number, started: boolean) => void, signal: AbortSignal) => void} */
export function dragSideways(svg, onDrag, signal) {
  /** @param {PointerEvent} event @param {boolean} started */
  const at = (event, started) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    onDrag(x, y, started);
  };
  svg.classList.add("vw-sideways");
  svg.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button) return;
      svg.setPointerCapture(event.pointerId);
      at(event, true);
      event.preventDefault();
    },
    { signal },
  );
  svg.addEventListener("pointermove", (event) => svg.hasPointerCapture(event.pointerId) && at(event, false), {
    signal,
  });
}
