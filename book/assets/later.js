// What can wait until the reader has seen the first picture of the page, since it keeps the page busy for a while: the
// layout of all that is below the screen, and the scripts of the theme. They wait for a frame, and for nothing else.

{
  const catchUp = () => {
    document.documentElement.classList.remove("opening");
    for (const waiting of document.querySelectorAll('script[type="text/later"]')) {
      waiting.replaceWith(Object.assign(document.createElement("script"), { src: waiting.src, async: false }));
    }
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
  const open = (all) => {
    for (const folded of document.querySelectorAll("div.cell > details.hide")) folded.open = all;
  };
  for (const option of document.querySelectorAll(".code-switch input")) {
    option.checked = option.value === dataset.code;
    option.addEventListener("change", () => {
      localStorage.setItem("vae-book-code", (dataset.code = option.value));
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
    const section = target.closest("section"), heads = target === section || !target.textContent; // a second label is empty
    const inside = heads ? section?.querySelector(":scope > details.exact") : null;
    for (let node = inside ?? target; node; node = node.parentElement) if (node.matches("details")) node.open = true;
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
    let waiting = false;
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
    };
    const markSoon = () => {
      if (!waiting) requestAnimationFrame(mark);
      waiting = true;
    };
    addEventListener("scroll", markSoon, { passive: true });
    addEventListener("resize", markSoon);
    addEventListener("load", markSoon);
  }

  // On paper nothing can be unfolded.
  addEventListener("beforeprint", () => {
    const boxes = [...document.querySelectorAll("details.exact:not([open])")];
    const fold = (folded) => boxes.forEach((box) => (box.open = !folded));
    fold(false);
    addEventListener("afterprint", () => fold(true), { once: true });
  });

  // The theme's buttons name the function that they call: see strict_policy.py.
  addEventListener("click", ({ target }) => {
    const called = target.closest?.("[data-calls]")?.dataset.calls;
    if (called) called.split(".").reduce((holder, name) => holder[name], globalThis)();
  });
}
