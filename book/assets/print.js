// The page on paper, with print.css: nothing can be unfolded there, and the solutions stand at the end. A widget that is not
// drawn yet is waited for, unless it is the browser's menu that prints: a browser says so, and does not wait.

{
  const LINES = 24; // a third of a sheet
  const article = document.querySelector(".bd-article > section");
  /** @type {(() => void)[]} */
  const undo = [];

  addEventListener("beforeprint", () => {
    if (!article || undo.length) return;
    const [left, top] = [scrollX, scrollY];
    for (const code of article.querySelectorAll("pre")) {
      code.classList.toggle("long", code.textContent.split("\n").length > LINES);
    }
    /** @type {NodeListOf<HTMLElement>} */
    const links = article.querySelectorAll("a.external");
    for (const link of links) {
      const address = link.getAttribute("href");
      if (link.textContent !== address) link.dataset.address = address;
    }
    /** @type {NodeListOf<HTMLDetailsElement>} */
    const boxes = article.querySelectorAll("details.exact:not([open])");
    for (const box of boxes) {
      box.open = true;
      undo.push(() => (box.open = false));
    }
    const solutions = article.querySelectorAll(".solution");
    if (solutions.length) {
      const end = Object.assign(document.createElement("section"), { id: "solutions" });
      end.append(Object.assign(document.createElement("h2"), { textContent: "Solutions" }));
      for (const solution of solutions) {
        const gap = document.createComment("");
        solution.replaceWith(gap);
        end.append(solution);
        undo.push(() => gap.replaceWith(solution));
      }
      article.append(end);
      undo.push(() => end.remove());
    }
    undo.push(() => scrollTo(left, top));
  });

  addEventListener("afterprint", () => {
    for (const step of undo.splice(0)) step();
  });

  const WAITING = ".widget[aria-busy], .vw[aria-busy=true]";
  const isReady = () => !document.querySelector(WAITING) && [...document.images].every((image) => image.complete);

  async function printWhole() {
    for (const image of document.images) image.loading = "eager";
    while (!isReady()) await new Promise((done) => setTimeout(done, 50));
    print();
  }

  // The theme's button, the keys, and the address of a page with ?print.
  addEventListener(
    "click",
    (event) => {
      if (!(event.target instanceof Element && event.target.closest('[data-calls="window.print"]'))) return;
      event.stopImmediatePropagation();
      printWhole();
    },
    { capture: true },
  );

  addEventListener("keydown", (event) => {
    if (event.key !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || isReady()) return;
    event.preventDefault();
    printWhole();
  });

  if (new URLSearchParams(location.search).has("print")) printWhole();
}
