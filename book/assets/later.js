// What can wait until the reader has seen the first picture of the page, since it keeps the page busy for a while: the
// scripts of the theme, and then the layout of all that is below the screen. They wait for a frame, and for nothing else.

{
  /** @type {any} */
  const { currentScript } = document;
  const here = currentScript.src;
  const catchUp = () => {
    /** @type {NodeListOf<HTMLScriptElement>} */
    const places = document.querySelectorAll('script[type="text/later"]');
    const scripts = [...places].map((waiting) => {
      const script = Object.assign(document.createElement("script"), { src: waiting.src, async: false });
      waiting.replaceWith(script);
      return script;
    });
    const last = scripts.findLast(({ src }) => src.includes("/scripts/")); // of the theme
    last.onload = last.onerror = () => document.documentElement.classList.remove("opening");
  };
  requestAnimationFrame(() => setTimeout(catchUp));

  // What folds has the name that is seen on it: of a solution, that of its exercise.
  addEventListener("load", () => {
    for (const summary of document.querySelectorAll("details.hide > summary")) summary.removeAttribute("aria-label");
    for (const button of document.querySelectorAll(".toggle-button")) {
      button.setAttribute("aria-label", button.closest(".admonition-title").textContent.trim());
    }
  });

  // Which code is shown, on all pages until it is chosen anew.
  const { dataset } = document.documentElement;
  /** @param {boolean} all */
  const open = (all) => {
    /** @type {NodeListOf<HTMLDetailsElement>} */
    const cells = document.querySelectorAll("div.cell > details.hide");
    for (const folded of cells) folded.open = all;
  };
  /** @type {NodeListOf<HTMLInputElement>} */
  const options = document.querySelectorAll(".code-switch input");
  for (const option of options) {
    option.checked = option.value === dataset.code;
    option.addEventListener("change", () => {
      dataset.code = option.value;
      localStorage.setItem("vae-book-code", dataset.code);
      open(option.value === "all");
    });
  }
  if (dataset.code === "all") open(true);

  // What a link leads to is unfolded.
  const unfold = () => {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      return; // cut off within a letter
    }
    const target = name && document.getElementById(name);
    if (!target) return;
    const section = target.closest("section"),
      heads = target === section || !target.textContent; // a second label is empty
    const inside = heads ? section?.querySelector(":scope > details.exact") : null;
    for (let node = inside ?? target; node; node = node.parentElement)
      if (node instanceof HTMLDetailsElement) node.open = true;
    if (inside || target.closest("details")) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  // The list of contents marks the section that one reads. The theme marks a heading that comes in at the top, and so none
  // that one jumps over or scrolls back from; it does not find a list without its name.
  const contents = document.querySelector("#pst-page-toc-nav");
  if (contents) {
    contents.id = "contents";
    const entries = [...contents.querySelectorAll("a")].map((link) => {
      const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      return { link, head: section.querySelector("h2, h3, h4") ?? section };
    });
    const side = contents.closest(".bd-sidebar-secondary"); // a long list scrolls by itself
    let waiting = false;
    /** @type {(typeof entries)[number]} */
    let marked;
    const mark = () => {
      waiting = false;
      const { scrollHeight } = document.documentElement;
      const line = scrollY + innerHeight >= scrollHeight - 2 ? innerHeight : 100;
      const reading = entries.findLast(({ head }) => head.getBoundingClientRect().top < line);
      for (const entry of entries) {
        entry.link.classList.toggle("active", entry === reading);
        if (entry === reading) entry.link.setAttribute("aria-current", "true");
        else entry.link.removeAttribute("aria-current");
      }
      for (const item of contents.querySelectorAll(".toc-entry")) {
        item.classList.toggle("active", item.contains(reading?.link ?? null));
      }
      if (reading && reading !== marked) {
        const [place, room] = [reading.link.getBoundingClientRect(), side.getBoundingClientRect()];
        const end = Math.min(room.bottom, innerHeight);
        if (place.top < room.top || place.bottom > end) side.scrollTop += place.top - (room.top + end) / 2;
      }
      marked = reading;
    };
    const markSoon = () => {
      if (!waiting) requestAnimationFrame(mark);
      waiting = true;
    };
    addEventListener("scroll", markSoon, { passive: true });
    addEventListener("resize", markSoon);
    addEventListener("load", markSoon);
  }

  // What scrolls sideways is a stop of the Tab key, in every browser. Code and tables have the theme's care.
  const formulas = new ResizeObserver((seen) => {
    for (const { target } of seen) {
      if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
      else target.removeAttribute("tabindex");
    }
  });
  addEventListener("load", () => {
    for (const formula of document.querySelectorAll("div.math, .math mjx-container")) formulas.observe(formula);
  });

  // What searches is fetched when a field for it is turned to.
  /** @param {{ target: EventTarget }} event */
  const fetchSearch = ({ target }) => {
    if (!(target instanceof Element && target.matches(".bd-search input"))) return;
    removeEventListener("focusin", fetchSearch);
    const folder = `${document.documentElement.dataset.content_root}_static/`;
    document.head.append(
      Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${folder}search.css` }),
    );
    for (const name of ["stemmer", "search_index", "search"]) {
      document.head.append(
        Object.assign(document.createElement("script"), { src: `${folder}${name}.js`, async: false }),
      );
    }
  };
  addEventListener("focusin", fetchSearch);
  fetchSearch({ target: document.querySelector(".bd-search-container input") ?? document.body });

  // Teaching from a page, which is loaded when it is asked for: by the address, the key p or a button.
  let teaching = false;
  const present = () => {
    document.dispatchEvent(new Event("present"));
    if (teaching) return;
    teaching = true;
    /** @param {string} file */
    const named = (file) => new URL(file, here).href;
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: named("present.css") });
    style.onload = () =>
      document.head.append(Object.assign(document.createElement("script"), { src: named("present.js") }));
    document.head.append(style);
  };
  if (new URLSearchParams(location.search).has("present")) present();
  addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, altKey, metaKey } = event;
    if (
      key === "p" &&
      !ctrlKey &&
      !altKey &&
      !metaKey &&
      !(target instanceof Element && target.closest("input, select, textarea, [contenteditable]"))
    )
      present();
  });
  document.querySelector(".present-page")?.addEventListener("click", present);

  // The theme's buttons name the function that they call: see strict_policy.py.
  addEventListener("click", ({ target }) => {
    const called = target instanceof Element && target.closest("[data-calls]")?.getAttribute("data-calls");
    /** @type {any} */
    const page = globalThis;
    if (called) called.split(".").reduce((holder, name) => holder[name], page)();
  });
}
