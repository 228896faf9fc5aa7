// A word of the glossary shows its meaning when it is pointed at, tapped or come to with the Tab key: see definitions.py.
// Whoever taps reads first, and goes on by the link in the meaning. The browser closes it: by Escape, or a tap elsewhere.

// In an older browser a word is a link, and no more.
if ("popover" in HTMLElement.prototype) {
  /** @type {number} */
  let timer;
  let byMouse = false;
  /** @type {(target: EventTarget, selector: string) => HTMLElement | null} */
  const within = (target, selector) => (target instanceof Element ? target.closest(selector) : null);
  /** @param {Event} event */
  const at = ({ target }) => within(target, "a.word");

  /** @param {HTMLElement} word */
  const show = (word) => {
    clearTimeout(timer);
    const meaning = document.getElementById(word.getAttribute("aria-describedby"));
    if (!meaning.matches(":popover-open")) meaning.showPopover();
    const { left, top, bottom } = word.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = meaning;
    const below = bottom + height + 12 < innerHeight || top < height + 12;
    const x = Math.min(left, document.documentElement.clientWidth - width - 12);
    meaning.style.left = `${Math.max(12, x) + scrollX}px`;
    meaning.style.top = `${(below ? bottom + 6 : top - height - 6) + scrollY}px`;
  };
  /** @param {() => void} action @param {number} delay */
  const soon = (action, delay) => {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  };
  const hide = () => {
    /** @type {HTMLElement | null} */
    const open = document.querySelector(".meaning:popover-open");
    open?.hidePopover();
  };

  // A mouse that only passes opens nothing, and on its way to the meaning closes nothing.
  addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    const word = at(event);
    if (word) soon(() => show(word), 150);
    else if (within(event.target, ".meaning")) clearTimeout(timer);
    else if (document.activeElement?.matches(".word:focus-visible")) clearTimeout(timer);
    else soon(hide, 250);
  });
  addEventListener("pointerdown", ({ pointerType }) => {
    byMouse = pointerType === "mouse";
  });
  addEventListener("click", (event) => {
    const word = at(event);
    if (!word || byMouse || !event.detail) return; // the Enter key has no detail, and follows the link
    event.preventDefault();
    show(word);
  });
  addEventListener("focusin", (event) => {
    const word = at(event);
    if (word?.matches(":focus-visible")) show(word);
  });
  addEventListener("focusout", (event) => {
    if (at(event) && !within(event.relatedTarget, ".meaning")) hide();
  });
}
