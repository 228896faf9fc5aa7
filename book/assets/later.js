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

  // The theme's buttons name the function that they call: see strict_policy.py.
  addEventListener("click", ({ target }) => {
    const called = target.closest?.("[data-calls]")?.dataset.calls;
    if (called) called.split(".").reduce((holder, name) => holder[name], globalThis)();
  });
}
