// Before anything is drawn.

// Where a browser's settings refuse a page its storage, asking for it is an error, at which the theme would stop.
try {
  localStorage.getItem("");
} catch {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
  };
  Object.defineProperty(globalThis, "localStorage", { value: storage });
}

// A page that opens at its top is laid out there first: see book.css and later.js.
if (!location.hash && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
  document.documentElement.classList.add("opening");
}
