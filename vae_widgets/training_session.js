// A session of training: training in turns, reports of it, answers to questions.

import { range } from "./training_code.js";
import { listsOf, ofBits, ofNibbles } from "./training_images.js";
import { create, run } from "./training_model.js";

const HELD = 64; // test digits on which the model is measured
const EVERY = 500; // ms between two measurements, in a run
const SHARE = 0.5; // ms of measuring for a ms of training, while both go on
const PAUSE = 20; // ms at least between two reports of a run
const SIDE = 15,
  EXTENT = 3; // the sheet of what z draws
const GRID = { n: 61, limit: 5 },
  FINE = { n: 121, limit: 6 }; // for log p(x): in a run, and when it pauses
export const SAMPLES = 100; // for log p(x) where there is no grid

const SHEET = Float32Array.from({ length: 2 * SIDE * SIDE }, (_, i) => {
  const place = i >> 1,
    [cell, sign] = i % 2 ? [Math.floor(place / SIDE), -1] : [place % SIDE, 1];
  return sign * EXTENT * ((2 * (cell + 0.5)) / SIDE - 1);
});

// post(message, buffers) sends; later(f) calls f when others have had their turn; slice: ms of work in a turn.
/**
 * @param {(message: any, buffers?: ArrayBuffer[]) => void} post
 * @param {(f: () => void) => void} later
 * @param {number} slice
 */
