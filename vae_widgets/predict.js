// A question to which the reader commits an answer before the true one is uncovered; as an exercise, until it is right;
// and several, one after the other, as a quiz.

import * as ui from "./ui.js";

// --- what all of them have: texts, the prompt, and one of several choices ---

/** @param {string} text */
const plain = (text) => text.replaceAll("`", "");

// What stands in backticks, as code.
/** @param {string} text */
const coded = (text) => text.split("`").map((part, i) => (i % 2 ? ui.h("code", {}, part) : part));

/** @param {string} text */
const promptOf = (text) => ui.h("p", { class: "vw-predict-prompt", id: ui.uniqueName("prompt") }, coded(text));

// The parts of a reply, the first one strong.
/** @param {HTMLElement} reply @param {string[]} parts */
const setReply = (reply, parts) =>
  reply.replaceChildren(...parts.flatMap((part, i) => [i ? " " : "", ui.h(i ? "span" : "strong", {}, coded(part))]));

// question: { choices, replies, truth, values }; mark([index]) is called as the reader chooses; inUnit: a value as text.
/**
 * @param {Choices} what
 * @param {{ prompt: Element, mark: (answer: number[]) => void, trying?: boolean, inUnit?: (value: number) => string }} how
 * @returns {Asked}
 */
function askChoice({ choices, replies, truth, values }, { prompt, mark, trying = false, inUnit = String }) {
  const { h } = ui;
  const name = ui.uniqueName("choice");
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const options = choices.map((text, i) => {
    const input = h("input", { type: "radio", name, ...ui.KEYS, "data-trait": "mark", onchange: () => mark([i]) });
    const said = h("span", { class: "vw-predict-said" });
    const bar = h("span", { class: "vw-predict-bar", hidden: true });
    const part = h("div", { class: "vw-predict-option" }, h("label", {}, input, h("span", {}, coded(text)), said), bar);
    return { input, said, bar, part };
  });
  const part = h(
    "fieldset",
    { class: "vw-predict-options", "aria-labelledby": prompt.id },
    options.map((option) => option.part),
  );

  /** @type {Asked["update"]} */
  function update(marked, tried, done) {
    part.dataset.value = JSON.stringify([marked, tried]);
    options.forEach(({ input, said, bar, part }, i) => {
      const [mine, right] = [tried.some(([index]) => index === i), done && truth[0] === i];
      input.checked = marked[0] === i;
      input.disabled = done;
      const words = [mine && (trying ? (right ? "right" : "no") : "you said"), right && !trying && "it is this"].filter(
        Boolean,
      );
      said.textContent = [right ? "✓" : trying && mine && "✗", words.join(", ")].filter(Boolean).join(" ");
      part.classList.toggle("right", right);
      part.classList.toggle("mine", done && mine);
      bar.hidden = !done || !values.length;
      if (bar.hidden || bar.firstChild) return;
      /** @param {number} value */
      const share = (value) => (high > low ? value / (high - low) : 0);
      const style = `margin-left:${100 * share(Math.min(0, values[i]) - low)}%;width:${100 * Math.abs(share(values[i]))}%`;
      bar.append(
        h("span", {}, h("span", { style })),
        h("output", { "aria-live": "off", "data-value": values[i] }, inUnit(values[i])),
      );
    });
  }
  /** @param {number} i */
  const quoted = (i) => (/^`[^`]*`$/.test(choices[i]) ? plain(choices[i]) : `“${plain(choices[i])}”`);
  return {
    part,
    update,
    hint: "Choose one first.",
    words: ([i]) => quoted(i),
    said: ([i]) =>
      truth.length === 0
        ? `You said ${quoted(i)}.`
        : truth[0] === i
          ? `You said ${quoted(i)}, and so it is.`
          : `You said ${quoted(i)}; it is ${quoted(truth[0])}.`,
    reply: ([i]) => replies[i],
    right: ([i]) => truth[0] === i,
  };
}

/** @type {Render} */
async function renderPredict({ model, el }) {
  const { h, s } = ui;
  const [kind, replies, truth, unit, told] = ["kind", "replies", "truth", "unit", "told"].map((trait) =>
    model.get(trait),
  );
  const tolerance = model.get("tolerance"),
    trying = tolerance !== null;
  const heading = trying ? "Try it" : "Predict";

  // --- numbers ---

  /** @param {number} n */
  const superscript = (n) => String(n).replace(/[-\d]/g, (letter) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(letter)]);

  // Four digits, and more only where they are all whole.
  /** @param {number} value */
  /** @type {(value: number) => string} */
  function show(value) {
    const size = Math.abs(value),
      power = Math.floor(Math.log10(size));
    if (size && (size < 1e-4 || size >= 1e9)) return `${show(value / 10 ** power)} · 10${superscript(power)}`;
    const rounded = size >= 1e4 ? Math.round(value) : +value.toPrecision(4);
    return rounded.toLocaleString("en", { maximumFractionDigits: 8 }).replace("-", "−");
  }

  /** @param {string[]} texts */
  const listed = (texts) => (texts.length > 1 ? `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}` : texts[0]);

  /** @param {number} value */
  const inUnit = (value) => (unit ? `${show(value)} ${unit}` : show(value));

  const view = ui.frame(model, el, `${heading}: ${plain(model.get("prompt"))}`);
  const prompt = promptOf(model.get("prompt"));

  // --- an axis: the stops of a slider, and where a value stands on it, from 0 to 1 ---

  /** @type {(ends: number[], log: boolean, step?: number) => Stops} */
  function axisOf([low, high], log, step = 0) {
    /** @type {(value: number) => number} */
    const f = log ? Math.log : (value) => value;
    /** @param {number} value */
    const place = (value) => (f(value) - f(low)) / (f(high) - f(low));
    const size =
      step ||
      [1, 2, 5, 10]
        .map((m) => m * 10 ** Math.floor(Math.log10((high - low) / 100)))
        .find((m) => (high - low) / m <= 100);
    const even = ui.range(Math.floor((high - low) / size + 1e-9) + 1).map((i) => +(low + i * size).toPrecision(12));
    const ratios = ui
      .range(101)
      .map((i) => Math.min(high, Math.max(low, +(low * (high / low) ** (i / 100)).toPrecision(2))));
    const stops = log && !step ? [...new Set([...ratios, high])] : even;
    /** @param {number} value */
    const nearest = (value) =>
      stops.reduce(
        (best, stop, i) =>
          Math.abs(place(stop) - place(value)) < Math.abs(place(stops[best]) - place(value)) ? i : best,
        0,
      );
    const powers = ui
      .range(40)
      .map((i) => +`1e${i - 20}`)
      .filter((t) => t >= low * 0.999 && t <= high * 1.001);
    const sparse = powers.filter((_, i) => i % Math.ceil(powers.length / 5) === 0);
    const ticks = log && powers.length > 1 ? sparse : log ? [low, high] : ui.niceTicks(low, high, 5);
    return {
      place,
      stops,
      nearest,
      ticks,
      size,
      middle: stops[nearest(log ? Math.sqrt(low * high) : (low + high) / 2)],
    };
  }

  // A slider over the stops of an axis; what: for the ear. onmove(value).
  /** @param {Stops} axis @param {string} what @param {(value: number) => void} onmove */
  function dial(axis, what, onmove) {
    /** @type {HTMLInputElement} */
    const input = h("input", {
      type: "range",
      ...ui.KEYS,
      min: 0,
      max: axis.stops.length - 1,
      "aria-label": what,
      oninput: () => onmove(axis.stops[+input.value]),
    });
    /** @param {number | undefined} value @param {string} text */
    const set = (value, text) => {
      input.value = String(axis.nearest(value ?? axis.middle));
      input.setAttribute("aria-valuetext", value === undefined ? "not answered" : text);
    };
    return { input, set };
  }

  // --- a number, on a slider or typed ---

  /** @returns {Asked} */
  function askNumber() {
    const [low, high] = model.get("between"),
      log = model.get("log").includes("x");
    const axis = axisOf([low, high], log, model.get("step"));
    const slider = dial(axis, "Your number, on a slider", (value) => mark([value]));
    /** @type {HTMLInputElement} */
    const typed = h("input", {
      type: "number",
      min: low,
      max: high,
      step: log ? "any" : axis.size,
      ...ui.KEYS,
      "aria-label": `Your number, from ${show(low)} to ${inUnit(high)}`,
      oninput: () => mark(low <= typed.valueAsNumber && typed.valueAsNumber <= high ? [typed.valueAsNumber] : []),
      onkeydown: pressed,
    });
    /** @param {KeyboardEvent} event */
    function pressed(event) {
      if (event.key === "Enter") given();
      if (!log || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
      event.preventDefault(); // a step of 1 means little on a logarithmic line: take one of the slider's
      if (event.key === "ArrowUp") slider.input.stepUp();
      else slider.input.stepDown();
      slider.input.dispatchEvent(new Event("input"));
    }
    /** @param {string} name */
    const flag = (name) => h("span", { class: `vw-predict-flag ${name}`, hidden: true });
    const [yours, real] = [flag("yours"), flag("real")];
    const gap = h("span", { class: "vw-predict-gap", hidden: true });
    const line = h("div", { class: "vw-predict-flags", role: "img" }, gap, yours, real);
    /** @param {number} value */
    const at = (value) => `--at:${Math.min(1, Math.max(0, axis.place(value)))}`;
    /** @param {HTMLElement} element @param {number | undefined} value @param {string} text */
    const put = (element, value, text) => {
      element.hidden = value === undefined;
      if (!element.hidden) ui.put(element, { style: at(value) });
      element.replaceChildren(element.hidden ? "" : h("span", {}, text));
    };
    const ticks = axis.ticks.map((t) => h("span", { style: at(t) }, show(t)));
    const part = h(
      "div",
      { class: "vw-predict-number" },
      h(
        "div",
        { class: "vw-predict-line" },
        line,
        slider.input,
        h("div", { class: "vw-stops", "aria-hidden": "true" }, ticks),
      ),
      h("label", { class: "vw-predict-typed" }, typed, unit && h("span", {}, unit)),
    );

    /** @type {Asked["update"]} */
    function update([marked], tried, done) {
      slider.set(marked, inUnit(marked ?? 0));
      if (document.activeElement !== typed || typed.valueAsNumber !== marked) {
        if (marked !== undefined || document.activeElement !== typed)
          typed.value = marked === undefined ? "" : String(+marked.toPrecision(12));
      }
      slider.input.disabled = typed.disabled = done;
      part.classList.toggle("unmarked", marked === undefined);
      put(yours, marked ?? axis.middle, `you: ${marked === undefined ? "?" : show(marked)}`);
      put(real, done ? truth[0] : undefined, `${trying ? "answer" : "it is"}: ${show(truth[0])}`);
      gap.hidden = !done;
      const [from, to] = [marked ?? 0, truth[0]].sort((a, b) => a - b).map(axis.place);
      if (done) ui.put(gap, { style: `--at:${from};--to:${to}` });
      line.dataset.value = JSON.stringify([marked, tried]);
      ui.put(line, {
        "aria-label": `A line from ${show(low)} to ${inUnit(high)}: ${marked === undefined ? "no mark yet" : `your mark at ${inUnit(marked)}`}${done ? `, the answer at ${inUnit(truth[0])}` : ""}`,
      });
    }
    /** @param {number[]} answer */
    const right = ([value]) => Math.abs(value - truth[0]) <= tolerance;
    return {
      part,
      update,
      right,
      hint: `Give a number from ${show(low)} to ${show(high)} first.`,
      words: ([value]) => inUnit(value),
      said: ([value]) =>
        inUnit(value) === inUnit(truth[0])
          ? `You said ${inUnit(value)}, and so it is.`
          : `You said ${show(value)}; it is ${inUnit(truth[0])}.`,
      reply: ([value]) =>
        replies.find(
          (/** @type {[number | null, number | null, string]} */ [from, to]) =>
            (from ?? -Infinity) <= value && value <= (to ?? Infinity),
        )?.[2] ??
        (trying && !right([value]) && `${inUnit(value)} is too ${value < truth[0] ? "low" : "high"}.`),
    };
  }

  // --- a curve: its values at some x, or one point anywhere ---

  /** @returns {Asked} */
  function askCurve() {
    /** @type {[number[], number[], number[]]} */
    const [xs, ys, at] = [model.get("x"), model.get("y"), model.get("at")];
    const [labels, [low, high], log] = ["labels", "between", "log"].map((trait) => model.get(trait));
    const free = !at.length;
    const [alongX, alongY] = [axisOf([xs[0], xs.at(-1)], log.includes("x")), axisOf([low, high], log.includes("y"))];
    /** @type {(along: Stops, ends: number[], isLog: boolean, label: string) => import("./charts.js").Axis} */
    const axis = (along, [min, max], isLog, label) => ({
      min,
      max,
      log: isLog,
      label,
      ticks: along.ticks,
      format: show,
    });
    const axes = ui.axes({
      width: 440,
      height: 280,
      left: 58,
      label: "",
      x: axis(alongX, [xs[0], xs.at(-1)], log.includes("x"), labels[0]),
      y: axis(alongY, [low, high], log.includes("y"), unit ? `${labels[1]}, ${unit}` : labels[1]),
    });
    const start = free ? [alongX.middle, alongY.middle] : at.map(() => alongY.middle);
    /** @param {number[]} answer */
    const spots = (answer) => (free ? [answer] : answer.map((y, i) => [at[i], y]));
    const now = () => (model.get("mark").length ? model.get("mark") : start);
    /** @param {number} index @param {number} value */
    const move = (index, value) => mark(ui.changed(now(), index, value));
    /** @param {number} i */
    const yIndex = (i) => (free ? 1 : i);

    // The curve's value, along a straight line between the points of the picture.
    /** @param {number} x */
    function height(x) {
      const i = Math.min(xs.length - 2, Math.max(0, xs.findIndex((value) => value >= x) - 1));
      const [a, b] = [alongX.place(xs[i]), alongX.place(xs[i + 1])];
      const t = (alongX.place(x) - a) / (b - a);
      return log.includes("y") ? ys[i] ** (1 - t) * ys[i + 1] ** t : ys[i] + t * (ys[i + 1] - ys[i]);
    }

    const handles = spots(start).map(() =>
      s(
        "g",
        { class: "vw-predict-handle" },
        s("circle", { r: 24, fill: "#fff", "fill-opacity": 0 }),
        s("circle", { r: 8, fill: ui.COLOURS.elbo, stroke: "#fff", "stroke-width": 2 }),
      ),
    );
    const rails = at.map((x) =>
      s("line", {
        x1: axes.x(x),
        x2: axes.x(x),
        y1: axes.box.top,
        y2: axes.box.bottom,
        stroke: ui.COLOURS.line,
        "stroke-dasharray": "3 4",
      }),
    );
    const drawn = s("path", {
      class: "vw-predict-drawn",
      fill: "none",
      stroke: ui.COLOURS.elbo,
      "stroke-width": 1.5,
      "stroke-dasharray": "5 4",
    });
    const gaps = handles.map(() => s("line", { stroke: ui.COLOURS.kl, "stroke-width": 2.5 }));
    const curve = s("path", {
      class: "vw-predict-curve",
      fill: "none",
      stroke: ui.INK,
      "stroke-width": 2.5,
      pathLength: 1,
    });
    axes.plot.append(...rails, drawn, ...gaps, curve);
    axes.svg.append(...handles);

    /** @param {number} value @param {number} from @param {number} to */
    const clamp = (value, from, to) => Math.min(to, Math.max(from, value));
    /** @param {Stops} along @param {number} value */
    const snap = (along, value) => along.stops[along.nearest(value)];
    /** @type {number | null} */
    let held = null;
    /** @param {PointerEvent} event */
    function drag(event) {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(axes.svg.getScreenCTM().inverse());
      const [px, py] = axes.at(clamp(x, axes.box.left, axes.box.right), clamp(y, axes.box.top, axes.box.bottom));
      const value = clamp(snap(alongY, py), low, high);
      mark(free ? [snap(alongX, px), value] : ui.changed(now(), held, value));
    }
    handles.forEach((handle, i) =>
      handle.addEventListener("pointerdown", (event) => {
        if (event.button || isDone()) return;
        held = i;
        axes.svg.setPointerCapture(event.pointerId);
        event.preventDefault();
      }),
    );
    axes.svg.addEventListener(
      "pointermove",
      (event) => held !== null && axes.svg.hasPointerCapture(event.pointerId) && drag(event),
    );
    axes.svg.addEventListener("lostpointercapture", () => (held = null));

    const dials = [
      free && { ...dial(alongX, `Your point: ${labels[0]}`, (value) => move(0, value)), name: labels[0], index: 0 },
      ...spots(start).map((_, i) => ({
        ...dial(alongY, free ? `Your point: ${labels[1]}` : `Your ${labels[1]} at ${show(at[i])}`, (value) =>
          move(yIndex(i), value),
        ),
        name: free ? labels[1] : `at ${show(at[i])}`,
        index: yIndex(i),
      })),
    ]
      .filter(Boolean)
      .map((one) => ({ ...one, shown: ui.output() }));
    const part = h(
      "div",
      { class: "vw-column vw-predict-plot" },
      axes.svg,
      h(
        "div",
        { class: "vw-predict-dials" },
        dials.map(({ name, input, shown }) => h("label", { class: "vw-slider" }, h("span", {}, name), input, shown)),
      ),
    );

    /** @type {Asked["update"]} */
    function update(marked, _tried, done) {
      const places = spots(marked.length ? marked : start).map(([x, y]) => [axes.x(x), axes.y(y)]);
      handles.forEach((handle, i) => ui.put(handle, { transform: `translate(${places[i]})` }));
      ui.put(drawn, { d: places.length > 1 ? ui.path(places) : "" });
      part.classList.toggle("unmarked", !marked.length);
      part.classList.toggle("done", done);
      gaps.forEach((gap, i) => {
        gap.style.display = done ? "" : "none";
        if (done)
          ui.put(gap, {
            x1: places[i][0],
            x2: places[i][0],
            y1: places[i][1],
            y2: axes.y(height(spots(marked)[i][0])),
          });
      });
      curve.setAttribute("d", done ? ui.path(xs.map((x, i) => [axes.x(x), axes.y(ys[i])])) : "");
      for (const { input, set, shown, index } of dials) {
        set(marked[index], (index === 0 && free ? show : inUnit)(marked[index] ?? 0));
        shown.value = marked.length ? show(marked[index]) : "";
        input.disabled = done;
      }
      const words = marked.length
        ? `your mark: ${spots(marked)
            .map(([x, y]) => `${show(y)} at ${show(x)}`)
            .join(", ")}`
        : "no mark yet";
      const ends = `; the curve goes from ${show(ys[0])} to ${show(ys.at(-1))}, its lowest value is ${show(Math.min(...ys))}, its highest ${show(Math.max(...ys))}`;
      ui.put(axes.svg, { "aria-label": `${labels[1]} against ${labels[0]}: ${words}${done ? ends : ""}` });
    }
    return {
      part,
      update,
      hint: "Drag the point first, or move it by its slider.",
      words: (answer) =>
        spots(answer)
          .map(([x, y]) => `${inUnit(y)} at ${show(x)}`)
          .join(", "),
      said: (answer) => {
        const [places, yours] = [0, 1].map((i) => spots(answer).map((spot) => show(spot[i])));
        const real = spots(answer).map(([x]) => show(height(x)));
        return `At ${listed(places)} you said ${listed(yours)}; it is ${listed(real)}${unit && ` ${unit}`}.`;
      },
      reply: () => null,
      right: () => false,
    };
  }

  // --- what comes with the answer ---

  function pictures() {
    const bytes = ui.bytes(model.get("images")),
      captions = model.get("captions"),
      figure = ui.bytes(model.get("figure"));
    const digits = captions.map((caption, i) => {
      const canvas = ui.digit("small");
      ui.paint(
        canvas,
        Float32Array.from(bytes.subarray(784 * i, 784 * (i + 1)), (level) => level / 255),
      );
      canvas.setAttribute("aria-label", caption || `Picture ${i + 1}`);
      return ui.captioned(canvas, caption);
    });
    const source = new TextDecoder().decode(figure);
    return [
      digits.length > 0 && h("div", { class: "vw-predict-images" }, digits),
      source &&
        h("img", {
          class: "vw-predict-figure",
          alt: model.get("figure_text"),
          src: `data:image/svg+xml,${encodeURIComponent(source)}`,
        }),
    ].filter(Boolean);
  }

  // --- marking, committing, uncovering ---

  function askOne() {
    const [choices, values] = ["choices", "values"].map((trait) => model.get(trait));
    return askChoice({ choices, replies, truth, values }, { prompt, mark, trying, inUnit });
  }

  const asked = kind === "choice" ? askOne() : kind === "number" ? askNumber() : askCurve();
  const commit = ui.button("", () => given(), "primary");
  const reply = h("p", { class: "vw-predict-reply" });
  const answer = h("div", { class: "vw-predict-answer vw-column", hidden: true }, reply);
  view.root.classList.add("vw-predict");
  view.body.append(h("p", { class: "vw-predict-kind" }, heading), prompt, asked.part);
  view.foot.prepend(commit);
  view.foot.after(answer);

  const isDone = () => {
    const tried = model.get("given");
    return tried.length > 0 && (!trying || asked.right(tried.at(-1)));
  };

  /** @param {number[]} answer */
  function mark(answer) {
    ui.set(model, { mark: answer });
  }

  function given() {
    const answer = model.get("mark");
    if (isDone()) return;
    if (answer.length) ui.set(model, { given: [...model.get("given"), answer] });
    else view.status.textContent = asked.hint;
  }

  // What is said to an answer: [[text, class], ...].
  /** @param {number[]} last @param {boolean} done */
  function replyTo(last, done) {
    const own = asked.reply(last);
    if (!trying) return [asked.said(last), own, told];
    return done ? ["Yes.", own, told] : ["No.", own];
  }

  function update() {
    const [marked, tried] = [model.get("mark"), model.get("given")];
    const done = isDone(),
      last = tried.at(-1);
    asked.update(marked, tried, done);
    commit.textContent = trying ? (done ? "Checked" : "Check") : done ? "Committed" : "Commit";
    commit.setAttribute("aria-disabled", String(done || !marked.length));
    const parts = last ? replyTo(last, done).filter(Boolean) : [];
    answer.hidden = !last;
    answer.classList.toggle("right", trying && done);
    setReply(reply, parts);
    if (!done) answer.replaceChildren(reply);
    else if (answer.children.length === 1) answer.append(...pictures());
    const shownFigure = done ? model.get("figure_text") : "";
    if (last && String(last) === String(marked)) view.say(plain([...parts, shownFigure].filter(Boolean).join(" ")));
    else if (marked.length) view.say(`Marked: ${asked.words(marked)}.`);
    else view.say(`${heading}: not answered yet.`);
  }

  view.watch(["mark", "given"], update);
  return view.stop;
}

// --- a quiz: choices, one after the other, and at the end what to read again ---

// The section of the page with this heading, whether the book made its name or Jupyter.
/** @param {string} heading */
function findSection(heading) {
  /** @param {string} text */
  const name = (text) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, " ")
      .trim();
  return [...document.querySelectorAll("[id]")].find(({ id }) => name(id) === name(heading));
}

/** @type {Render} */
async function renderQuiz({ model, el }) {
  const { h } = ui;
  /** @type {Question[]} */
  const questions = model.get("questions");
  const count = questions.length;
  const view = ui.frame(model, el, "Quiz");
  /** @type {(i: number) => number} */
  const given = (i) => model.get("given")[i];
  /** @param {number} i */
  const isOpen = (i) => given(i) < 0;
  /** @param {number} i */
  const isRight = (i) => given(i) === questions[i].truth[0];
  const firstOpen = () => [...questions.keys(), count].find((i) => i === count || isOpen(i));

  const parts = questions.map((question, i) => {
    const prompt = promptOf(question.prompt),
      reply = h("p", { class: "vw-predict-reply", hidden: true });
    /** @param {number[]} answer */
    const mark = ([choice]) => ui.setAt(model, "marks", i, choice);
    const asked = askChoice(question, { prompt, mark });
    return { asked, reply, part: h("div", { class: "vw-column vw-quiz-question" }, prompt, asked.part, reply) };
  });
  const steps = questions.map((_, i) => ui.button("", () => i <= firstOpen() && goTo(i)));
  const kind = h("p", { class: "vw-predict-kind" });
  const result = h("p", { class: "vw-quiz-result", hidden: true });
  const main = ui.button(
    "",
    () => (isOpen(model.get("at")) ? answer() : model.get("at") < count - 1 && goTo(model.get("at") + 1)),
    "primary",
  );
  view.root.classList.add("vw-predict", "vw-quiz");
  view.body.append(
    h("div", { class: "vw-quiz-steps", role: "group", "aria-label": "Questions" }, steps),
    kind,
    ...parts.map(({ part }) => part),
    result,
  );
  view.foot.prepend(main);

  let moved = false; // to another question, where the reader goes on
  /** @param {number} at */
  function goTo(at) {
    moved = at !== model.get("at");
    ui.set(model, { at });
    update(); // before the next frame: the next key is meant for this question
  }

  function answer() {
    const at = model.get("at"),
      choice = model.get("marks")[at];
    if (choice < 0) view.status.textContent = parts[at].asked.hint;
    else ui.setAt(model, "given", at, choice);
  }

  // To a wrong answer also what is right, and why.
  /** @param {number} i */
  function replyTo(i) {
    const { replies, truth } = questions[i],
      { asked } = parts[i];
    if (isRight(i)) return ["Right.", replies[given(i)]];
    return ["No.", replies[given(i)], `It is ${asked.words(truth).replace(".”", "”")}.`, replies[truth[0]]];
  }

  function showResult() {
    const missed = [...new Set(questions.filter((_, i) => !isRight(i)).map(({ section }) => section))];
    const links = missed.map((heading) => {
      const section = findSection(heading);
      return section ? h("a", { href: `#${section.id}` }, heading) : heading;
    });
    const again = links.flatMap((link, i) => [i ? " · " : " Read again: ", link]);
    result.replaceChildren(`${questions.filter((_, i) => isRight(i)).length} of ${count}.`, ...again);
  }

  function update() {
    const at = model.get("at"),
      open = firstOpen(),
      marks = model.get("marks");
    kind.textContent = `Question ${at + 1} of ${count}`;
    parts.forEach(({ asked, reply, part }, i) => {
      const [marked, tried] = [marks[i], given(i)].map((choice) => (choice < 0 ? [] : [choice]));
      asked.update(
        marked,
        tried.map((choice) => [choice]),
        !isOpen(i),
      );
      reply.hidden = isOpen(i);
      setReply(reply, isOpen(i) ? [] : replyTo(i));
      part.hidden = i !== at;
      steps[i].textContent = `${i + 1}${isOpen(i) ? "" : isRight(i) ? " ✓" : " ✗"}`;
      ui.put(steps[i], {
        "aria-label": `Question ${i + 1}: ${isOpen(i) ? "not answered" : isRight(i) ? "right" : "not right"}`,
        "aria-current": String(i === at),
        "aria-disabled": String(i > open),
      });
    });
    const ended = !isOpen(at) && at === count - 1;
    main.textContent = isOpen(at) ? "Answer" : ended ? "Answered" : "Next question";
    main.setAttribute("aria-disabled", String(ended || (isOpen(at) && marks[at] < 0)));
    result.hidden = open < count;
    if (result.hidden) result.replaceChildren();
    else showResult();
    if (!isOpen(at)) view.say([...replyTo(at).map(plain), result.textContent].join(" ").trim());
    else if (marks[at] >= 0) view.say(`Marked: ${parts[at].asked.words([marks[at]])}.`);
    else view.say(`Question ${at + 1} of ${count}: not answered yet.`);
    /** @type {HTMLInputElement | null} */
    const input = parts[at].part.querySelector("input:enabled:checked, input:enabled");
    if (moved) input?.focus();
    moved = false;
  }

  view.watch(["at", "marks", "given"], update);
  return view.stop;
}

export default {
  render: (/** @type {Parameters<Render>[0]} */ place) =>
    (place.model.get("questions") ? renderQuiz : renderPredict)(place),
};
