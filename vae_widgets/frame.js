// The frame of a widget: Reset, a link, and what is said of the picture.

import { useModel } from "./adopted.js";
import { button } from "./controls.js";
import { h } from "./elements.js";
import { bind, set } from "./traits.js";

// Returns { root, body, foot, status, say, watch, signal, stop }: append to body; `watch` redraws when traits change, once a frame;
// `say` puts the picture in words, for those who do not see it; hand `stop` back from render. The model's title, if it
// has one, tells the widget from its like on the page.
/** @type {(model: Model, el: HTMLElement, label: string) => View} */
export function frame(model, el, label) {
  const title = model.get("title");
  const controller = new AbortController();
  const live = h("p", { class: "vw-hidden", "aria-live": "polite" });
  const status = h("span", { class: "vw-status", role: "status" });
  const body = h("div", { class: "vw-body vw-column" });
  const foot = h("div", { class: "vw-foot" }, h("button", { type: "button", onclick: reset }, "Reset"));
  if (model.link && model.get("_shared").length)
    foot.append(h("button", { type: "button", onclick: copyLink }, "Copy link to this state"));
  foot.append(status);
  const heading = title && h("p", { class: "vw-title" }, title);
  const adopted =
    model.adopted &&
    h(
      "p",
      { class: "vw-note vw-adopted" },
      `This is ${model.adopted}. `,
      button("The book’s model again", () => useModel(null)),
    );
  const root = h(
    "section",
    { class: "vw", role: "group", "aria-label": title ? `${label}: ${title}` : label },
    heading,
    adopted,
    body,
    foot,
    live,
  );
  el.append(root);
  for (const trait of Object.keys(model.get("_defaults")))
    bind(model, trait, () => status.replaceChildren(), controller.signal);

  function reset() {
    set(model, structuredClone(model.get("_defaults")));
    status.textContent = "As it was.";
  }

  async function copyLink() {
    const link = model.link();
    try {
      await navigator.clipboard.writeText(link);
      status.textContent = "Copied.";
    } catch {
      // Not every browser lets a page from disk at the clipboard: show what there is to copy.
      const field = h("input", { type: "text", readonly: true, "aria-label": "Link to this state" });
      field.value = link;
      status.replaceChildren(field);
      field.select();
    }
  }

  /** @type {number} */
  let spoken;
  /** @param {string} text */
  function say(text) {
    clearTimeout(spoken);
    // A slider on the move would be read out at every step.
    spoken = setTimeout(() => {
      live.textContent = text;
      if (model.get("text") !== text) set(model, { text });
    }, 250);
  }

  /** @type {View["watch"]} */
  function watch(traits, draw) {
    let waiting = false;
    const change = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        if (!controller.signal.aborted) draw();
      });
    };
    for (const trait of traits) model.on(`change:${trait}`, change);
    controller.signal.addEventListener("abort", () => traits.forEach((trait) => model.off(`change:${trait}`, change)));
    draw();
  }

  function stop() {
    clearTimeout(spoken);
    controller.abort();
    root.remove();
  }

  return { root, body, foot, status, say, watch, stop, signal: controller.signal };
}
