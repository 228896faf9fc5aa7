// Controls: native inputs with labels, bound to a trait.

import { h, output, uniqueName } from "./elements.js";
import { digit, paint } from "./pictures.js";
import { bind, set, setAt } from "./traits.js";
import { format } from "./words.js";

// JupyterLab takes arrow keys away from an input, unless the input says this.
export const KEYS = { "data-lm-suppress-shortcuts": "true" };

// A slider for a number, or for one entry (index) of a list. `values`: slide over these values (a log scale, say).
// `name` labels it for the eye, `label` (if more is needed) for the ear. `limits()`: [min, max] that change with the state.
/**
 * @param {{ signal: AbortSignal }} view
 * @param {Model} model
 * @param {object} what
 * @param {string} what.trait
 * @param {number} [what.index]
 * @param {Child} [what.name]
 * @param {string} [what.label]
 * @param {() => number[]} [what.limits]
 * @param {number} [what.step]
 * @param {number} [what.digits]
 * @param {number[]} [what.values]
 * @param {(value: number, digits: number) => string} [what.show]
 */
export function slider(
  view,
  model,
  { trait, index, name, label, limits, step = 0.05, digits = 2, values, show = format },
) {
  const [min, max] = values ? [0, values.length - 1] : (model.get("_limits")[trait] ?? []);
  const input = h("input", {
    type: "range",
    ...KEYS,
    min,
    max,
    step: values ? 1 : step,
    "aria-label": label ?? (typeof name === "string" && name),
    "data-trait": trait,
    "data-index": index,
  });
  const shown = output();
  const get = () => (index === undefined ? model.get(trait) : model.get(trait)[index]);
  /** @param {number} value */
  const nearest = (value) =>
    values.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(values[best] - value) ? i : best), 0);
  input.addEventListener("input", () => {
    const value = values ? values[+input.value] : +input.value;
    if (index === undefined) set(model, { [trait]: value });
    else setAt(model, trait, index, value);
  });
  bind(
    model,
    trait,
    () => {
      const value = get();
      if (limits) [input.min, input.max] = limits().map(String);
      input.value = String(values ? nearest(value) : value);
      shown.value = show(value, digits);
      input.setAttribute("aria-valuetext", shown.value);
    },
    view.signal,
  );
  return h("label", { class: "vw-slider" }, h("span", {}, name), input, shown);
}

/** @type {(view: View, model: Model, what: { trait: string, label: Child }) => HTMLLabelElement} */
export function checkbox(view, model, { trait, label }) {
  const input = h("input", { type: "checkbox", ...KEYS, "data-trait": trait });
  input.addEventListener("change", () => set(model, { [trait]: input.checked }));
  bind(model, trait, () => (input.checked = model.get(trait)), view.signal);
  return h("label", { class: "vw-choice" }, input, label);
}

// One of several: options are [value, label]; labels may be elements.
/** @param {View} view @param {Model} model @param {{ trait: string, legend: Child, options: [any, Child][], className?: string }} what */
export function radio(view, model, { trait, legend, options, className = "" }) {
  const group = uniqueName(trait); // radio buttons that share a name are one group
  const inputs = options.map(([value]) =>
    h("input", { type: "radio", name: group, value, ...KEYS, "data-trait": trait }),
  );
  inputs.forEach((input, i) => input.addEventListener("change", () => set(model, { [trait]: options[i][0] })));
  bind(
    model,
    trait,
    () => inputs.forEach((input, i) => (input.checked = options[i][0] === model.get(trait))),
    view.signal,
  );
  return h(
    "fieldset",
    { class: className },
    h("legend", {}, legend),
    options.map(([, label], i) => h("label", { class: "vw-choice" }, inputs[i], label)),
  );
}

// The row of test digits, to choose one by its index.
/**
 * @param {View} view
 * @param {Model} model
 * @param {Numbers[]} digits
 * @param {{ trait?: string, labels: ArrayLike<number>, legend?: string }} what
 */
export function digitChoice(view, model, digits, { trait = "digit", labels, legend = "Test digit" }) {
  /** @type {[number, Child][]} */
  const options = digits.map((x, i) => {
    const picture = digit("tiny", model.get("raster"));
    paint(picture, x);
    picture.setAttribute("aria-label", `test digit ${i + 1}, a ${labels[i]}`);
    return [i, picture];
  });
  return radio(view, model, { trait, legend, options, className: "vw-digits" });
}

/** @type {(label: Child, onclick: () => unknown, className?: string) => HTMLButtonElement} */
export const button = (label, onclick, className) => h("button", { type: "button", class: className, onclick }, label);

// What a reader is asked to find stays covered until a button, "Show …", has been pressed, which sets the trait
// `answer`: elements are hidden until then, and `name` says what comes. What is drawn asks the trait itself.
/** @type {(view: View, model: Model, name: string, covered?: Element[]) => HTMLButtonElement} */
export function answerButton(view, model, name, covered = []) {
  const show = button("", () => set(model, { answer: !model.get("answer") }));
  bind(
    model,
    "answer",
    () => {
      const open = model.get("answer");
      show.textContent = `${open ? "Hide" : "Show"} ${name}`;
      show.setAttribute("aria-expanded", String(open));
      covered.forEach((element) => element.toggleAttribute("hidden", !open)); // an <svg> has no property of that name
    },
    view.signal,
  );
  return show;
}
