// What is measured in a run of training: its numbers, and their curves over the steps.

import * as ui from "./ui.js";

/** @param {number} n */
export const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ","); // what browsers have for it costs the first picture 15 ms
/** @param {{ rec: number, kl: number }} held */
export const nelboOf = ({ rec, kl }) => rec + kl;
/** @param {{ exact?: number, estimate?: number }} held */
export const truthOf = ({ exact, estimate }) => exact ?? estimate;
/** @param {{ rec: number }} held */
const recOf = ({ rec }) => rec;

// Steps at which the axis may end, so that it stays for a while as it is.
const ENDS = ui.range(5).flatMap((power) => [20, 30, 40, 60, 80, 100, 150].map((size) => size * 10 ** power));

// The curves of a run, [{ steps, rec, kl, exact or estimate }], before those of the last one. Returns { part, draw, say, forget }:
// draw(curve, ghost, isExact); say(text) puts the picture in words; after forget() the axes are made anew.
export function curves() {
  const part = ui.h("div", { class: "vw-train-chart" });
  let chartOf = ""; // what the axes are of
  /** @type {ReturnType<typeof ui.axes> & { parts: Curve[] }} */
  let shapes; // what is drawn anew on them; parts: an element, and its values

  /** @param {Held[]} curve @param {Held[]} ghost @param {boolean} isExact */
  function draw(curve, ghost, isExact) {
    const last = [curve, ghost].map((points) => points.at(-1)).filter(Boolean);
    /** @param {Held[]} points */
    const lowest = (points) =>
      points.reduce((least, point) => Math.min(least, point.rec, truthOf(point) || Infinity), Infinity);
    const low = Math.floor(Math.min(lowest(curve), lowest(ghost)) / 5 - 0.4) * 5;
    const tops = last.map(nelboOf).filter((value) => value < low + 150);
    const high =
      curve.length < 2 && !ghost.length
        ? Math.ceil(nelboOf(curve[0]) / 20 + 0.5) * 20
        : Math.max(low + 60, ...tops.map((value) => 10 * Math.ceil(value / 10 + 1)));
    const furthest = Math.max(...last.map((point) => point.steps)),
      end = ENDS.find((size) => size >= furthest) ?? furthest;
    const of = `${low} ${high} ${end} ${curve.length > 1}`;
    if (of !== chartOf) newChart(curve, ghost, isExact, { low, high, end });
    chartOf = of;
    const { x, y, parts } = shapes;
    /** @type {(points: Held[], value: (held: Held) => number) => [number, number][]} */
    const places = (points, value) => points.map((point) => [x(point.steps), y(Math.min(value(point), 1e4))]);
    for (const [element, ...values] of parts) {
      const [there, back = []] = values.map((value) => places(curve, value));
      element.setAttribute("d", ui.path([...there, ...back.reverse()]) + (back.length ? "Z" : ""));
    }
  }

  // The axes, the last run on them, and what this run is drawn with.
  /**
   * @param {Held[]} curve
   * @param {Held[]} ghost
   * @param {boolean} isExact
   * @param {{ low: number, high: number, end: number }} ends
   */
  function newChart(curve, ghost, isExact, { low, high, end }) {
    const axes = ui.axes({
      width: 460,
      height: 290,
      right: 24,
      label: "",
      x: { min: 0, max: end, ticks: 4, label: "steps", format: count },
      y: { min: low, max: high, label: "nats a digit" },
      left: 58,
    });
    /** @type {(points: Held[], of: (held: Held) => number) => [number, number][]} */
    const places = (points, of) => points.map((point) => [axes.x(point.steps), axes.y(Math.min(of(point), 1e4))]);
    /** @param {string} fill @param {number} opacity */
    const area = (fill, opacity) => ui.s("path", { fill, opacity });
    /** @param {string} stroke @param {Attributes} [more] */
    const line = (stroke, more) => ui.s("path", { fill: "none", stroke, "stroke-width": 2, ...more });
    if (ghost.length) {
      const [there, exact] = [nelboOf, truthOf].map((of) => places(ghost, of)),
        thin = { "stroke-width": 1.3 };
      axes.plot.append(
        ui.s("path", { d: `${ui.path([...there, ...[...exact].reverse()])}Z`, fill: ui.COLOURS.line, opacity: 0.35 }),
        line(ui.COLOURS.muted, { d: ui.path(there), "stroke-dasharray": "5 3", ...thin }),
        line(ui.COLOURS.muted, { d: ui.path(exact), ...thin }),
      );
    }
    /** @type {Curve[]} */
    const parts = [
      [area(ui.COLOURS.kl, 0.14), nelboOf, recOf],
      [area(ui.COLOURS.gap, 0.4), nelboOf, truthOf],
      [line(ui.COLOURS.rec), recOf],
      [line(ui.COLOURS[isExact ? "truth" : "iwae"]), truthOf],
      [line(ui.COLOURS.elbo), nelboOf],
    ];
    axes.plot.append(...parts.map(([element]) => element));
    if (curve.length === 1) {
      // on the edge of the plot, which would cut them in half
      axes.svg.append(
        ...Object.entries({ rec: recOf, [isExact ? "truth" : "iwae"]: truthOf, elbo: nelboOf }).map(([colour, of]) =>
          ui.s("circle", { cx: axes.x(curve[0].steps), cy: axes.y(of(curve[0])), r: 4, fill: ui.colourOf(colour) }),
        ),
      );
    }
    part.replaceChildren(axes.svg);
    shapes = { ...axes, parts };
  }

  return {
    part,
    draw,
    /** @param {string} text */
    say: (text) => ui.put(shapes.svg, { "aria-label": text }),
    forget() {
      chartOf = "";
    },
  };
}
