// A real digit: its exact posterior over the plane, and an ellipse, q(z|x), laid over it. Both gaps in nats.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

/** @type {Render} */
async function renderPosteriorEllipse({ model, el }) {
  const REACH = 2.2; // so many standard deviations of q have to be in the picture
  const AMORTISATION = `color-mix(in srgb, ${ui.COLOURS.gap} 45%, transparent)`; // a part of the gap
  const FINEST = 0.8; // least width of q, in spacings of the grid: a Gaussian is summed to 1 part in 100,000 there
  const decoder = await ui.network(model, "decoder");
  const logJoints = ui.floats(model.get("log_joint"));
  const digits = ui.digitsOf(model.get("digits"), model.get("raster"));
  const labels = model.get("labels");
  const view = ui.frame(model, el, "A digit's posterior, and q");

  // --- the arithmetic: sums over the window, in which q is the product of one Gaussian for each axis ---

  // The picture is the inner half of a window, K spacings to each side of its middle; the window has 4 K + 1 points.
  let start = 0;
  const windows = model.get("windows").map(([middle1, middle2, step, K]) => {
    const N = 4 * K + 1;
    const joint = logJoints.subarray(start, start + N * N);
    start += N * N;
    return {
      joint,
      step,
      K,
      N,
      half: K * step,
      centre: [middle1, middle2],
      axes: [middle1, middle2].map((middle) => Float64Array.from({ length: N }, (_, i) => middle + (i - 2 * K) * step)),
      logPx: engine.logMeanExp(joint) + 2 * Math.log(N * step),
    };
  });

  /** @param {Pane} window @param {number[]} m @param {number[]} sd */
  function bound({ joint, axes, N, logPx }, m, sd) {
    const [logA, logB] = axes.map((z, j) => engine.logNormal(z, [m[j]], [sd[j] ** 2], 1, N));
    const [a, b] = [logA, logB].map((logs) => {
      const weights = logs.map(Math.exp);
      const total = weights.reduce((sum, weight) => sum + weight);
      return weights.map((weight) => weight / total);
    });
    let [elbo, kl] = [0, 0];
    for (let i = 0; i < N; i++) {
      if (a[i] < 1e-16) continue;
      for (let j = 0; j < N; j++) {
        const q = a[i] * b[j];
        const logQ = logA[i] + logB[j];
        elbo += q * (joint[N * i + j] - logQ);
        kl += q * (logQ - (joint[N * i + j] - logPx));
      }
    }
    return { elbo, kl };
  }

  /** @type {(four: number[]) => [m: number[], sd: number[]]} */
  const split = (four) => [four.slice(0, 2), four.slice(2)];
  /** @type {Map<number, { encoder: Bound, best: Bound, shade: HTMLCanvasElement }>} */
  const known = new Map(); // digit -> the ELBOs of the encoder's q and of the best

  /** @param {number} digit */
  function ofDigit(digit) {
    if (!known.has(digit)) {
      const [encoder, best] = ["encoder", "best"].map((trait) =>
        bound(windows[digit], ...split(model.get(trait)[digit])),
      );
      known.set(digit, { encoder, best, shade: shade(windows[digit]) });
    }
    return known.get(digit);
  }

  // The posterior as ink. The logarithm is interpolated by cubics between the points, four times as fine.
  /** @param {Pane} window */
  function shade({ joint, K, N }) {
    const fine = 8 * K + 1;
    const weights = [0, 1, 2, 3].map((quarter) => {
      const t = quarter / 4;
      return [
        -t + 2 * t ** 2 - t ** 3,
        2 - 5 * t ** 2 + 3 * t ** 3,
        t + 4 * t ** 2 - 3 * t ** 3,
        -(t ** 2) + t ** 3,
      ].map((w) => w / 2);
    });
    /** @param {(i: number) => number} value @param {number} k */
    const along = (value, k) => {
      const at = K + (k >> 2);
      const w = weights[k & 3];
      return w[0] * value(at - 1) + w[1] * value(at) + w[2] * value(at + 1) + w[3] * value(at + 2);
    };
    const half = ui
      .range(N)
      .map((i) => Float64Array.from({ length: fine }, (_, k) => along((j) => joint[N * i + j], k)));
    const values = ui
      .range(fine)
      .map((k) => Float64Array.from({ length: fine }, (_, l) => along((i) => half[i][l], k)));
    const top = Math.max(...values.map((row) => Math.max(...row)));
    const ink = new Float32Array(fine * fine);
    for (let k = 0; k < fine; k++)
      for (let l = 0; l < fine; l++) ink[fine * (fine - 1 - l) + k] = 0.75 * Math.exp(values[k][l] - top);
    const canvas = ui.digit("", [fine, fine]);
    ui.paint(canvas, ink);
    return canvas;
  }

  // q in bounds: with its ellipse in the picture. Of m and sd, the one that has just been moved gives way.
  let before = { digit: -1, m: [0, 0] };
  function inBounds() {
    const { centre, half, step } = windows[model.get("digit")];
    /** @param {number} value @param {number} low @param {number} high */
    const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
    const still = before.digit === model.get("digit") && String(before.m) === String(model.get("m"));
    let sd = model.get("sd").map((value) => clamp(value, FINEST * step, half / REACH));
    if (still)
      sd = sd.map((value, j) => clamp(value, FINEST * step, (half - Math.abs(model.get("m")[j] - centre[j])) / REACH));
    const m = model.get("m").map((/** @type {number} */ value, /** @type {number} */ j) => {
      const room = half - REACH * sd[j];
      return clamp(value, centre[j] - room, centre[j] + room);
    });
    return { m, sd };
  }

  // --- what is on the page ---

  const plane = ui.plane({ extent: 1, draw, onDrag, signal: view.signal, label: "The plane of the two latents" });
  const bars = ui.bars({ count: 3, label: "log p(x), split in ELBO and KL" });
  const numbers = ui.numbers([
    ["log_px", "log p(x), exact", "truth"],
    ["elbo", "ELBO of your q", "elbo"],
    ["kl", "KL(your q‖p(z∣x))", "gap"],
    ["approximation", "approximation gap", "gap"],
    ["amortisation", "amortisation gap", AMORTISATION],
  ]);
  const bestKey = ui.keys([["q", "the best q, dotted", true]]);
  const toBest = ui.button("Best q", () => take("best"));
  const digit = ui.digit("small", model.get("raster"));
  const drawn = ui.digit("small", model.get("raster"));
  const here = () => windows[model.get("digit")];
  /** @param {string} trait @param {number} index @param {string} name @param {string} [label] */
  const slider = (trait, index, name, label) =>
    ui.slider(view, model, {
      trait,
      index,
      name,
      label,
      step: trait === "m" ? 0.01 : 0.002,
      digits: trait === "m" ? 2 : 3,
      limits: () => {
        const { centre, half, step } = here();
        return trait === "m" ? [centre[index] - half, centre[index] + half] : [FINEST * step, half / REACH];
      },
    });
  /** @param {string} trait */
  const take = (trait) => {
    const [m, sd] = split(model.get(trait)[model.get("digit")]);
    ui.set(model, { m, sd });
  };
  view.body.append(
    ui.digitChoice(view, model, digits, { labels }),
    ui.h(
      "div",
      { class: "vw-row" },
      ui.h(
        "div",
        { class: "vw-grow vw-column", style: "max-width: 26rem" },
        plane.canvas,
        ui.h(
          "div",
          { style: "--vw-label: 5rem" },
          slider("m", 0, "mean, z₁"),
          slider("m", 1, "mean, z₂"),
          slider("sd", 0, "width, z₁", "standard deviation of q along z₁"),
          slider("sd", 1, "width, z₂", "standard deviation of q along z₂"),
        ),
        ui.keys([
          ["truth", "exact posterior p(z∣x)"],
          ["q", "your q"],
          ["q", "the encoder’s q", true],
        ]),
        bestKey,
        ui.h(
          "p",
          { class: "vw-heading" },
          "Drag the middle, or a square. The ellipses lie 1 and 2 standard deviations out.",
        ),
      ),
      ui.h(
        "div",
        { class: "vw-grow vw-column" },
        bars.svg,
        ui.h(
          "div",
          { class: "vw-pair" },
          ui.captioned(digit, "the digit, x"),
          ui.captioned(drawn, "what q’s mean draws"),
        ),
        ui.h(
          "div",
          { class: "vw-buttons" },
          ui.button("The encoder’s q", () => take("encoder")),
          ui.answerButton(view, model, "the best q", [
            bestKey,
            toBest,
            numbers.rows.approximation,
            numbers.rows.amortisation,
          ]),
          toBest,
        ),
        numbers.table,
      ),
    ),
  );

  // Another digit, and q starts from the encoder's answer.
  const restart = () => take("encoder");
  model.on("change:digit", restart);
  view.signal.addEventListener("abort", () => model.off("change:digit", restart));

  // --- the pointer, on a plane from -1 to 1 ---

  /** @type {number | null} */
  let held; // the axis whose width is dragged; null for the mean
  /** @param {[number, number]} place @param {boolean} started */
  function onDrag(place, started) {
    const { centre, half } = here();
    const [m, sd] = [model.get("m"), model.get("sd")];
    const z = place.map((value, j) => centre[j] + half * value);
    if (started) {
      /** @param {number[]} at */
      const distance = (at) => Math.hypot(z[0] - at[0], z[1] - at[1]);
      const handles = [m, [m[0] + 2 * sd[0], m[1]], [m[0], m[1] + 2 * sd[1]]];
      const nearest = handles.reduce((best, at, i) => (distance(at) < distance(handles[best]) ? i : best), 0);
      held = nearest > 0 && distance(handles[nearest]) < 0.12 * half ? nearest - 1 : null;
    }
    /** @param {number} value */
    const round = (value) => Math.round(value * 1000) / 1000;
    if (held === null) ui.set(model, { m: z.map(round) });
    else ui.setAt(model, "sd", held, round(Math.max(1e-3, (z[held] - m[held]) / 2)));
  }

  // --- drawing ---

  /** @param {CanvasRenderingContext2D} context @param {Place} place @param {number} scale */
  function draw(context, place, scale) {
    const { centre, half } = here();
    const chosen = model.get("digit");
    /** @param {number} z1 @param {number} z2 */
    const at = (z1, z2) => place((z1 - centre[0]) / half, (z2 - centre[1]) / half);
    const side = 2 * scale;
    const spread = 0.5 / (8 * here().K + 1); // the picture's pixels are centred on their points
    context.imageSmoothingEnabled = true;
    context.drawImage(
      ofDigit(chosen).shade,
      -spread * side,
      -spread * side,
      side * (1 + 2 * spread),
      side * (1 + 2 * spread),
    );
    context.strokeStyle = ui.COLOURS.line;
    context.lineWidth = 1;
    context.strokeRect(0.5, 0.5, side - 1, side - 1);

    context.font = "12px sans-serif";
    context.fillStyle = ui.COLOURS.muted;
    const [x0, x1] = [centre[0] - half, centre[0] + half];
    const [y0, y1] = [centre[1] - half, centre[1] + half];
    /** @param {number} value */
    const tick = (value) => String(+value.toPrecision(4)).replace("-", "−");
    for (const t of ui.niceTicks(x0, x1, 4)) {
      const [x] = at(t, 0);
      if (x < 30 || x > side - 16) continue;
      context.textAlign = "center";
      context.fillText(tick(t), x, side - 9);
      context.fillRect(x - 0.5, side - 5, 1, 5);
    }
    for (const t of ui.niceTicks(y0, y1, 4)) {
      const [, y] = at(0, t);
      if (y < 30 || y > side - 26) continue;
      context.textAlign = "left";
      context.fillText(tick(t), 11, y + 4);
      context.fillRect(0, y - 0.5, 5, 1);
    }
    context.font = "italic 13px serif";
    context.textAlign = "right";
    context.fillText("z₁", side - 8, side - 10);
    context.textAlign = "left";
    context.fillText("z₂", 8, 17);

    /** @type {(code: number[][], radius: number) => void} */
    const ellipse = ([m, sd], radius) => {
      context.beginPath();
      context.ellipse(
        ...at(m[0], m[1]),
        (radius * sd[0] * scale) / half,
        (radius * sd[1] * scale) / half,
        0,
        0,
        2 * Math.PI,
      );
      context.stroke();
    };
    /** @param {string} trait @param {number[]} dashes */
    const outline = (trait, dashes) => {
      context.setLineDash(dashes);
      context.lineWidth = 1.8;
      context.strokeStyle = ui.COLOURS.q;
      for (const radius of [1, 2]) ellipse(split(model.get(trait)[chosen]), radius);
      context.setLineDash([]);
    };
    outline("encoder", [7, 4]);
    if (model.get("answer")) outline("best", [2, 3]);
    const { m, sd } = inBounds();
    /** @type {[number, string][]} */
    const strokes = [
      [5, "#fff"],
      [2.8, ui.COLOURS.q],
    ];
    for (const [width, colour] of strokes) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      for (const radius of [1, 2]) ellipse([m, sd], radius);
    }
    context.fillStyle = ui.COLOURS.q;
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5;
    for (const [x, y] of [at(m[0] + 2 * sd[0], m[1]), at(m[0], m[1] + 2 * sd[1])]) {
      context.fillRect(x - 6, y - 6, 12, 12);
      context.strokeRect(x - 6, y - 6, 12, 12);
    }
    context.beginPath();
    context.arc(...at(m[0], m[1]), 6.5, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }

  function update() {
    const chosen = model.get("digit");
    const { m, sd } = inBounds();
    before = { digit: chosen, m };
    if (String([m, sd]) !== String([model.get("m"), model.get("sd")])) ui.set(model, { m, sd });
    const { logPx } = here();
    const { encoder, best } = ofDigit(chosen);
    const { elbo, kl } = bound(here(), m, sd);
    numbers.show({ log_px: logPx, elbo, kl, approximation: logPx - best.elbo, amortisation: best.elbo - encoder.elbo });
    ui.paint(digit, digits[chosen]);
    digit.setAttribute("aria-label", `Test digit, a ${labels[chosen]}`);
    ui.paint(drawn, engine.ink(decoder, engine.forward(decoder, Float32Array.from(m))));
    plane.redraw();

    const f = ui.format,
      shown = model.get("answer");
    const low = logPx - ui.reach(encoder.kl); // of the digit alone: whatever q is, log p(x) stands still
    /** @param {number} value */
    /** @type {(value: number) => Bar} */
    const bar = (value) => [low, value, "elbo", `ELBO ${f(value)}`];
    /** @type {Bar[]} */
    const lost = shown
      ? [
          [encoder.elbo, best.elbo, AMORTISATION],
          [best.elbo, logPx, "gap"],
        ]
      : [[encoder.elbo, logPx, "gap"]];
    /** @type {(name: string, found: Bound, ...gaps: Bar[]) => Bars["rows"][number]} */
    const row = (name, found, ...gaps) => ({ name, parts: [bar(found.elbo), ...gaps], note: `KL ${f(found.kl)}` });
    bars.show({
      low,
      high: logPx + 0.02 * (logPx - low),
      mark: [logPx, `log p(x) = ${f(logPx)}`],
      rows: [
        row("the encoder’s q", encoder, ...lost),
        row("your q", { elbo, kl }, [elbo, logPx, "gap"]),
        ...(shown ? [row("the best q", best, [best.elbo, logPx, "gap"])] : []),
      ],
    });
    const at = m.map((/** @type {number} */ value) => f(value)).join(", ");
    const words =
      `q with mean (${at}) and standard deviations ${sd.map((value) => f(value, 3)).join(" and ")}: ` +
      `log p(x) ${f(logPx)} = ELBO ${f(elbo)} + KL ${f(kl)} nats`;
    drawn.setAttribute("aria-label", `The digit that z = (${at}) decodes to`);
    plane.canvas.setAttribute("aria-label", `The exact posterior of a ${labels[chosen]}, and ${words}`);
    bars.svg.setAttribute(
      "aria-label",
      `Bars: KL ${f(encoder.kl)} for the encoder's q, ${f(kl)} for yours` +
        (shown ? `, ${f(best.kl)} for the best` : ""),
    );
    view.say(words);
  }

  view.watch(["digit", "m", "sd", "answer"], update);
  return view.stop;
}

export default { render: renderPosteriorEllipse };
