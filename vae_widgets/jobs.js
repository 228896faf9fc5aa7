// Long runs, in a Worker where the page may have one.

import { checkCount, drawWeights, proposal } from "./bounds.js";
import { mixture } from "./densities.js";
import { normals } from "./draws.js";
import { asFloats, network } from "./networks.js";
import { copyBytes } from "./weights.js";

const CHUNK = 200; // samples between two reports

// Draws job.count weights in chunks: report(result) after each, then later(next chunk).
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

// The Worker's side: {network}, {mixture}, {job} and {cancel} come in, {job, result | error} go out.
export function serve(scope) {
  const parts = new Map(),
    jobs = new Map(),
    { port1, port2 } = new MessageChannel(),
    waiting = [];
  port1.onmessage = () => waiting.shift()();
  // A message to itself: a cancel gets in between, and setTimeout would wait 4 ms each time.
  const later = (step) => {
    waiting.push(step);
    port2.postMessage(0);
  };
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
      scope.postMessage({ id: data.id, error: error.message });
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
  const giveUp = (event) => {
    event?.preventDefault();
    settle();
    worker.terminate();
    fail();
  };
  const timer = setTimeout(giveUp, WAIT);
  worker.addEventListener("error", giveUp);
  worker.addEventListener("message", ({ data }) => data.ready && settle(), { signal: settled.signal });
  return worker;
}

const workers = new Map(); // source -> its Worker
let lastId = 0;

function workerOf(source) {
  if (workers.has(source)) return workers.get(source);
  const crew = { worker: null, sent: new WeakMap(), jobs: new Map(), failed: false };
  workers.set(source, crew);
  crew.rest = () => {
    clearTimeout(crew.resting);
    crew.resting = setTimeout(() => {
      if (crew.failed || crew.jobs.size) return;
      crew.worker.terminate();
      workers.delete(source);
    }, REST);
  };
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

function send(crew, part) {
  if (!crew.sent.has(part)) {
    const id = ++lastId,
      spec = { ...part.spec, weights: copyBytes(part.spec.weights) };
    crew.worker.postMessage({ type: part.layers ? "network" : "mixture", id, spec }, [spec.weights]);
    crew.sent.set(part, id);
  }
  return crew.sent.get(part);
}

// The same run in this thread, in slices between which the page stays alive. What a Worker that
// failed had reported already comes out again, and is dropped.
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
      job.take({ error: error.message });
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
  const job = { ...order, models: Object.fromEntries(parts), done: 0, cancelled: false, take };
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
