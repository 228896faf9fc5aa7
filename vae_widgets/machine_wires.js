// Wires between the parts of the machine, and what moves along them: one canvas over all of it.

import * as ui from "./ui.js";

const { rec: GREEN, kl: ORANGE, elbo: BLUE, q: PURPLE, muted: MUTED } = ui.COLOURS;

// The elements that the wires go between are in `places`; numbers: { key: { element } }; extent: of the plane, both ways.
// Returns { measure, ready, of, draw }: of(seen, on) says what is shown, and which of its pixels are on; draw(step, t) draws
// the share t of a step's motion, once measure() has found where everything is.

/**
 * @param {object} what
 * @param {HTMLElement} what.stage
 * @param {HTMLCanvasElement} what.over
 * @param {SVGSVGElement} what.map
 * @param {Record<string, HTMLElement>} what.places
 * @param {HTMLElement} what.painted
 * @param {HTMLElement} what.cost
 * @param {Record<string, { element: HTMLElement }>} what.numbers
 * @param {HTMLElement} what.paper
 * @param {number} what.extent
 */
export function wires({ stage, over, map, places, painted, cost, numbers, paper, extent }) {
  /** @type {Record<string, Box>} */
  let at = {}; // places in the stage
  /** @type {Box[]} */
  let ofNumbers = [];
  let [width, height] = [0, 0]; // of the stage
  /** @type {Seen} */
  let seen; // what is shown, as the machine made it
  /** @type {{ on: number[], lit: number[], dear: number[] }} */
  let swarm; // the pixels of it that fly
  /** @param {number} t */
  const ease = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2);
  /** @param {number} t @param {number} from @param {number} to */
  const span = (t, from, to) => Math.min(1, Math.max(0, (t - from) / (to - from)));
  /** @type {(from: Point, to: Point, t: number) => Point} */
  const mix = ([ax, ay], [bx, by], t) => [ax + (bx - ax) * t, ay + (by - ay) * t];

  function measure() {
    const origin = stage.getBoundingClientRect();
    /** @type {(element: Element) => Box} */
    const boxOf = (element) => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      const [l, t, r, b] = [left - origin.left, top - origin.top, right - origin.left, bottom - origin.top];
      return { left: l, top: t, right: r, bottom: b, x: (l + r) / 2, y: (t + b) / 2 };
    };
    [at, width, height] = [{}, origin.width, origin.height];
    /** @type {Record<string, Element>} */
    const elements = {
      x: paper,
      encoder: places.encoder,
      code: places.code,
      noise: places.noise,
      plane: map,
      decoder: places.decoder,
      painted,
      cost,
      shown: places.painted,
      land: places.plane,
      rec: places.rec.children[1],
      kl: places.kl.children[1],
      elbo: places.elbo.children[1],
    };
    for (const [name, element] of Object.entries(elements)) at[name] = boxOf(element);
    ofNumbers = ["m1", "m2", "v1", "v2", "eps1", "eps2"].map((key) => boxOf(numbers[key].element));
    const ratio = window.devicePixelRatio || 1;
    [over.width, over.height] = [width, height].map((side) => Math.round(side * ratio));
  }

  // A wire from one place to the next, as the four points of a curve, from the sides that face each other.
  /** @type {(from: string, to: string) => [Point, Point, Point, Point]} */
  function wire(from, to) {
    const [a, b] = [at[from], at[to]],
      near = 6;
    if (b.left >= a.right - near || b.right <= a.left + near) {
      const [x0, x1] = b.left >= a.right - near ? [a.right, b.left] : [a.left, b.right],
        middle = (x0 + x1) / 2;
      const y0 = Math.min(a.bottom, Math.max(a.top, a.y)),
        y1 = Math.min(b.bottom - 8, Math.max(b.top + 8, b.top <= y0 && y0 <= b.bottom ? y0 : b.y));
      return [
        [x0, y0],
        [middle, y0],
        [middle, y1],
        [x1, y1],
      ];
    }
    const [y0, y1] = b.top >= a.bottom - near ? [a.bottom, b.top] : [a.top, b.bottom],
      middle = (y0 + y1) / 2;
    const x0 = b.left <= a.x && a.x <= b.right ? a.x : a.left <= b.x && b.x <= a.right ? b.x : a.x;
    const x1 = b.left <= x0 && x0 <= b.right ? x0 : b.x;
    return [
      [x0, y0],
      [x0, middle],
      [x1, middle],
      [x1, y1],
    ];
  }

  /** @type {(wire: [Point, Point, Point, Point], t: number) => Point} */
  const along = ([a, b, c, d], t) => mix(mix(mix(a, b, t), mix(b, c, t), t), mix(mix(b, c, t), mix(c, d, t), t), t);

  /** @type {(z: ArrayLike<number>) => Point} */
  const onPlane = (z) => {
    const [z1, z2] = Array.from(z);
    const { left, right, top, bottom } = at.plane,
      /** @param {number} value */
      /** @param {number} value */
      /** @param {number} value */
      /** @param {number} value */
      /** @param {number} value */
      inside = (/** @type {number} */ value) => Math.min(1, Math.max(-1, value / extent));
    return [left + ((1 + inside(z1)) / 2) * (right - left), top + ((1 - inside(z2)) / 2) * (bottom - top)];
  };

  // The middle of a pixel in a picture, and the side of one.
  /** @type {(name: string, i: number) => Point} */
  const pixel = (name, i) => {
    const { left, top, right, bottom } = at[name];
    return [left + (((i % 28) + 0.5) / 28) * (right - left), top + ((Math.floor(i / 28) + 0.5) / 28) * (bottom - top)];
  };
  /** @param {string} name */
  const sizeOf = (name) => (at[name].right - at[name].left) / 28;

  /** @param {number} step @param {number} t */
  function draw(step, t) {
    const context = over.getContext("2d"),
      ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    /** @param {number} from */
    const done = (from, share = 0) => step > from || (step === from && t >= share);
    /** @param {[Point, Point, Point, Point]} points @param {string} colour @param {number} width */
    const curve = (points, colour, width) => {
      const [a, b, c, d] = points;
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...a);
      context.bezierCurveTo(...b, ...c, ...d);
      context.stroke();
      const [x, y] = along(points, 0.94),
        length = Math.hypot(d[0] - x, d[1] - y) || 1,
        [ux, uy] = [(d[0] - x) / length, (d[1] - y) / length];
      context.fillStyle = colour;
      context.beginPath();
      context.moveTo(...d);
      context.lineTo(d[0] - 6 * ux - 3.2 * uy, d[1] - 6 * uy + 3.2 * ux);
      context.lineTo(d[0] - 6 * ux + 3.2 * uy, d[1] - 6 * uy - 3.2 * ux);
      context.fill();
    };
    const down = at.decoder.top > at.plane.bottom ? "land" : "plane"; // below the words that stand under it
    /** @type {[string, string, number, number, string][]} */
    const wires = [
      ["x", "encoder", 1, 0.2, MUTED],
      ["encoder", "code", 1, 0.8, PURPLE],
      ["noise", "plane", 3, 0, MUTED],
      ["code", "plane", 3, 0, PURPLE],
      [down, "decoder", 4, 0, PURPLE],
      ["decoder", "painted", 4, 0.5, MUTED],
      ["shown", "cost", 5, 0.2, GREEN],
    ];
    for (const [from, to, when, share, colour] of wires)
      curve(wire(from, to), done(when, share) ? colour : ui.COLOURS.line, done(when, share) ? 1.8 : 1.2);

    // Where one bar ends, the next one begins; and the last one ends where both do.
    /** @param {string} from @param {string} to @param {number} x @param {string} colour */
    const ruler = (from, to, x, colour) => {
      context.strokeStyle = colour;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, at[from].bottom);
      context.lineTo(x, at[to].top);
      context.stroke();
    };
    if (done(6, 0.5)) ruler("rec", "kl", barAt("kl"), ORANGE);
    if (done(7, 0.2)) ruler("kl", "elbo", barAt("kl", 1), BLUE);

    /** @type {(place: Point, radius: number, colour: string, alpha?: number) => void} */
    const dot = ([x, y], radius, colour, alpha = 1) => {
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
      context.globalAlpha = 1;
    };
    /** @type {(place: Point, side: number, colour: string, alpha: number) => void} */
    const square = ([x, y], side, colour, alpha) => {
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.fillRect(x - side / 2, y - side / 2, side, side);
      context.globalAlpha = 1;
    };

    const { m, z } = seen,
      [first, last] = [onPlane(m), onPlane(z)];
    if (step === 1 && t < 1) {
      const [, , , into] = wire("x", "encoder"),
        [out] = wire("encoder", "code"),
        side = sizeOf("x");
      const half = 0.4 * (at.encoder.bottom - at.encoder.top);
      for (const i of swarm.on) {
        const late = 0.3 * (1 - (i % 28) / 27),
          own = span(t, late, late + 0.55);
        if (own <= 0 || own >= 1) continue;
        const start = pixel("x", i);
        /** @type {Point} */
        const door = [into[0], at.encoder.y + half * ((2 * Math.floor(i / 28)) / 27 - 1)];
        const place = own < 0.5 ? mix(start, door, ease(own / 0.5)) : mix(door, out, ease((own - 0.5) / 0.5));
        square(place, side * (1 - 0.6 * own), ui.INK, 1 - 0.5 * own);
      }
      ofNumbers.slice(0, 4).forEach((to, i) => {
        const own = ease(span(t, 0.62 + 0.05 * i, 0.88 + 0.03 * i));
        if (own > 0 && own < 1) dot(mix(out, [to.x, to.y], own), 4, PURPLE);
      });
    }
    if (step === 2 && t < 0.72) {
      ofNumbers.slice(4).forEach((to, i) => {
        const own = span(t, 0.12 * i, 0.6 + 0.12 * i),
          fall = own ** 2;
        dot([to.x + 14 * Math.sin(9 * own + 3 * i) * (1 - own), -10 + (to.y + 10) * fall], 4, MUTED);
      });
    }
    if (step === 3 && t < 1) {
      const [mean, noise] = [ease(span(t, 0, 0.5)), ease(span(t, 0.1, 0.55))];
      if (mean < 1) dot(along(wire("code", "plane"), mean), 5, PURPLE);
      if (noise < 1) dot(along(wire("noise", "plane"), noise), 4, MUTED);
      const slide = ease(span(t, 0.5, 0.9));
      if (mean >= 1 || t > 0.45) {
        const middle = mix(first, last, slide);
        away(middle, 0.35 + 0.65 * slide);
        const ripple = span(t, 0.8, 1);
        if (ripple > 0 && ripple < 1) {
          context.globalAlpha = 1 - ripple;
          context.strokeStyle = PURPLE;
          context.beginPath();
          context.arc(...last, 7 + 22 * ripple, 0, 2 * Math.PI);
          context.stroke();
          context.globalAlpha = 1;
        }
      }
    }
    // z, and how far the noise took it from m.
    /** @param {Point} z @param {number} [size] */
    function away(z, size) {
      dot(first, 2.5, PURPLE);
      context.strokeStyle = MUTED;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(...first);
      context.lineTo(...z);
      context.stroke();
      mark(z, size);
    }
    /** @param {Point} what */
    function mark([x, y], size = 1) {
      /** @type {[number, string][]} */
      const strokes = [
        [5, "#fff"],
        [2.5, PURPLE],
      ];
      for (const [width, colour] of strokes) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.beginPath();
        context.arc(x, y, 5.5 * size, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    if (done(4) || (step === 3 && t >= 1)) {
      away(last);
    }
    if (step === 4 && t < 1) {
      const [start, , , into] = wire(down, "decoder"),
        [out] = wire("decoder", "painted"),
        side = sizeOf("painted");
      const going = span(t, 0, 0.4);
      if (going < 1)
        dot(
          going < 0.55
            ? mix(last, start, ease(going / 0.55))
            : along(wire(down, "decoder"), ease((going - 0.55) / 0.45)),
          5,
          PURPLE,
        );
      const inside = span(t, 0.38, 0.55);
      if (inside > 0 && inside < 1) dot(mix(into, out, inside), 5 - 2 * inside, PURPLE);
      for (const i of swarm.lit) {
        const late = 0.5 + 0.16 * (((i * 37) % 101) / 101),
          own = ease(span(t, late, late + 0.32));
        if (own > 0)
          square(mix(out, pixel("painted", i), own), side * (0.4 + 0.6 * own), ui.INK, seen.ink[i] * (0.3 + 0.7 * own));
      }
    }
    if (step === 5 && t < 1) {
      const side = sizeOf("cost");
      /** @type {Point} */
      const end = [at.rec.left, at.rec.y];
      const bring = ease(span(t, 0, 0.5));
      if (bring < 1) {
        for (const i of swarm.on)
          square(bend(pixel("x", i), pixel("cost", i), bring), side, ui.INK, 0.5 * (1 - bring) + 0.1);
        for (const i of swarm.lit)
          square(mix(pixel("painted", i), pixel("cost", i), bring), side, GREEN, 0.7 * seen.ink[i]);
      }
      swarm.dear.forEach((i, n) => {
        const own = span(t, 0.5 + 0.2 * (n / swarm.dear.length), 0.8 + 0.2 * (n / swarm.dear.length));
        if (own > 0 && own < 1) dot(mix(pixel("cost", i), end, ease(own)), 2, GREEN, 0.8);
      });
    }
    if (step === 6 && t < 0.6) {
      /** @type {Point} */
      const end = [barAt("kl"), at.kl.y];
      for (const i of ui.range(14)) {
        const angle = (2 * Math.PI * i) / 14,
          own = ease(span(t, 0.01 * i, 0.42 + 0.01 * i));
        /** @type {Point} */
        const rim = [first[0] + 10 * Math.cos(angle), first[1] + 10 * Math.sin(angle)];
        if (own < 1) dot(mix(rim, end, own), 2.5, ORANGE);
      }
    }
    if (step === 7 && t < 0.5) {
      const own = ease(span(t, 0, 0.45));
      /** @type {Point} */
      const to = [at.elbo.left, at.elbo.y];
      for (const [name, colour] of [
        ["rec", GREEN],
        ["kl", ORANGE],
      ])
        dot(mix([barAt(name), at[name].y], to, own), 4, colour, 1 - own);
    }
  }

  // Where a bar begins, or with 1 ends.
  /** @param {string} name */
  function barAt(name, end = 0) {
    const [from, length] = ["--from", "--length"].map((property) => +places[name].style.getPropertyValue(property));
    return at[name].left + (from + end * length) * (at[name].right - at[name].left);
  }

  // From one picture to another, below what is between them.
  /** @type {(from: Point, to: Point, t: number) => Point} */
  const bend = (from, to, t) => {
    const [x, y] = mix(from, to, t);
    return [x, y + 46 * Math.sin(Math.PI * t) * (Math.abs(to[0] - from[0]) > 60 ? 1 : 0)];
  };

  /** @param {Seen} next @param {number[]} on */
  function of(next, on) {
    seen = next;
    swarm = {
      on,
      lit: ui.range(784).filter((i) => seen.ink[i] > 0.06),
      dear: ui.range(784).filter((i) => seen.prices[i] > 0.4),
    };
  }

  return { measure, ready: () => width > 0, of, draw };
}
