// The search: sections of the book for what a reader types. Loaded when a search field is first used, after stemmer.js
// and search_index.js, which section_search.py writes.

{
  const { pages, sections, synonyms, stopwords } = globalThis.bookIndex;
  const root = document.documentElement.dataset.content_root;

  // --- words ---

  const GREEK = Object.fromEntries(
    ("α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi ο omicron π pi " +
      "ρ rho σ sigma ς sigma τ tau υ upsilon φ phi χ chi ψ psi ω omega").split(" ").flatMap((letter, i, all) => (i % 2 ? [] : [[letter, all[i + 1]]])),
  );
  const stemmer = new Stemmer();
  const ignored = new Set([...stopwords, ..."between can do does how i may my s should versus vs use what when which why you your".split(" ")]);
  const american = (word) =>
    word
      .replace(/parametri(?=[sz])/, "parameteri")
      .replace(/(?<=\w{2})ys(?=e|ing)/, "yz")
      .replace(/(?<=\w{3})is(?=(e|ed|es|er|ers|ing|able|ation|ations)$)/, "iz")
      .replace(/(?<=\w{3})our(?=(s|ed|ing|s|al|able|ful|less)?$)/, "or")
      .replace(/(?<=\w{3})tr(?=e[sd]?$)/, "ter")
      .replace(/(?<=te)re/, "r")
      .replace(/^grey/, "gray");

  // A word of a text as one that is read: small, without accents, Greek letters by name. pθ and qφ are p and q.
  const plain = (word) =>
    word
      .normalize("NFKD")
      .toLowerCase()
      .replace(/\p{M}|['’]s$/gu, "")
      .replace(/^([pq])_?(θ|φ|theta|phi)$/, "$1")
      .replace(/[α-ω]/g, (letter) => ` ${GREEK[letter]} `)
      .match(/[a-z0-9]+/g) ?? [];
  const known = new Map(); // a plain word: its stem
  const stem = (word) => {
    if (!known.has(word)) known.set(word, stemmer.stemWord(american(word)));
    return known.get(word);
  };
  const WORD = /[pq]_(?:theta|phi|θ|φ)(?!\p{L})|[\p{L}\p{N}\p{M}]+(?:['’]\p{L}+)?/giu;
  // The words of a text: each with its place in it, and whether a hyphen or the like ties it to the one before.
  const words = (text) => {
    const found = [];
    for (const { 0: word, index } of text.matchAll(WORD)) {
      const last = found.at(-1), tied = last && /^[-‑–_]$/.test(text.slice(last.end, index));
      for (const part of plain(word)) found.push({ word: part, at: index, end: index + word.length, tied: !!tied });
    }
    return found;
  };

  // --- the index ---

  const numbers = new Map(); // a stem: its number
  const numberOf = (name) => numbers.get(name) ?? (numbers.set(name, numbers.size + 1), numbers.size);
  // The numbers of a text's words. Between two parts stands a 0; tied words stand at the end once more, as one.
  const encode = (text) => {
    const found = words(text), joined = [];
    for (let i = 1, whole = ""; i < found.length; i++) {
      whole = found[i].tied ? (whole || found[i - 1].word) + found[i].word : "";
      if (whole) joined.push(0, numberOf(stem(whole)));
    }
    return [...found.filter(({ word }) => !ignored.has(word)).map(({ word }) => numberOf(stem(word))), ...joined];
  };
  const EXACT = /^To be exact: /, FIELDS = [["title", 9, 0.6], ["terms", 2, 0], ["text", 1, 0.5], ["code", 0.2, 0.2], ["above", 0.6, 0]];
  const entries = sections.map(([page, anchor, title, above, share, text, terms, code]) => {
    const path = [];
    for (let up = above; up >= 0; up = sections[up][3]) path.unshift(sections[up][2]);
    const [address, weight] = pages[page];
    return {
      href: `${root}${address}#${anchor}`, title, path, text, code, share: share * weight,
      fields: {
        title: [0, ...encode(title.replace(EXACT, "").replace(/^\d+\. |^Exercise [\d.]+ /, "")), 0],
        terms: terms.split(" · ").flatMap((term) => [0, ...encode(term)]).concat(0),
        text: encode(text), code: encode(code), above: path.flatMap((part) => [0, ...encode(part)]),
      },
    };
  });
  const average = Object.fromEntries(
    FIELDS.map(([name]) => [name, entries.reduce((sum, { fields }) => sum + fields[name].length, 0) / entries.length]),
  );
  const holders = new Map(); // a number: the entries that have it
  entries.forEach(({ fields }, i) => {
    for (const number of new Set(Object.values(fields).flat())) {
      if (!holders.has(number)) holders.set(number, []);
      holders.get(number).push(i);
    }
  });
  const spellings = [...known.keys()];
  const groups = synonyms.map((group) => group.map((phrase) => words(phrase).map(({ word }) => word).filter((word) => !ignored.has(word))));

  // --- what is asked for ---

  const loose = (word) => word.replaceAll("z", "s"); // normalis is the beginning of normalize
  const oneSlip = (a, b) => {
    if (Math.abs(a.length - b.length) > 1 || a === b) return a === b;
    let i = 0, j = 0;
    while (i < a.length && a[i] === b[i]) i++;
    while (j < Math.min(a.length, b.length) - i && a.at(-1 - j) === b.at(-1 - j)) j++;
    const [left, other] = [a.slice(i, a.length - j), b.slice(i, b.length - j)];
    return left.length + other.length <= 1 || (left.length === 1 && other.length === 1) ||
      (left.length === 2 && left[0] === other[1] && left[1] === other[0]);
  };
  // The numbers that a typed word may mean, with what each is worth.
  const meanings = (word, unfinished) => {
    const found = new Map();
    const add = (other, worth) => {
      const number = numbers.get(stem(other));
      if (number && !(found.get(number) >= worth)) found.set(number, worth);
    };
    add(word, 1);
    if (unfinished && word.length > 2) for (const other of spellings) if (loose(other).startsWith(loose(word))) add(other, 0.7);
    if (!found.size && word.length > 4) for (const other of spellings) if (oneSlip(word, other)) add(other, 0.5);
    return found;
  };
  const same = (phrase, part, unfinished = false) =>
    phrase.join("") === part.join("") ||
    (phrase.length === part.length && phrase.every((word, i) => stem(word) === stem(part[i]) ||
      (unfinished && i === part.length - 1 && part[i].length > 3 && loose(word).startsWith(loose(part[i])))));
  // A question as slots, each with the phrases that answer it: lists of meanings, word by word.
  const read = (query) => {
    let typed = words(query).map(({ word }) => word);
    const content = typed.filter((word) => !ignored.has(word));
    if (content.length) typed = content;
    const ends = /[\p{L}\p{N}]$/u.test(query);
    const sense = typed.map((word, i) => meanings(word, ends && i === typed.length - 1));
    const slots = [];
    for (let i = 0; i < typed.length; ) {
      let length = 1, phrases = [];
      for (let n = Math.min(6, typed.length - i); n > 0 && !phrases.length; n--) {
        const part = typed.slice(i, i + n);
        for (const group of groups.filter((group) => group.some((phrase) => same(phrase, part, ends && i + n === typed.length)))) {
          for (const phrase of group) if (!same(phrase, part)) phrases.push(phrase.map((word) => meanings(word)));
        }
        const joined = n > 1 && n < 4 && meanings(part.join(""));
        if (joined?.size && numbers.has(stem(part.join("")))) phrases.push([joined]);
        if (phrases.length) length = n;
      }
      const own = sense.slice(i, i + length);
      slots.push({ own, phrases: [own, ...phrases].filter((phrase) => phrase.every((meaning) => meaning.size)) });
      i += length;
    }
    return { slots: slots.filter(({ own, phrases }) => phrases.length || own.some(({ size }) => size)), whole: sense, typed };
  };

  // --- the order ---

  // How much an entry has of a phrase, field by field; a term set apart that is this phrase defines it.
  const count = (list, phrase) => {
    let sum = 0;
    for (let i = 0; i <= list.length - phrase.length; i++) {
      let worth = 1;
      for (let j = 0; j < phrase.length && worth; j++) worth = Math.min(worth, phrase[j].get(list[i + j]) ?? 0);
      if (worth) sum += worth * (list[i - 1] === 0 && list[i + phrase.length] === 0 ? 8 : 1);
    }
    return sum;
  };
  // What phrases that mean the same are worth to each entry: the best of them, by how many entries have any.
  const weigh = (phrases) => {
    const amounts = new Float64Array(entries.length);
    phrases.forEach((phrase, rank) => {
      const candidates = new Set([...phrase[0].keys()].flatMap((number) => holders.get(number)));
      for (const i of candidates) {
        const { fields } = entries[i];
        const amount = FIELDS.reduce((sum, [name, weight, b]) => {
          const n = count(fields[name], phrase);
          return sum + (n && (weight * n) / (1 - b + (b * fields[name].length) / average[name]));
        }, 0);
        amounts[i] = Math.max(amounts[i], amount * (rank ? 0.9 : 1)); // the first is what was typed
      }
    });
    const have = amounts.reduce((sum, n) => sum + (n > 0), 0);
    const rarity = Math.log(1 + (entries.length - have + 0.5) / (have + 0.5));
    return { rarity, scores: amounts.map((n) => (rarity * n * 3.5) / (n + 2.5)) };
  };
  const CODE = /[_.(]|[a-z][A-Z]/;
  const find = (query) => {
    const { slots, whole, typed } = read(query);
    const total = new Float64Array(entries.length), covered = new Float64Array(entries.length);
    const inTitle = new Float64Array(entries.length);
    let all = 0;
    for (const { own, phrases } of slots) {
      const { rarity, scores } = weigh(phrases), single = own.length > 1 ? own.map((meaning) => weigh([[meaning]])) : [];
      all += rarity;
      for (let i = 0; i < entries.length; i++) {
        const apart = single.length && single.every(({ scores }) => scores[i])
          ? single.reduce((sum, { scores }) => sum + scores[i], 0) / single.length / 2 : 0;
        const best = Math.max(apart, scores[i]);
        total[i] += best;
        if (best) covered[i] += rarity;
        if (best && typed.length > 1 && own.every((meaning) => entries[i].fields.title.some((n) => meaning.has(n)))) inTitle[i] += rarity;
      }
    }
    if (slots.length > 1 && whole.every(({ size }) => size)) weigh([whole]).scores.forEach((score, i) => (total[i] += score));
    // A name of the code leads to its entry before all else.
    const name = CODE.test(query) && query.trim().replace(/^(vc|vae_core)\.|\(.*$/g, "");
    const named = ({ title }) => (!name ? 0 : title === name ? 2 : title.endsWith(`.${name}`) ? 1 : 0);
    return entries
      .map((entry, i) => ({ entry, i, named: named(entry), score: total[i] * (covered[i] / all) ** 2 * (1 + (0.25 * inTitle[i]) / all) * entry.share }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.named - a.named || (a.named ? 0 : b.score - a.score) || a.i - b.i)
      .map(({ entry }) => ({ ...entry, slots }));
  };

  // --- what is shown ---

  // The places in a text that answer a question, as [from, to, which slot].
  const matches = (text, slots) => {
    const found = words(text).map((word) => ({ ...word, number: numbers.get(stem(word.word)) ?? -1 }));
    const content = found.filter(({ word }) => !ignored.has(word)), places = [];
    slots.forEach(({ own, phrases }, slot) => {
      for (const phrase of [...phrases, ...own.map((meaning) => [meaning])]) {
        for (let i = 0; i <= content.length - phrase.length; i++) {
          if (!phrase.every((meaning, j) => meaning.has(content[i + j].number))) continue;
          places.push([content[i].at, content[i + phrase.length - 1].end, slot, phrase.length]);
        }
      }
    });
    return places.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  };
  const mark = (element, text, slots, from = 0, to = text.length) => {
    let done = from;
    for (const [start, end] of matches(text, slots)) {
      if (start < done || end > to) continue;
      element.append(text.slice(done, start), Object.assign(document.createElement("mark"), { textContent: text.slice(start, end) }));
      done = end;
    }
    element.append(text.slice(done, to));
    return element;
  };
  // The stretch of a text that has most of what is asked for, from the beginning of a sentence if one is near.
  const LENGTH = 190;
  const stretch = (text, slots) => {
    const places = matches(text, slots);
    let best = 0, from = 0;
    for (const [start] of places) {
      const near = places.filter(([at, end]) => at >= start && end <= start + LENGTH * 0.75);
      const worth = new Set(near.map(([, , slot]) => slot)).size * 10 + Math.max(...near.map((place) => place[3])) * 5 + Math.min(near.length, 4);
      if (worth > best) [best, from] = [worth, start];
    }
    const before = text.slice(0, from), sentence = before.search(/(?<=[.?!:] )[^.?!:]*$/);
    if (from < 70) from = 0;
    else if (sentence >= 0 && from - sentence < 90) from = sentence;
    else from = text.indexOf(" ", from - 50) + 1;
    let to = Math.min(text.length, from + LENGTH);
    if (to < text.length) to = text.lastIndexOf(" ", to);
    return [from, to];
  };
  const make = (tag, name, ...content) => {
    const element = Object.assign(document.createElement(tag), { className: name });
    element.append(...content);
    return element;
  };
  const shown = ({ href, title, path, text, code, slots }) => {
    const [from, to] = stretch(text, slots), line = code.split("\n").find((line) => matches(line, slots).length);
    const snippet = make("p", "found-text", from ? "… " : "");
    if (!matches(text, slots).length && line) snippet.append(mark(make("code", ""), line.trim(), slots));
    else mark(snippet, text, slots, from, to).append(to < text.length ? " …" : "");
    const link = Object.assign(mark(make("a", ""), title, slots), { href });
    return make("li", "", link, path.length ? make("p", "found-in", path.join(" › ")) : "", snippet);
  };

  // --- the fields: one in the dialog of every page, one on the page of results ---

  const set = (form, results, most) => {
    const field = form.querySelector("input");
    const said = make("p", "found-count");
    said.role = "status";
    const list = make("ol", "found");
    results.replaceChildren(said, list);
    const show = () => {
      const query = field.value.trim(), found = query ? find(field.value) : [];
      said.textContent = !query ? "" : !found.length ? "No section has these words."
        : found.length === 1 ? "One section" : `${found.length} sections`;
      list.replaceChildren(...found.slice(0, most).map(shown));
      results.querySelector(".found-all")?.remove();
      if (found.length > most) {
        const all = make("a", "found-all", "All of them");
        all.href = `${root}search.html?q=${encodeURIComponent(query)}`;
        results.append(all);
      }
    };
    field.addEventListener("input", show);
    // Arrows go from the field through the results, and back.
    const box = form.parentElement;
    box.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], stops = [field, ...results.querySelectorAll("a")];
      const next = step && stops[stops.indexOf(document.activeElement) + step];
      if (!next) return;
      event.preventDefault();
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    });
    show();
    return { field, show };
  };

  const dialog = document.querySelector("#pst-search-dialog"), page = document.querySelector(".bd-search-container");
  if (page) {
    const { field, show } = set(page.querySelector("form"), page.querySelector("#search-results"), Infinity);
    field.value ||= new URLSearchParams(location.search).get("q") ?? "";
    show();
  } else {
    const results = make("div", "found-box");
    dialog.append(results);
    set(dialog.querySelector("form"), results, 8);
    results.addEventListener("click", ({ target }) => target.closest("a") && dialog.close()); // it may lead to this page
  }
}
