// Paper to draw a digit on: from ink on a large canvas to what the model sees.

import { COLOURS, INK } from "./colours.js";
import { h } from "./elements.js";
import { digit, paint } from "./pictures.js";
import { enlarged } from "./plane.js";
import { bind, digitsOf, set } from "./traits.js";

// Centred and scaled as MNIST is: the ink's box becomes 20 pixels along its longer side, each pixel the mean of what it
// covers, and is placed so that the centre of mass is in the middle of 28 x 28. ink: width x height numbers from 0 to 1.
// A box shorter than `least` is scaled as if it had that side, so that a dot stays a dot.
/** @param {Float32Array} ink @param {number} width @param {number} height */
export function centreDigit(ink, width, height, least = 1) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let i = 0; i < ink.length; i++) {
    if (!(ink[i] > 0)) continue;
    const [column, row] = [i % width, Math.floor(i / width)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
  }
  const image = new Float32Array(784);
  if (right < 0) return image;
  const [w, h] = [right + 1 - left, bottom + 1 - top];
  const scale = 20 / Math.max(w, h, least);
  const [columns, rows] = [w, h].map((side) => Math.max(1, Math.round(side * scale)));

  // One direction after the other.
  const narrow = new Float32Array(columns * h);
  for (const { to, from, share } of overlaps(w, columns)) {
    for (let row = 0; row < h; row++) narrow[row * columns + to] += share * ink[(top + row) * width + left + from];
  }
  const small = new Float32Array(columns * rows);
  for (const { to, from, share } of overlaps(h, rows)) {
    for (let column = 0; column < columns; column++)
      small[to * columns + column] += share * narrow[from * columns + column];
  }

  let [mass, across, down] = [0, 0, 0];
  small.forEach((value, i) => {
    mass += value;
    across += value * (i % columns);
    down += value * Math.floor(i / columns);
  });
  // In MNIST the centre of mass lies at 14, counted from 0, rounded; nothing is pushed over the edge.
  /** @param {number} sum @param {number} side */
  const place = (sum, side) => Math.min(28 - side, Math.max(0, Math.ceil(14 - sum / mass - 0.5)));
  const [x, y] = [place(across, columns), place(down, rows)];
  small.forEach((value, i) => (image[(y + Math.floor(i / columns)) * 28 + x + (i % columns)] = value));
  return image;
}

// How `size` pixels are shared out among `count` equal parts.
/** @param {number} size @param {number} count */
function overlaps(size, count) {
  const list = [];
  for (let to = 0; to < count; to++) {
    const [start, end] = [(to * size) / count, ((to + 1) * size) / count];
    for (let from = Math.floor(start); from < Math.min(size, end); from++) {
      list.push({ to, from, share: ((Math.min(end, from + 1) - Math.max(start, from)) * count) / size });
    }
  }
  return list;
}

// An image as text for a link, and back; null if it is none.
/** @param {Float32Array} image */
export function imageText(image) {
  const packed = new Uint8Array(98);
  image.forEach((on, i) => {
    if (on) packed[i >> 3] |= 128 >> (i & 7);
  });
  return btoa(String.fromCharCode(...packed))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

/** @param {string} text */
export function imageOf(text) {
  try {
    const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) =>
      letter.charCodeAt(0),
    );
    return packed.length === 98 ? digitsOf(packed)[0] : null;
  } catch {
    return null;
  }
}

// One or the other: a test digit, or the pixels of a drawing, which come first where a link has both.
/** @param {View} view @param {Model} model */
export function digitOrDrawing(view, model) {
  bind(model, "pixels", () => model.get("pixels") && model.get("digit") >= 0 && set(model, { digit: -1 }), view.signal);
  bind(model, "digit", () => model.get("digit") >= 0 && model.get("pixels") && set(model, { pixels: "" }), view.signal);
}

