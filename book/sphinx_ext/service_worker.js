// The book without a network. web_app.py puts two lists before this, of the files that are always kept and of the rest:
// { path: [SHA-256, bytes] }. A file is kept under its path and hash, so that all builds share one store, and none is
// given a file of another.

const FILES = { ...ALWAYS, ...REST };
const HOME = registration.scope;
const STORE = `vae-book ${HOME}`;
const WHOLE = "whole"; // is in the store when the reader wants all of the book

/** @param {string} path */
const keyOf = (path) => new URL(`${path}?${FILES[path][0]}`, HOME).href;

// The path of a file of the book, and undefined for any other address.
/** @param {string} address */
function pathOf(address) {
  const { origin, pathname } = new URL(address);
  if (!(origin + pathname).startsWith(HOME)) return undefined;
  const path = (origin + pathname).slice(HOME.length).replace(/(^|\/)$/, "$1index.html");
  return Object.hasOwn(FILES, path) ? path : undefined;
}

// A file as it was kept, or now is. Another one of that name is refused.
/** @param {string} path */
async function keep(path) {
  const store = await caches.open(STORE);
  const key = keyOf(path);
  const kept = await store.match(key, { ignoreVary: true });
  if (kept) return kept;
  const answer = await fetch(new URL(path, HOME), { cache: "no-cache", integrity: `sha256-${FILES[path][0]}` });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  const file = new Response(answer.body, { headers: answer.headers }); // a redirected one would be no page
  await store.put(key, file.clone());
  return file;
}

// One by one, since what the reader does needs the line, too.
/** @param {string[]} paths @param {(bytes: number) => void} [hear] */
async function keepAll(paths, hear) {
  for (const path of paths) {
    await keep(path);
    hear?.(FILES[path][1]);
  }
}

async function missing() {
  const kept = new Set((await (await caches.open(STORE)).keys()).map(({ url }) => url));
  return Object.keys(FILES).filter((path) => !kept.has(keyOf(path)));
}

async function forgetOthers() {
  const store = await caches.open(STORE);
  const known = new Set([...Object.keys(FILES).map(keyOf), new URL(WHOLE, HOME).href]);
  for (const { url } of await store.keys()) if (!known.has(url)) await store.delete(url);
}

// A new build waits until a reader leaves the only page that is open. In the next one's place comes an empty one, which
// loads itself again at once, from the new build.
async function newBuildCanBegin() {
  if (!registration.waiting || (await clients.matchAll()).length > 1) return false;
  registration.waiting.postMessage({ wish: "begin" });
  return true;
}

/** @param {Request} request @param {string} path */
async function answer(request, path) {
  if (request.destination === "document" && (await newBuildCanBegin())) {
    // It is no page of the host, whose policy may refuse such a script.
    return new Response("<script>location.reload()</script>", { headers: { "Content-Type": "text/html" } });
  }
  return keep(path).catch(() => fetch(request)); // the host may have a newer one
}

/** @type {Record<string, (what: { addresses?: string[], hear(left: number | null): void }) => Promise<void>>} */
const WISHES = {
  begin: () => skipWaiting(),
  keep: ({ addresses }) => keepAll(addresses.map(pathOf).filter(Boolean)),

  async size({ hear }) {
    const paths = await missing();
    hear(paths.reduce((sum, path) => sum + FILES[path][1], 0));
  },

  // hear(bytes that are left), and null where it could not be done.
  async keepWhole({ hear }) {
    const paths = await missing();
    let left = paths.reduce((sum, path) => sum + FILES[path][1], 0);
    try {
      await keepAll(paths, (bytes) => {
        left -= bytes;
        hear(left);
      });
      await (await caches.open(STORE)).put(WHOLE, new Response());
      hear(0);
    } catch {
      hear(null);
    }
  },
};

addEventListener("install", (event) => {
  const install = async () => {
    const whole = await (await caches.open(STORE)).match(WHOLE);
    await keepAll(Object.keys(whole ? FILES : ALWAYS));
  };
  event.waitUntil(install());
});

addEventListener("activate", (event) => event.waitUntil(forgetOthers().then(() => clients.claim())));

addEventListener("message", (event) => {
  const { wish, ...rest } = event.data;
  event.waitUntil(WISHES[wish]({ ...rest, hear: (value) => event.ports[0].postMessage(value) }));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const path = request.method === "GET" ? pathOf(request.url) : undefined;
  if (path) event.respondWith(answer(request, path));
});
