// Before anything is drawn.

// Where a browser's settings refuse a page its storage, asking for it is an error, at which the theme would stop.
try {
  localStorage.getItem("");
} catch {
  const kept = new Map();
  /** @type {Pick<Storage, "getItem" | "setItem" | "removeItem">} */
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
  };
  Object.defineProperty(globalThis, "localStorage", { value: storage });
}

// The type of the first lines is asked for now, so that they need not be set anew when it comes; a page from disk may
// not ask for it so, and waits for none.
if (location.protocol !== "file:") {
  /** @type {any} */
  const { currentScript } = document;
  for (const name of ["text-bold", "text", "sans"]) {
    const link = Object.assign(document.createElement("link"), { rel: "preload", as: "font", crossOrigin: "" });
    link.href = new URL(`fonts/${name}.woff2`, currentScript.src).href;
    document.head.append(link);
  }
}

// Until the theme's own scripts are there it is the reader's system that says whether it is the light or the dark one;
// without either, no colour of the theme would be defined.
new MutationObserver(() => {
  const { dataset } = document.documentElement;
  if (dataset.theme === "auto") dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}).observe(document.documentElement, { attributeFilter: ["data-theme"] });

// A page that opens at its top is laid out there first: see book.css and later.js.
const [arrival] = performance.getEntriesByType("navigation");
if (!location.hash && arrival instanceof PerformanceNavigationTiming && arrival.type === "navigate") {
  document.documentElement.classList.add("opening");
}

// Which code is shown: see book.css and later.js.
const chosen = localStorage.getItem("vae-book-code");
document.documentElement.dataset.code = ["all", "none"].includes(chosen) ? chosen : "lesson";

// A page that opens as a slide shows nothing before it is one: see book.css and present.js.
if (new URLSearchParams(location.search).has("present")) document.documentElement.classList.add("to-present");
