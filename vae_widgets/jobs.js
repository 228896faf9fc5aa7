// Long runs, in a Worker where the page may have one.

import { checkCount, drawWeights, proposal } from "./bounds.js";
import { mixture } from "./densities.js";
import { normals } from "./draws.js";
import { asFloats, network } from "./networks.js";
import { copyBytes } from "./weights.js";

const CHUNK = 200; // samples between two reports

// Draws job.count weights in chunks: report(result) after each, then later(next chunk).
/**
 * @param {Order & { cancelled?: boolean }} job
 * @param {Models} models
 * @param {(result: Draws & { done: number }) => void} report
 * @param {(step: () => void) => void} later
 */
function run(job, models, report, later) {
  const { x, count, seed, options } = job,
    source = normals(seed),
    q = proposal(models, x, options);
  let done = 0;
  const step = () => {
    if (job.cancelled) return;
    const n = Math.min(options.chunk ?? CHUNK, count - done);
    const result = drawWeights(models, x, q, n, source);
    done += n;
    report({ ...result, done });
    if (done < count) later(step);
  };
  later(step);
}

// What an error says.
/** @type {(error: unknown) => string} */
export const reason = (error) => (error instanceof Error ? error.message : String(error));

// The Worker's side: {network}, {mixture}, {job} and {cancel} come in, {job, result | error} go out.
/** @param {Scope} scope */
export function serve(scope) {
  const parts = new Map(),
    jobs = new Map(),
    { port1, port2 } = new MessageChannel(),
    /** @type {(() => void)[]} */
    waiting = [];
  port1.onmessage = () => waiting.shift()();
  // A message to itself: a cancel gets in between, and setTimeout would wait 4 ms each time.
  /** @param {() => void} step */
  const later = (step) => {
    waiting.push(step);
    port2.postMessage(0);
  };
  /** @type {Record<string, (message: any) => void>} */
  const take = {
    network: ({ id, spec }) => parts.set(id, network(spec)),
    mixture: ({ id, spec }) => parts.set(id, mixture(spec)),
    cancel: ({ id }) => {
      const job = jobs.get(id);
      if (job) job.cancelled = true;
      jobs.delete(id);
    },
    job: ({ id, job }) => {
      jobs.set(id, job);
      /** @type {any} */
      const models = Object.fromEntries(Object.entries(job.models).map(([name, part]) => [name, parts.get(part)]));
      run(
        job,
        models,
        (result) => {
          if (result.done === job.count) jobs.delete(id);
          const arrays = Object.values(result).filter(ArrayBuffer.isView);
          scope.postMessage(
            { id, result },
            arrays.map((a) => a.buffer),
          );
        },
        later,
      );
    },
  };
  scope.onmessage = ({ data }) => {
    try {
      take[data.type](data);
    } catch (error) {
      scope.postMessage({ id: data.id, error: reason(error) });
    }
  };
  scope.postMessage({ ready: true });
}

const WAIT = 5000; // ms until a Worker that has not said it is ready is given up
const REST = 5000; // ms without a job until a Worker is let go, with the networks that it holds

// A Worker in which the piece of this name serves; or an error. fail() is called if none comes of it after all.
// source: the text of the module that the piece is in, or the address of a script that serves it.
/** @type {(source: string, name: string, fail: () => void) => Worker} */
export function openWorker(source, name, fail) {
  // Plain scripts, without what draws: a page opened from disk gets no Worker that is a module.
  const text = [...source.split("\f\n").slice(0, name === "engine" ? 1 : 2), `\n${name}_js.serve(self);`];
  const isText = source.includes("\n");
  const url = isText ? URL.createObjectURL(new Blob(text, { type: "text/javascript" })) : source;
  const worker = new Worker(url),
    settled = new AbortController();
  const settle = () => {
    settled.abort();
    clearTimeout(timer);
    if (isText) URL.revokeObjectURL(url);
  };
  /** @param {Event} [event] */
  const giveUp = (event) => {
    event?.preventDefault();
    settle();
    worker.terminate();
    fail();
  };
  const timer = setTimeout(() => giveUp(), WAIT);
  worker.addEventListener("error", giveUp);
  worker.addEventListener("message", ({ data }) => data.ready && settle(), { signal: settled.signal });
  return worker;
}

