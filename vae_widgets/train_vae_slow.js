// Slow motion: one digit's way through a step of training, stage by stage.

import * as engine from "./engine.js";
import * as ui from "./ui.js";

// training: the run, as TrainVAE has it. redraw() draws the plane of codes anew, on which `drawOn` draws.
/** @param {View} view @param {Model} model @param {Training} training @param {() => void} redraw */
export function slowMotion(view, model, training, redraw) {
  const chosen = ui.h("div");
  const input = ui.digit("small"),
    output = ui.digit("small");
  const list = ui.h("ol", { class: "vw-train-stages" });
  const next = ui.button("Next: encode", advance, "primary");
  const part = ui.h(
    "details",
    { class: "vw-train-more" },
    ui.h("summary", {}, "Slow motion: one digit's way through a step"),
    ui.h(
      "div",
      { class: "vw-column" },
      chosen,
      ui.h(
        "div",
        { class: "vw-train-z" },
        ui.captioned(input, "x"),
        ui.captioned(output, "decoded"),
        ui.h(
          "p",
          { class: "vw-note" },
          "Each press takes one stage, and the plane above shows it; the weights stay as they are.",
        ),
      ),
      list,
      ui.h("div", { class: "vw-buttons" }, next),
    ),
  );
  let stage = 0,
    seed = 1;
  /** @type {Way | null} */
  let way = null;
  /** @type {Float32Array[] | null} */
  let digits = null;
  /** @param {number} value */
  const number = (value) => ui.format(value);
  /** @type {(values: Float32Array) => [number, number]} */
  const two = (values) => [values[way.pair[0]], values[way.pair[1]]]; // those of the plane
  /** @param {Float32Array} values */
  const pair = (values) => `(${two(values).map(number).join(", ")})`;
  const those = () =>
    way.m.length === 2
      ? ""
      : ` Shown are z${ui.subscript(way.pair[0] + 1)} and z${ui.subscript(way.pair[1] + 1)} of ${way.m.length} latents.`;
  const single = () =>
    way.samples === 1
      ? ""
      : ` This is the loss of one sample: at m = ${way.samples} a step draws ${way.samples}, and weighs each by its share of the sum of w.`;
  const NAMES = ["encode", "draw ε", "z = m + √v ε", "decode", "the loss", "the gradient", "again, with new ε"];
  /** @type {[keyof typeof ui.COLOURS, string, () => string][]} */
  const STAGES = [
    [
      "q",
      "encode",
      () =>
        `x goes into the encoder: m = ${pair(way.m)}, v = ${pair(way.v)}. The ellipse is q(z|x), one sd wide.${those()}`,
    ],
    ["prior", "draw ε", () => `ε = ${pair(way.eps)} from N(0, I), which no parameter is in.`],
    ["q", "z = m + √v ε", () => `z = ${pair(way.z)}: a draw from q, and a smooth function of m and v.`],
    ["rec", "decode", () => "z goes into the decoder: the probability of ink at each pixel."],
    [
      "kl",
      "the loss",
      () =>
        `rec ${number(way.rec)} + ${way.beta === 1 ? "" : `${way.beta} × `}KL ${number(way.kl)} = ${number(way.rec + way.beta * way.kl)} nats.${single()}`,
    ],
    [
      "truth",
      "the gradient",
      () =>
        `of the loss on m: ${pair(way.grad_m)}, of which rec's is ${pair(way.grad_z)} and the KL's ${pair(way.m.map((value) => way.beta * value))}; on v: ${pair(way.grad_v)}. The arrow is the way m would go, down the loss.`,
    ],
  ];

  // One test digit of each class, once there are any and somebody looks.
  function fill() {
    if (!part.open || !training.data || digits) return;
    digits = training.byLabel.map(([i]) => ui.digitsOf(training.data.test.subarray(98 * i, 98 * (i + 1)))[0]);
    chosen.replaceChildren(ui.digitChoice(view, model, digits, { labels: ui.range(10), legend: "Digit" }));
  }

  async function advance() {
    fill(); // a key can come before the event that tells of the opening
    if (!training.ready || !digits) return;
    if (training.playing) training.pause();
    if (stage === 6) [stage, seed] = [0, seed + 1];
    if (stage === 0) await trace();
    stage += 1;
    show();
  }

  async function trace() {
    const eps = engine.normals(seed).fill(new Float32Array(model.get("z_dim"))),
      samples = model.get("m");
    const beta = samples > 1 ? 1 : model.get("beta"),
      { steps, pair } = training.shown;
    way = {
      run: training.runs,
      steps,
      pair,
      samples,
      beta,
      eps,
      ...(await training.run.trace({ x: digits[model.get("digit")], noise: eps, beta })),
    };
  }

  function show() {
    const x = digits?.[model.get("digit")];
    if (x) {
      ui.paint(input, x);
      input.setAttribute("aria-label", `The test digit, a ${model.get("digit")}`);
    }
    ui.paint(output, stage >= 4 ? way.ink : new Float32Array(784));
    output.setAttribute("aria-label", stage >= 4 ? "What z decodes to" : "Not decoded yet");
    list.replaceChildren(
      ...STAGES.slice(0, stage).map(([colour, name, words]) =>
        ui.h(
          "li",
          {},
          ui.h("span", { class: "swatch", style: `--colour:${ui.COLOURS[colour]}` }),
          ui.h("strong", {}, `${name}: `),
          words(),
        ),
      ),
    );
    next.textContent = `Next: ${NAMES[stage]}`;
    redraw();
  }

  /** @type {(context: CanvasRenderingContext2D, place: Place, scale: number) => void} */
  function drawOn(context, place, scale) {
    if (!part.open || !stage) return;
    const [m, v, z, eps, grad_m] = [way.m, way.v, way.z, way.eps, way.grad_m].map(two),
      [x, y] = place(...m);
    /** @type {(at: [number, number], colour: string) => void} */
    const dot = (at, colour) => {
      context.fillStyle = colour;
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.beginPath();
      context.arc(...at, 5, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    };
    context.strokeStyle = ui.COLOURS.q;
    context.lineWidth = 3;
    context.beginPath();
    context.ellipse(x, y, scale * Math.sqrt(v[0]), scale * Math.sqrt(v[1]), 0, 0, 2 * Math.PI);
    context.stroke();
    dot([x, y], ui.COLOURS.q);
    if (stage === 2) dot(place(...eps), ui.COLOURS.prior);
    if (stage >= 3) dot(place(...z), ui.COLOURS.q);
    if (stage < 6) return;
    const length = Math.hypot(...grad_m),
      reach = Math.min(80, 14 + 6 * length) / (length || 1);
    const [toX, toY] = [x - grad_m[0] * reach, y + grad_m[1] * reach],
      angle = Math.atan2(toY - y, toX - x);
    context.strokeStyle = ui.INK;
    context.lineWidth = 3;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(toX, toY);
    for (const turn of [2.6, -2.6]) {
      context.moveTo(toX, toY);
      context.lineTo(toX + 10 * Math.cos(angle + turn), toY + 10 * Math.sin(angle + turn));
    }
    context.stroke();
  }

  // When the weights have changed, what was traced is of the past.
  function update() {
    if (!stage || (way.run === training.runs && way.steps === training.shown.steps)) return;
    stage = 0;
    show();
  }

  part.addEventListener("toggle", () => {
    fill();
    if (part.open) show();
  });
  model.on("change:digit", changed);
  view.signal.addEventListener("abort", () => model.off("change:digit", changed));
  function changed() {
    stage = 0;
    show();
  }
  return { part, fill, drawOn, update };
}
