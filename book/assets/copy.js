// What is copied has the TeX of its formulas, which the browser would leave out, and without their colours.

addEventListener("copy", (event) => {
  const selection = getSelection();
  if (selection.isCollapsed || (event.target instanceof Element && event.target.matches("input, textarea"))) return;
  const range = selection.getRangeAt(0).cloneRange();
  /** @param {Node} node */
  const formula = (node) => (node instanceof Element ? node : node.parentElement).closest("[data-tex]");
  // A formula is copied whole.
  const [first, last] = [formula(range.startContainer), formula(range.endContainer)];
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
  const copy = document.createElement("div");
  copy.append(range.cloneContents());
  /** @type {NodeListOf<HTMLElement>} */
  const formulas = copy.querySelectorAll("[data-tex]");
  if (!formulas.length) return;
  for (const each of formulas) each.replaceWith(each.dataset.tex.replace(/\\textcolor\{\w+\}/g, ""));
  for (const other of copy.querySelectorAll("script, style, noscript")) other.remove();
  event.clipboardData.setData("text/html", copy.innerHTML);
  // As text it has the lines that it has in the page.
  copy.className = "copied";
  document.body.append(copy);
  // biome-ignore lint/performance/useDomNodeTextContent: textContent has no lines
  event.clipboardData.setData("text/plain", copy.innerText);
  copy.remove();
  event.preventDefault();
});
