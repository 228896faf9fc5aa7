// What can wait until the reader has the first picture, since it keeps the page busy for a while: the layout of all that is
// below the screen, and the scripts of the theme.

{
  const catchUp = () => {
    document.documentElement.classList.remove("opening");
    for (const waiting of document.querySelectorAll('script[type="text/later"]')) {
      waiting.replaceWith(Object.assign(document.createElement("script"), { src: waiting.src, async: false }));
    }
  };

  // The host of the widgets has marked their places by now, and says when one is drawn; a task after the next frame it is
  // on the screen.
  if (document.querySelector(".widget[aria-busy]")) {
    addEventListener("widget-drawn", () => requestAnimationFrame(() => setTimeout(catchUp)), { once: true });
  } else catchUp();

  // What folds has the name that is seen on it: of a solution, that of its exercise.
  addEventListener("load", () => {
    for (const summary of document.querySelectorAll("details.hide > summary")) summary.removeAttribute("aria-label");
    for (const button of document.querySelectorAll(".toggle-button")) {
      button.setAttribute("aria-label", button.closest(".admonition-title").textContent.trim());
    }
  });
}
