// A plane of two latents: a canvas to draw on, with a pointer that drags a point.

import { COLOURS, INK } from "./colours.js";
import { h } from "./elements.js";

// How much larger than its layout the page shows an element, as it does on a slide. That the layout's width is told in
// whole pixels is no enlargement: what is drawn before the page is laid out and after it is the same.
/** @param {HTMLElement} element */
export function enlarged(element) {
  const shown = element.getBoundingClientRect().width,
    whole = element.offsetWidth;
  return Math.abs(shown - whole) < 1 ? 1 : shown / whole;
}

// Returns { canvas, redraw, move }: draw(context, place, scale) is called with the context in CSS pixels (on a slide in
// larger ones: the property --vw-marks says how many make one); place(z1, z2)
// are coordinates there and scale the pixels a unit. mark(): where a ring stands on top of it, which `move` moves,
// without drawing all anew. onDrag([z1, z2], started) while a pointer is down.
/**
 * @param {object} what
 * @param {number} what.extent
 * @param {(context: CanvasRenderingContext2D, place: Place, scale: number) => void} what.draw
 * @param {() => number[]} [what.mark]
 * @param {(point: [number, number], started: boolean) => void} [what.onDrag]
 * @param {AbortSignal} what.signal
 * @param {string} what.label
 */
export function plane({ extent, draw, mark, onDrag, signal, label }) {
  const canvas = h("canvas", { class: "vw-plane", role: "img", "aria-label": label });
  const ground = mark ? h("canvas") : canvas;
  let side = 0,
    width = 0; // of the picture; of the canvas as the page has laid it out last
  let marks = 1,
    zoom = 1;
  /** @type {Place} */
  const place = (z1, z2) => [((z1 + extent) / (2 * extent)) * side, ((extent - z2) / (2 * extent)) * side];
  /** @param {number} value */
  const clamp = (value) => Math.min(extent, Math.max(-extent, value));

  function redraw() {
    side = (width || canvas.clientWidth || 320) / marks; // to ask a canvas makes the browser lay out the page
    draw(start(ground), place, side / (2 * extent));
    if (mark) move();
  }

  // The context of a canvas, empty and in CSS pixels.
  /** @param {HTMLCanvasElement} sheet */
  function start(sheet) {
    const context = sheet.getContext("2d"),
      ratio = marks * zoom * (window.devicePixelRatio || 1),
      pixels = Math.round(side * ratio);
    if (sheet.width !== pixels) sheet.width = sheet.height = pixels;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, side, side);
    return context;
  }

  function move() {
    const context = start(canvas),
      [x, y] = place(...mark());
    context.drawImage(ground, 0, 0, side, side);
    ring(context, x, y);
  }

  /** @param {PointerEvent} event @param {boolean} started */
  function drag(event, started) {
    const box = canvas.getBoundingClientRect();
    /** @param {number} offset @param {number} length */
    const at = (offset, length) => (2 * offset) / length - 1;
    onDrag(
      [
        clamp(extent * at(event.clientX - box.left, box.width)),
        clamp(-extent * at(event.clientY - box.top, box.height)),
      ],
      started,
    );
  }

  if (onDrag) {
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      drag(event, true);
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && drag(event, false));
  } else {
    canvas.style.cssText = "cursor: auto; touch-action: auto"; // to look at only
  }
  const observer = new ResizeObserver(() => {
    width = canvas.clientWidth;
    marks = +getComputedStyle(canvas).getPropertyValue("--vw-marks") || 1;
    zoom = enlarged(canvas);
    redraw();
  });
  observer.observe(canvas);
  signal.addEventListener("abort", () => observer.disconnect());
  return { canvas, redraw, move };
}

// The point that is dragged.
/** @type {(context: CanvasRenderingContext2D, x: number, y: number) => void} */
export function ring(context, x, y) {
  /** @type {[number, string][]} */
  const strokes = [
    [6, "#fff"],
    [2.5, INK],
  ];
  for (const [width, colour] of strokes) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }
}

// The edge of a plane, and its two axes.
/** @type {(context: CanvasRenderingContext2D, place: Place, extent: number) => void} */
export function cross(context, place, extent) {
  const [[left, top], [right, bottom], [x, y]] = [place(-extent, extent), place(extent, -extent), place(0, 0)];
  context.lineWidth = 1;
  context.strokeStyle = COLOURS.line;
  context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
  context.beginPath();
  context.moveTo(left, y);
  context.lineTo(right, y);
  context.moveTo(x, top);
  context.lineTo(x, bottom);
  context.stroke();
}

// Inside which half, 80 and 95% of N(0, I) lie: in two dimensions, the share s within radius sqrt(-2 log(1 - s)).
/** @type {(context: CanvasRenderingContext2D, place: Place, scale: number) => void} */
export function priorCircles(context, place, scale) {
  context.lineWidth = 2;
  context.strokeStyle = COLOURS.prior;
  for (const share of [0.5, 0.8, 0.95]) {
    context.beginPath();
    context.arc(...place(0, 0), scale * Math.sqrt(-2 * Math.log(1 - share)), 0, 2 * Math.PI);
    context.stroke();
  }
}