/** @type {Map<string, Crew>} */
const workers = new Map(); // by source
let lastId = 0;

/** @param {string} source */
function workerOf(source) {
  if (workers.has(source)) return workers.get(source);
  /** @type {Crew} */
  const crew = {
    worker: null,
    sent: new WeakMap(),
    jobs: new Map(),
    failed: false,
    rest() {
      clearTimeout(crew.resting);
      crew.resting = setTimeout(() => {
        if (crew.failed || crew.jobs.size) return;
        crew.worker.terminate();
        workers.delete(source);
      }, REST);
    },
  };
  workers.set(source, crew);
  const fail = () => {
    crew.failed = true;
    for (const job of crew.jobs.values()) runHere(job);
    crew.jobs.clear();
  };
  try {
    crew.worker = openWorker(source, "engine", fail);
    crew.worker.addEventListener("message", ({ data }) => crew.jobs.get(data.id)?.take(data));
  } catch {
    fail();
  }
  return crew;
}

/** @type {(crew: Crew, part: Network | Mixture) => number} */
function send(crew, part) {
  if (!crew.sent.has(part)) {
    const id = ++lastId,
      spec = { ...part.spec, weights: copyBytes(part.spec.weights) };
    crew.worker.postMessage({ type: "layers" in part ? "network" : "mixture", id, spec }, [spec.weights]);
    crew.sent.set(part, id);
  }
  return crew.sent.get(part);
}

// The same run in this thread, in slices between which the page stays alive. What a Worker that
// failed had reported already comes out again, and is dropped.
/** @param {Job} job */
function runHere(job) {
  setTimeout(() => {
    if (job.cancelled) return;
    try {
      run(
        job,
        job.models,
        (result) => result.done > job.done && job.take({ result }),
        (step) => setTimeout(step),
      );
    } catch (error) {
      job.take({ error: reason(error) });
    }
  });
}

// `count` log weights of x from `seed`, as logWeights(models, x, count, normals(seed), options) has
// them, in chunks: onChunk({logW, kl, rec, z, y, done}) for each, then onDone(), or onDone(error).
// source: as for openWorker. options: those of logWeights, and
// {chunk}: samples in a chunk, {replaces}: an earlier job, to be cancelled.
/**
 * @param {string} source
 * @param {Models} models
 * @param {ArrayLike<number>} x
 * @param {number} count
 * @param {number} seed
 * @param {(chunk: Draws & { done: number }) => void} onChunk
 * @param {(error?: Error) => void} [onDone]
 * @param {DrawOptions & { chunk?: number, replaces?: { cancel(): void } }} [options]
 */
export function boundJob(source, models, x, count, seed, onChunk, onDone, options = {}) {
  const { replaces, ...rest } = options;
  replaces?.cancel();
  checkCount("count", count);
  checkCount("chunk", rest.chunk ?? CHUNK);
  const crew = workerOf(source),
    id = ++lastId;
  const parts = Object.entries(models).filter(([, part]) => part);
  const order = structuredClone({ x: asFloats(x), count, seed, options: rest }); // x may change meanwhile
  /** @type {Job["take"]} */
  const take = ({ result, error }) => {
    if (job.cancelled) return;
    if (result) {
      job.done = result.done;
      onChunk(result);
    }
    if (error || job.done === count) {
      crew.jobs.delete(id);
      crew.rest();
      onDone?.(error && new Error(error));
    }
  };
  /** @type {Job} */
  const job = { ...order, models: { ...models }, done: 0, cancelled: false, take };
  if (crew.failed) {
    runHere(job);
  } else {
    crew.jobs.set(id, job);
    const ids = Object.fromEntries(parts.map(([name, part]) => [name, send(crew, part)]));
    crew.worker.postMessage({ type: "job", id, job: { ...order, models: ids } });
  }
  const cancel = () => {
    job.cancelled = true;
    if (!crew.jobs.delete(id)) return; // it had come to its end, and its Worker may be gone
    crew.worker.postMessage({ type: "cancel", id });
    crew.rest();
  };
  return { cancel };
}
