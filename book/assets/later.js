// Runs the scripts that can wait, MathJax and the theme's own, once the reader has the first picture: they keep the page
// busy for a while.

{
  const runWaiting = () => {
    for (const waiting of document.querySelectorAll('script[type="text/later"]')) {
      waiting.replaceWith(Object.assign(document.createElement("script"), { src: waiting.src, async: false }));
    }
  };

  // The host of the widgets has marked their places by now, and says when one is drawn; a task after the next frame it is
  // on the screen.
  if (document.querySelector(".widget[aria-busy]")) {
    addEventListener("widget-drawn", () => requestAnimationFrame(() => setTimeout(runWaiting)), { once: true });
  } else runWaiting();
}