export function session(post, later, slice) {
  /** @type {Learner | null} */
  let model = null;
  /** @type {Uint8Array} */
  let images;
  /** @type {number[][]} */
  let shown;
  /** @type {Step} */
  let set = {};
  /** @type {Loss | null} */
  let last = null;
  let playing = false,
    waiting = false,
    drawn = true,
    finite = true;
  let report = 0,
    reported = -Infinity;
  /** @type {Generator<unknown, void> | null} */
  let task = null; // a report to be made, in turns, since to measure takes long
  // In a run a copy of the model is measured, between steps of the model itself.
  /** @type {Learner | null} */
  let gauge = null;
  /** @type {Generator<unknown, Held> | null} */
  let measuring = null;
  /** @type {Held | null} */
  let held = null;
  let measured = -Infinity,
    credit = 0;
  let spent = 0; // ms in steps
  let pair = [0, 1]; // the latents of the plane

  /** @param {Setup} setup */
  function begin({ hidden, z_dim = 2, activation, seed, weights }) {
    model = create({ images, hidden, z_dim, activation, seed, weights });
    [last, gauge, measuring, held, report, measured, finite, pair, spent] = [
      null,
      null,
      null,
      null,
      0,
      -Infinity,
      true,
      [0, 1],
      0,
    ];
    task = tell("now");
  }

  // when: "run", or "now", with all that there is.
  /** @type {(when: "now" | "run") => Generator<unknown, void>} */
  function* tell(when) {
    const now = when === "now",
      { m, v } = yield* model.codes(shown),
      { z_dim } = model.shape,
      begins = !now && mayMeasure();
    const nats = new Float64Array(z_dim); // of KL, a digit
    for (let i = 0; i < m.length; i++)
      nats[i % z_dim] += (0.5 * (v[i] + m[i] * m[i] - 1 - Math.log(v[i]))) / shown.length;
    if (now || begins)
      pair = range(z_dim, (j) => j)
        .sort((a, b) => nats[b] - nats[a] || a - b)
        .slice(0, 2)
        .sort((a, b) => a - b);
    /** @param {Float32Array} all */
    const two = (all) =>
      z_dim === 2
        ? all
        : Float32Array.from({ length: 2 * shown.length }, (_, i) => all[z_dim * (i >> 1) + pair[i & 1]]);
    /** @type {Report} */
    const out = {
      steps: model.steps,
      rec: NaN,
      kl: NaN,
      loss: NaN,
      ...last,
      codes: { m: two(m), v: two(v) },
      nats,
      pair,
      spent,
      finite,
    };
    if (now || report % 4 === 0) out.sheet = yield* model.pictures(inPlane(SHEET));
    report++;
    if (now) {
      [measuring, held] = [null, yield* measure(model, model.steps, FINE)];
      measured = performance.now();
    } else if (begins) {
      gauge ??= create({ images: new Uint8Array(), ...model.shape, weights: model.write() });
      gauge.copy(model);
      [measuring, measured, credit] = [measure(gauge, model.steps, GRID), performance.now(), 0];
    }
    if (held) [out.held, held] = [held, null];
    drawn = false;
    reported = performance.now();
    const arrays = [out.codes.m, out.codes.v, ...(out.sheet ? [out.sheet] : [])];
    post(
      { report: out },
      arrays.map(({ buffer }) => /** @type {ArrayBuffer} */ (buffer)),
    );
  }

  const mayMeasure = () => !measuring && !held && performance.now() - measured > EVERY;

  // Points (n, 2) of the plane as latents.
  /** @param {Float32Array} points */
  function inPlane(points) {
    const { z_dim } = model.shape,
      latents = new Float32Array((points.length / 2) * z_dim);
    points.forEach((value, i) => (latents[(i >> 1) * z_dim + pair[i & 1]] = value));
    return latents;
  }

  // The bound and log p(x) of the held digits: { steps, rec, kl, exact or estimate, m, bound }.
  /** @type {(of: Learner, steps: number, grid: { n: number, limit: number }) => Generator<unknown, Held>} */
  function* measure(of, steps, grid) {
    const lists = shown.slice(0, HELD),
      { m = 1 } = set,
      { rec, kl } = yield* of.bound(lists, { times: 16 });
    const fits = model.shape.z_dim < 3;
    const all = fits ? yield* of.logMarginal(lists, grid.n, grid.limit) : yield* of.estimate(lists, SAMPLES);
    const log_px = -all.reduce((a, b) => a + b) / all.length;
    const { loss: bound } = m > 1 ? yield* of.bound(lists, { m, times: 4 }) : { loss: NaN };
    return { steps, rec, kl, [fits ? "exact" : "estimate"]: log_px, m, bound };
  }

  function train() {
    const start = performance.now();
    last = model.step(set);
    spent += performance.now() - start;
    if (Number.isFinite(last.loss)) return;
    [finite, playing] = [false, false];
  }

  function turn() {
    const start = performance.now();
    let now = start;
    while (model && (task || playing) && now < start + slice) {
      const before = now;
      if (task) {
        if (task.next().done) task = null;
      } else if (measuring && credit > 0) {
        const { done, value } = measuring.next();
        if (done) [measuring, held] = [null, value];
        credit -= performance.now() - before;
      } else {
        train();
        credit += SHARE * (performance.now() - before);
        if (!finite) task = tell("now");
      }
      now = performance.now();
    }
    if (playing && !task && drawn && now - reported > PAUSE) task = tell("run");
    if (task || playing) wake();
  }

  function wake() {
    if (waiting) return;
    waiting = true;
    later(() => {
      waiting = false;
      turn();
    });
  }

  // What comes in: { data } once, { set }, { play }, { step }, { drawn }, { restart }, and { question, id }.
  return (/** @type {Message} */ message) => {
    if (message.data) {
      images = ofNibbles(message.data.images);
      shown = listsOf(ofBits(message.data.test));
    }
    if (message.set) set = { ...set, ...message.set };
    if (message.restart) begin(message.restart);
    if (message.drawn) drawn = true;
    if (message.play === false && playing) {
      playing = false;
      task = tell("now"); // in place of one that may be under way
    }
    if (message.play && finite && !playing) [playing, credit] = [true, 0];
    if (message.step && finite) {
      train();
      task = tell("now");
    }
    if (message.question === "weights") post({ id: message.id, answer: model.write() });
    if (message.question === "decode") post({ id: message.id, answer: run(model.pictures(inPlane(message.z))) });
    if (message.question === "trace") {
      const { x, noise, beta } = message;
      post({ id: message.id, answer: model.trace(listsOf(x)[0], noise, beta) });
    }
    if (task || playing) wake();
  };
}

// log p(x) of digits by quadrature, in turns between which the page does other things. For weights as `weights` below
// returns them, of a VAE with two latents.
/** @type {(weights: Float32Array, shape: Shape, digits: Float32Array[]) => Promise<number[]>} */
export async function logMarginal(weights, shape, digits) {
  const model = create({ images: new Uint8Array(), ...shape, weights }),
    found = [];
  for (let first = 0; first < digits.length; first += HELD) {
    const lists = digits.slice(first, first + HELD).flatMap(listsOf),
      n = lists.length;
    while (lists.length % 4) lists.push([]);
    const turns = model.logMarginal(lists, FINE.n, FINE.limit);
    for (let turn = turns.next(), start = performance.now(); ; turn = turns.next()) {
      if (turn.done) {
        found.push(...turn.value.subarray(0, n));
        break;
      }
      if (performance.now() < start + 6) continue;
      await new Promise((done) => setTimeout(done));
      start = performance.now();
    }
  }
  return found;
}
