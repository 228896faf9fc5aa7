// When things are done: in idle time, in a task of their own, in slices.

// Runs a task in idle time, once the view has come into sight: what a reader may want next.
/** @param {View} view @param {() => unknown} task */
export function onceSeen(view, task) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    idle(() => view.signal.aborted || task());
  });
  observer.observe(view.root);
  view.signal.addEventListener("abort", () => observer.disconnect());
}

// A promise of a task of its own, before which the page may do other things.
export const turn = () => new Promise((done) => setTimeout(done));

/** @param {() => unknown} task */
export const idle = (task) => (globalThis.requestIdleCallback ? requestIdleCallback(task) : setTimeout(task, 200));

// Long arithmetic in this thread, in slices between which the page stays alive: step() takes a millisecond or less and
// returns true when all is done. Returns a function that stops it; so does the end of the view. Paper gets it whole, or
// what two seconds make of it.
/** @param {{ signal: AbortSignal }} view @param {() => boolean} step */
export function slices(view, step) {
  let stopped = false;
  const stop = () => {
    stopped = true;
    removeEventListener("beforeprint", finish);
  };
  /** @param {number} time */
  const run = (time) => {
    const end = performance.now() + time;
    while (!stopped && !view.signal.aborted && performance.now() < end) if (step()) stop();
  };
  const finish = () => run(2000);
  const next = () => {
    run(6);
    if (!stopped && !view.signal.aborted) setTimeout(next);
  };
  addEventListener("beforeprint", finish, { signal: view.signal });
  setTimeout(next);
  return stop;
}