// Paper to draw a digit on, at one's own pace. Returns { canvas, show, take, forget, count }: show(x) draws the strokes,
// or where there are none the image x, faint unless `ink` is 1; take(n) keeps the first n strokes; forget() has none, as
// when a digit is chosen. onDrawn(pixels) is called with what a model sees of each change, as imageText has it.
/** @param {{ onDrawn: (pixels: string) => void, className?: string, ink?: number }} what */
export function paper({ onDrawn, className = "vw-paper", ink = 0.12 }) {
  const PEN = 0.12; // of the digit's longer side: the strokes of MNIST are that wide
  const LEAST = 0.25; // of the canvas: a drawing that is smaller stays small
  const FINE = 140; // pixels of the drawing that is scaled down
  const canvas = h("canvas", { class: className, role: "img" });
  /** @type {Stroke[]} */
  let strokes = []; // each a list of [x, y], in units of the canvas

  // A stroke as a line through many points: from middle to middle, bent towards the point between them, without corners.
  /** @type {(points: Stroke) => Stroke} */
  function smooth(points) {
    const line = [points[0]];
    points.slice(1, -1).forEach(([x, y], i) => {
      const [x0, y0] = line.at(-1),
        [x1, y1] = [0, 1].map((k) => (points[i + 1][k] + points[i + 2][k]) / 2);
      for (const t of [0.25, 0.5, 0.75, 1]) {
        const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
        line.push([a * x0 + b * x + c * x1, a * y0 + b * y + c * y1]);
      }
    });
    line.push(points.at(-1));
    return line;
  }

  /** @param {CanvasRenderingContext2D} context @param {number} side @param {number} pen */
  function trace(context, side, pen) {
    context.lineWidth = pen;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = INK;
    for (const points of strokes) {
      const line = smooth(points);
      context.beginPath();
      context.moveTo(line[0][0] * side, line[0][1] * side);
      for (const [x, y] of line) context.lineTo(x * side + 0.01, y * side); // a line to where it is would leave no dot
      context.stroke();
    }
  }

  // The ink of the strokes, side x side numbers from 0 to 1, `scale` pixels a unit and shifted by `shift`. It is computed
  // and not read from a canvas, which not every browser lets a page read.
  /** @type {(side: number, scale: number, shift: number, pen: number) => Float32Array} */
  function inkOf(side, scale, shift, pen) {
    const ink = new Float32Array(side * side),
      reach = pen / 2 + 0.5;
    for (const line of strokes.map(smooth)) {
      line.forEach(([x, y], i) => {
        const [ax, ay] = [x * scale + shift, y * scale + shift];
        const [bx, by] = (line[i + 1] ?? line[i]).map((value) => value * scale + shift);
        const squared = (bx - ax) ** 2 + (by - ay) ** 2;
        const [left, right] = [
          Math.max(0, Math.floor(Math.min(ax, bx) - reach)),
          Math.min(side - 1, Math.ceil(Math.max(ax, bx) + reach)),
        ];
        const [top, bottom] = [
          Math.max(0, Math.floor(Math.min(ay, by) - reach)),
          Math.min(side - 1, Math.ceil(Math.max(ay, by) + reach)),
        ];
        for (let row = top; row <= bottom; row++) {
          for (let column = left; column <= right; column++) {
            const [dx, dy] = [column + 0.5 - ax, row + 0.5 - ay];
            const t = squared ? Math.min(1, Math.max(0, (dx * (bx - ax) + dy * (by - ay)) / squared)) : 0;
            const covered = reach - Math.hypot(dx - t * (bx - ax), dy - t * (by - ay));
            if (covered > ink[row * side + column]) ink[row * side + column] = Math.min(1, covered);
          }
        }
      });
    }
    return ink;
  }

  // What the model sees of the strokes. The pen is as wide as MNIST's however large the drawing is.
  function normalised() {
    const side = 1.2 * FINE;
    const extent = [0, 1]
      .map((i) => strokes.flat().map((point) => point[i]))
      .map((all) => Math.max(...all) - Math.min(...all));
    const longer = Math.max(LEAST, ...extent) * FINE;
    return centreDigit(inkOf(side, FINE, 0.1 * FINE, (PEN * longer) / (1 - PEN)), side, side, LEAST * FINE).map(
      (value) => (value >= 0.5 ? 1 : 0),
    );
  }

  /** @param {Stroke[]} next */
  function keep(next) {
    strokes = next;
    onDrawn(strokes.length ? imageText(normalised()) : "");
  }

  /** @type {(event: PointerEvent) => Stroke} */
  function pointsOf(event) {
    const box = canvas.getBoundingClientRect();
    /** @param {number} value */
    const inside = (value) => Math.min(1, Math.max(0, value));
    const events = event.getCoalescedEvents?.() ?? [];
    return (events.length ? events : [event]).map((e) => [
      inside((e.clientX - box.left) / box.width),
      inside((e.clientY - box.top) / box.height),
    ]);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    keep([...strokes, pointsOf(event)]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    strokes.at(-1).push(...pointsOf(event));
    keep(strokes);
  });

  /** @param {Numbers} x */
  function show(x, strokesToo = true) {
    const ratio = enlarged(canvas) * (window.devicePixelRatio || 1);
    const side = canvas.clientWidth || 256;
    if (canvas.width !== Math.round(side * ratio)) canvas.width = canvas.height = Math.round(side * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, side, side);
    if (strokes.length && strokesToo) return trace(context, side, 0.08 * side);
    context.globalAlpha = ink;
    const picture = digit();
    paint(picture, x);
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, side, side);
    context.globalAlpha = 1;
    if (ink === 1) return;
    context.fillStyle = COLOURS.muted;
    context.font = "16px sans-serif";
    context.textAlign = "center";
    context.fillText("Draw a digit here", side / 2, 26);
  }

  return {
    canvas,
    show,
    /** @param {number} n */
    take: (n) => n !== strokes.length && keep(strokes.slice(0, n)),
    forget() {
      strokes = [];
    },
    count: () => strokes.length,
  };
}
