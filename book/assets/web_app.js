// The book as an app, over http alone: see book/sphinx_ext/web_app.py. It comes when a page has been drawn.

{
  const home = new URL(document.documentElement.dataset.content_root, location.href);
  /** @type {HTMLElement} */
  const line = document.querySelector(".offline");
  const { serviceWorker } = navigator;

  /** @type {(target: EventTarget, name: string) => Promise<Event>} */
  const event = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));

  // The page has all that it shows, and nothing to do.
  async function idle() {
    if (document.readyState !== "complete") await event(window, "load");
    while (document.querySelector(".widget[aria-busy]")) await event(window, "widget-drawn");
    await new Promise((done) => (globalThis.requestIdleCallback ?? setTimeout)(done));
  }

  /** @type {(worker: ServiceWorker, message: object, hear: (left: number | null) => void) => void} */
  function tell(worker, message, hear) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => hear(data);
    worker.postMessage(message, [port2]);
  }

  /** @type {(text: string, label?: string, press?: () => void) => void} */
  function say(text, label, press) {
    line.textContent = text;
    line.hidden = false;
    if (!label) return;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.addEventListener("click", press);
    line.append(" ", button);
  }

  /** @param {number} size */
  async function keepWhole(size) {
    navigator.storage?.persist?.(); // so that the browser does not drop it when room is short
    line.role = "status";
    say("Keeping the book …");
    const { active } = await serviceWorker.ready;
    tell(active, { wish: "keepWhole" }, (left) => {
      const share = `${10 * Math.floor(10 * (1 - left / size))}%`;
      if (left) line.textContent = `Keeping the book: ${share}`;
      else if (left === 0) say("The whole book is kept on this device, and opens offline.");
      else
        say("Not all of the book could be kept: the network is gone, or there is no room.", "Try again", () =>
          keepWhole(size),
        );
    });
  }

  async function start() {
    const isFirst = !serviceWorker.controller;
    const registration = await serviceWorker.register(new URL("service-worker.js", home));
    if (!isFirst) registration.update().catch(() => {}); // without a network there is nothing new
    const { active } = await serviceWorker.ready; // when it has the pages
    if (active.state !== "activated") await event(active, "statechange");
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    if (isFirst) active.postMessage({ wish: "keep", addresses: loaded }); // what came before there was a worker
    tell(active, { wish: "size" }, (left) => {
      if (!left) return say("The whole book is kept on this device, and opens offline.");
      const megabytes = `${Math.ceil(left / 1e6)} MB`;
      say(
        "The pages are kept on this device, and open offline.",
        `Keep all models and figures, too (${megabytes})`,
        () => keepWhole(left),
      );
    });
  }

  async function offer() {
    document.head.append(
      Object.assign(document.createElement("link"), { rel: "manifest", href: new URL("manifest.webmanifest", home) }),
    );
    if (!serviceWorker) return; // without https, or in a private window
    await idle();
    /** @type {Navigator & { connection?: { saveData: boolean } }} */
    const { connection } = navigator;
    const saves = connection?.saveData && !serviceWorker.controller;
    if (saves) say("This book can be read offline.", "Keep it on this device", start);
    else await start();
  }

  if (location.protocol.startsWith("http")) offer().catch(() => {}); // a reader's settings may refuse it
}
