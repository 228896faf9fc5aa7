// Loads MathJax, which sets the formulas, once the reader has the first picture: it keeps the page busy for a while.

{
  const { src } = document.currentScript;
  const loadMathJax = () => document.head.append(
    Object.assign(document.createElement("script"), { src: new URL("mathjax/startup.js", src) }),
  );

  // The host of the widgets has marked their places by now, and says when one is drawn; a task after the next frame it is
  // on the screen.
  if (document.querySelector(".widget[aria-busy]")) {
    addEventListener("widget-drawn", () => requestAnimationFrame(() => setTimeout(loadMathJax)), { once: true });
  } else loadMathJax();
}
