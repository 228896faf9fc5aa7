// Teaching from a page: a section, a figure or a widget at a time fills the screen. later.js loads this file when it is
// asked for, by ?present in the address or by the key p.
//
// A page's own slides are its sections, figures and widgets, in their order. A lesson, ?present=lesson-10&step=3, is a list
// of links, which book/sphinx_ext/lessons.py writes into lessons.js. Nothing moves within the page, so that widgets live on;
// what is not on the slide is hidden, and the article is scaled as a whole.

// biome-ignore lint/suspicious/noRedundantUseStrict: a page loads it as a classic script
"use strict"; // so that a function of this file is none of the page's

{
  const root = document.documentElement;
  /** @type {HTMLElement} */
  const article = document.querySelector("article.bd-article");
  const stage = article.parentElement;
  const { searchParams: query } = new URL(location.href);
  // Widths to lay the article out at, and columns for a widget's parts; what shows most of it in the largest type is taken.
  const TEXT = [500, 560, 620, 680].map((width) => [width, 1]);
  const WIDGET = [
    [560, 1],
    [640, 1],
    [720, 1],
    [800, 1],
    ...[760, 860, 960, 1060].map((width) => [width, 2]),
    ...[900, 1050, 1200].map((width) => [width, 3]),
  ];
  // A slide that could be seen whole only in smaller type than this is scrolled, in a larger one.
  const LINES = 680; // pixels of layout from top to bottom
  const SCROLLED = 1060;

  // --- slides ---

  /** @param {Element} node */
  const isHead = (node) => node.matches("h1, h2, h3, h4, summary, span[id]:empty");
  /** @param {Element} node */
  const isWhole = (node) => node.matches("figure") || node.querySelector(".widget, .cell_output img") !== null;
  // What has no place on a slide: code, checks, and the lines that are for reading.
  /** @param {Element} node */
  const isLeftOut = (node) =>
    node.matches(".reading, .tag_check, script, style, .cell:not(:has(> .cell_output)), .toctree-wrapper");

  function slidesOf() {
    /** @type {Slide[]} */
    const slides = [];
    /** @param {Element} section @param {boolean} aside */
    function walk(section, aside) {
      const box = section.querySelector(":scope > details.exact");
      const apart = aside || Boolean(box) || section.matches("#exercises");
      /** @type {Element[]} */
      let nodes = [];
      let count = 0;
      /** @param {Element[]} nodes @param {boolean} whole */
      const add = (nodes, whole) => {
        const id = nodes[0] === section.children[0] || isHead(nodes[0]) ? section.id : `${section.id}-${++count}`;
        slides.push({ nodes, whole, aside: apart, id });
      };
      const close = () => {
        if (nodes.some((node) => !isHead(node))) add(nodes, false);
        nodes = [];
      };
      for (const node of (box ?? section).children) {
        if (node.matches("section")) {
          close();
          walk(node, apart);
        } else if (!isLeftOut(node)) {
          if (isWhole(node)) {
            close();
            add([node], true);
          } else nodes.push(node);
        }
      }
      close();
    }
    for (const section of article.querySelectorAll(":scope > section")) walk(section, false);
    return slides;
  }

  // The first slide that shows something of an element, or of what it is in.
  /** @param {Element | null} element */
  const withElement = (element) =>
    element &&
    (all.find(({ nodes }) => nodes.some((node) => node.contains(element))) ??
      all.find(({ nodes }) => element.contains(nodes[0])));

  // How the address names a slide: a widget by what its links say.
  /** @param {Slide} slide */
  function nameOf({ nodes, id }) {
    const [first] = nodes,
      named = first.querySelector(".widget")?.id || first.id || first.querySelector(".widget [id]")?.id;
    if (!named && !document.getElementById(id)) first.id = id;
    return named || id;
  }

  const fragment = () => {
    try {
      return decodeURIComponent(location.hash.slice(1));
    } catch {
      return ""; // cut off within a letter
    }
  };

  // --- what is shown ---

  /** @type {Slide[]} */
  let all = [];
  /** @type {Slide | null} */
  let slide = null;
  /** @type {Lesson | null} */
  let lesson = null;
  let step = 0;

  const walked = () => all.filter((one) => !one.aside || one === slide);

  /** @param {Slide} next */
  function show(next) {
    slide = next;
    for (const hidden of article.querySelectorAll("[data-off]")) hidden.removeAttribute("data-off");
    /** @param {Element} parent */
    const hide = (parent) => {
      for (const child of parent.children) {
        if (slide.nodes.includes(child)) continue;
        if (slide.nodes.some((node) => child.contains(node))) hide(child);
        else child.setAttribute("data-off", "");
      }
    };
    hide(article);
    for (let node = slide.nodes[0]; node !== article; node = node.parentElement)
      if (node instanceof HTMLDetailsElement) node.open = true;
    root.classList.toggle("presenting-whole", slide.whole);
    fit();
    stage.focus({ preventScroll: true });
    count();
  }

  function count() {
    /** @type {unknown[]} */
    const list = lesson ?? walked(),
      at = lesson ? step - 1 : list.indexOf(slide);
    number.textContent = `${at + 1} / ${list.length}`;
    number.setAttribute("aria-label", `slide ${at + 1} of ${list.length}`);
    back.disabled = at <= 0;
    on.disabled = at >= list.length - 1;
  }

  // --- scale ---

  function fit() {
    const width = stage.clientWidth,
      height = stage.clientHeight,
      room = 0.96 * width;
    /** @param {number} wide @param {number} columns @param {boolean} loose */
    const heightAt = (wide, columns, loose) => {
      article.style.width = `${wide}px`;
      article.style.setProperty("--columns", String(columns));
      root.classList.toggle("presenting-loose", loose);
      return article.offsetHeight;
    };
    // How small a picture gets, and the letters in it, where it has not the width that it was drawn for.
    /** @param {Element} element @param {number} wanted */
    const share = (element, wanted) => (element.clientWidth ? element.clientWidth / wanted : 1);
    const letters = () => {
      /** @type {NodeListOf<SVGSVGElement>} */
      const pictures = article.querySelectorAll(".vw svg[viewBox]");
      return Math.min(
        1,
        ...[...pictures].map((svg) => share(svg, 0.8 * svg.viewBox.baseVal.width)),
        ...[...article.querySelectorAll(".vw-plane")].map((plane) => share(plane, 320)),
      );
    };
    const least = slide.whole ? height / LINES : room / TEXT.at(-1)[0];
    const [best] = (slide.whole ? WIDGET : TEXT)
      .flatMap(([wide, columns]) =>
        [false, columns > 1].map((loose) => ({
          wide,
          columns,
          loose,
          scale: Math.min(room / wide, height / heightAt(wide, columns, loose)),
          letters: letters(),
        })),
      )
      .filter(({ scale }) => scale >= 0.98 * least)
      .sort((a, b) => b.scale * b.letters - a.scale * a.letters);
    const wide = slide.whole ? Math.min(SCROLLED, room / least) : TEXT[2][0];
    place(best ?? { wide, columns: 1, loose: false, scale: room / wide });
  }

  let tall = 0,
    whole = false; // how high the article is laid out, and whether the screen has all of it

  /** @param {Layout} layout */
  function place({ wide, columns, loose, scale }) {
    root.classList.toggle("presenting-loose", loose);
    article.style.width = `${wide}px`;
    article.style.setProperty("--columns", String(columns));
    article.style.transform = `scale(${scale})`;
    tall = article.offsetHeight;
    const left = (stage.clientWidth - scale * wide) / 2,
      free = stage.clientHeight - scale * tall;
    whole = free > -2;
    article.style.left = `${Math.max(0, left)}px`;
    article.style.top = `${Math.max(0, free / 2)}px`;
    stage.scrollTop = 0;
  }

  // --- the way through ---

  /** @param {number} by */
  function go(by) {
    if (lesson) return open(step + by);
    const list = walked(),
      next = list[list.indexOf(slide) + by];
    if (next) {
      show(next);
      remember();
    }
  }

  function remember() {
    const url = new URL(location.href);
    if (!url.searchParams.has("present")) url.search = `?present${url.search.replace("?", "&")}`;
    url.hash = nameOf(slide);
    history.replaceState(history.state, "", url);
  }

  // A step of the lesson: on this page at once, so that what runs goes on; else the other page is opened.
  /** @param {number} next */
  function open(next) {
    const link = lesson[next - 1];
    if (!link) return;
    const url = new URL(link, lesson.base);
    if (url.pathname !== location.pathname) return location.replace(url);
    step = next;
    history.replaceState(null, "", url);
    dispatchEvent(new Event("widget-state"));
    show(withElement(document.getElementById(fragment())) ?? slide);
  }

  // A screen further down, or up, if there is more of the slide; else the next slide, or the one before.
  /** @param {number} by @param {number} share */
  function scrollOr(by, share) {
    const before = stage.scrollTop,
      most = stage.scrollHeight - stage.clientHeight;
    if (by > 0 ? before >= most - 2 : before <= 2) go(by);
    else stage.scrollTop = before + by * share * stage.clientHeight;
  }

  /** @type {Record<string, () => void>} */
  const KEYS = {
    ArrowRight: () => go(1),
    ArrowLeft: () => go(-1),
    ArrowDown: () => scrollOr(1, 0.2),
    ArrowUp: () => scrollOr(-1, 0.2),
    PageDown: () => scrollOr(1, 0.8),
    PageUp: () => scrollOr(-1, 0.8),
    Escape: () => leave(),
  };

  // What takes keys of its own keeps them, but for a presenter's remote, which has only the two: unless a reader came there
  // by the Tab key, they walk.
  let byTab = false;
  /** @type {(target: EventTarget, selector: string) => Element | null} */
  const within = (target, selector) => (target instanceof Element ? target.closest(selector) : null);

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (event.key === "Tab") byTab = true;
    const { key, target } = event,
      isRemote = key.startsWith("Page") && !byTab;
    if (
      (event.defaultPrevented && key !== "Escape") ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      !KEYS[key]
    )
      return;
    const own = within(
      target,
      'input:not([type="checkbox"]), select, textarea, [contenteditable], [role="slider"], .vw [tabindex]',
    );
    if (own && key !== "Escape" && !isRemote) return;
    event.preventDefault();
    KEYS[key]();
  }

  // --- in and out ---

  /** @param {string} words @param {string} sign @param {() => void} onclick */
  const button = (words, sign, onclick) => {
    const made = Object.assign(document.createElement("button"), {
      type: "button",
      textContent: sign,
      title: words,
      onclick,
    });
    made.setAttribute("aria-label", words);
    return made;
  };
  const number = Object.assign(document.createElement("span"), { role: "status" });
  const back = button("The slide before", "‹", () => go(-1)),
    on = button("The next slide", "›", () => go(1));
  const bar = Object.assign(document.createElement("div"), { className: "presenting-bar" });
  bar.append(
    back,
    number,
    on,
    button("Leave (Escape)", "×", () => leave()),
  );
  /** @type {AbortController | null} */
  let controller = null;

  // At the element that the address names, else at what the reader sees.
  function enter() {
    const seen = [...article.querySelectorAll("p, .cell")].find((e) => e.getBoundingClientRect().bottom > 80);
    all = slidesOf();
    controller = new AbortController();
    const { signal } = controller;
    root.classList.add("presenting");
    stage.tabIndex = -1;
    document.body.append(bar);
    addEventListener("keydown", keys, { signal });
    addEventListener(
      "pointerdown",
      () => {
        byTab = false;
      },
      { signal },
    );
    addEventListener("resize", fit, { signal });
    addEventListener("hashchange", () => show(withElement(document.getElementById(fragment())) ?? slide), { signal });
    for (const event of ["widget-drawn", "toggle"])
      addEventListener(event, () => article.offsetHeight !== tall && fit(), { signal, capture: true });
    // What has outgrown the screen, such as a question with its answer, is fitted anew; what has shrunk stays as it is.
    const growing = new ResizeObserver(() => whole && article.offsetHeight > 1.01 * tall && fit());
    growing.observe(article);
    signal.addEventListener("abort", () => growing.disconnect());
    show(withElement(document.getElementById(fragment()) ?? seen) ?? all[0]);
    if (!lesson) remember();
    document.fonts.ready.then(() => signal.aborted || fit());
  }

  function leave() {
    controller.abort();
    root.classList.remove("presenting", "presenting-whole", "presenting-loose");
    bar.remove();
    stage.removeAttribute("tabindex");
    article.removeAttribute("style");
    for (const hidden of article.querySelectorAll("[data-off]")) hidden.removeAttribute("data-off");
    const url = new URL(location.href);
    for (const name of ["present", "step"]) url.searchParams.delete(name);
    history.replaceState(history.state, "", url);
    lesson = null;
    slide.nodes[0].scrollIntoView();
  }

  // The address of a script that lies beside this one.
  const assets = () => {
    /** @type {HTMLScriptElement} */
    const script = document.querySelector('script[src*="/later.js"]');
    return script.src;
  };

  // The lists of the lessons, as a script hands them over: a page from disk may load nothing else.
  /** @returns {Promise<Record<string, string[]>>} */
  async function lessons() {
    const address = new URL("lessons.js", assets()).href;
    const script = Object.assign(document.createElement("script"), { src: address });
    await new Promise((done) => {
      script.onload = script.onerror = done;
      document.head.append(script);
    });
    script.remove();
    return script.value ?? {};
  }

  async function begin() {
    const name = query.get("present");
    if (name) {
      const list = (await lessons())[name];
      if (list) {
        lesson = Object.assign([...list], {
          base: new URL("../book/", new URL(".", assets())),
        });
        step = Math.min(Math.max(1, Math.trunc(+query.get("step")) || 1), list.length);
      }
    }
    enter();
    root.classList.remove("to-present");
  }
  if (query.has("present")) begin();
  else enter();

  document.addEventListener("present", () => {
    if (!root.classList.contains("presenting")) enter();
  });
}
