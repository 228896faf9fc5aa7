// Trains a VAE in the browser: in a Worker, or in the page's spare time. No drawing and no DOM.

import { openWorker, reason } from "./jobs.js";
import { session } from "./training_session.js";
export { create, networks, run } from "./training_model.js";
export { listsOf } from "./training_images.js";
export { logMarginal, SAMPLES } from "./training_session.js";

// The Worker's side.
/** @param {Scope} scope */
export function serve(scope) {
  const { port1, port2 } = new MessageChannel(),
    /** @type {(() => void)[]} */
    waiting = [];
  port1.onmessage = () => waiting.shift()();
  /** @param {() => void} f */
  const later = (f) => {
    waiting.push(f);
    port2.postMessage(0);
  };
  const take = session((message, buffers) => scope.postMessage(message, buffers), later, 10);
  scope.onmessage = ({ data }) => {
    try {
      take(data);
    } catch (error) {
      scope.postMessage({ error: reason(error), id: data.id });
    }
  };
  scope.postMessage({ ready: true });
}

// The page's side: trains in a Worker, or in this thread's spare time where there is none.
//
// source: as for openWorker. setup: { images, test, packed as for ofNibbles and ofBits; hidden; z_dim;
// activation; seed; weights }. onReport({ steps, rec, kl, loss, spent, codes, nats, pair, sheet, held, finite }): after each
// that was drawn the next one. nats: the KL of each latent; pair: the two with the most, which codes (n, 2) and sheet
// are of; spent: ms in steps; held: what has been measured lately. onError(error): nothing more comes.
/**
 * @param {string} source
 * @param {Setup & { images: Uint8Array, test: Uint8Array }} setup
 * @param {(report: Report) => void} onReport
 * @param {(error: Error) => void} onError
 */
export function start(source, { images, test, ...setup }, onReport, onError) {
  /** @type {Map<number, [done: (answer: any) => void, fail: (error: Error) => void]>} */
  const asked = new Map();
  let lastId = 0,
    closed = false;
  /** @type {(Worker & { ready?: boolean }) | null} */
  let worker = null;
  /** @type {((message: object) => void) | null} */
  let here = null;
  /** @type {Message[]} */
  const told = []; // what a Worker that fails will have been told in vain

  /** @param {{ report?: any, id?: number, answer?: any, error?: string }} message */
  function hear({ report, id, answer, error }) {
    if (closed) return;
    if (report) onReport(report);
    else if (asked.has(id)) {
      const [done, fail] = asked.get(id);
      asked.delete(id);
      if (error) fail(new Error(error));
      else done(answer);
    } else if (error) onError(new Error(error));
  }

  function trainHere() {
    worker = null;
    here = session(
      (message) => setTimeout(hear, 0, message),
      (f) => setTimeout(f),
      6,
    );
    told.splice(0).forEach(tell);
  }

  let last = Promise.resolve(); // of what this thread has been told, each in a task of its own
  /** @param {Message} message */
  async function tellHere(message) {
    await last;
    await new Promise((done) => setTimeout(done));
    try {
      if (!closed) here(message);
    } catch (error) {
      hear({ error: reason(error), id: message.id });
    }
  }

  /** @param {Message} message */
  function tell(message) {
    if (worker) {
      worker.postMessage(message);
      if (!worker.ready) told.push(message);
    } else {
      last = tellHere(message);
    }
  }

  /** @type {(question: string, what?: object) => Promise<any>} */
  function ask(question, what = {}) {
    const id = ++lastId;
    return new Promise((...both) => {
      asked.set(id, both);
      tell({ question, id, ...what });
    });
  }

  try {
    worker = openWorker(source, "trainer", () => closed || trainHere());
    worker.addEventListener("message", ({ data }) => {
      if (!data.ready) return hear(data);
      worker.ready = true;
      told.length = 0;
    });
  } catch {
    trainHere();
  }
  tell({ data: { images, test } });
  tell({ restart: setup });
  return {
    /** @param {Step} values */
    set: (values) => tell({ set: values }),
    play: () => tell({ play: true }),
    pause: () => tell({ play: false }),
    step: () => tell({ step: true }),
    drawn: () => tell({ drawn: true }),
    /** @param {Setup} changes */
    restart(changes) {
      setup = { ...setup, weights: null, ...changes };
      tell({ restart: setup });
    },
    /** @type {() => Promise<Float32Array>} */
    weights: () => ask("weights"),
    // grey levels of ink, bytes (n, 784)
    /** @type {(z: Float32Array) => Promise<Uint8Array>} */
    decode: (z) => ask("decode", { z }),
    /** @type {(what: { x: Float32Array, noise: Float32Array, beta: number }) => Promise<ReturnType<Learner["trace"]>>} */
    trace: (what) => ask("trace", what),
    close() {
      closed = true;
      worker?.terminate();
    },
  };
}
