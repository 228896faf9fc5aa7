// What can wait until the reader has seen the first picture of the page, since it keeps the page busy for a while: the
// layout of all that is below the screen, and the scripts of the theme. They wait for a frame, and for nothing else.

{
  const here = document.currentScript.src;
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

  // On paper nothing can be unfolded.
  addEventListener("beforeprint", () => {
    const boxes = [...document.querySelectorAll("details.exact:not([open])")];
    const fold = (folded) => boxes.forEach((box) => (box.open = !folded));
    fold(false);
    addEventListener("afterprint", () => fold(true), { once: true });
  });

  // Teaching from a page, which is loaded when it is asked for: by the address, the key p or a button.
  let teaching = false;
  const present = () => {
    document.dispatchEvent(new Event("present"));
    if (teaching) return;
    teaching = true;
    const named = (file) => new URL(file, here).href;
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: named("present.css") });
    style.onload = () => document.head.append(Object.assign(document.createElement("script"), { src: named("present.js") }));
    document.head.append(style);
  };
  if (new URLSearchParams(location.search).has("present")) present();
  addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, altKey, metaKey } = event;
    if (key === "p" && !ctrlKey && !altKey && !metaKey && !target.closest?.("input, select, textarea, [contenteditable]")) present();
  });
  document.querySelector(".present-page")?.addEventListener("click", present);

  // The theme's buttons name the function that they call: see strict_policy.py.
  addEventListener("click", ({ target }) => {
    const called = target.closest?.("[data-calls]")?.dataset.calls;
    if (called) called.split(".").reduce((holder, name) => holder[name], globalThis)();
  });
}
