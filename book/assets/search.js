// The search: sections of the book for what a reader types. Loaded when a search field is first used, after stemmer.js
// and search_index.js, which section_search.py writes.

{
  const { pages, sections, synonyms, stopwords } = globalThis.bookIndex;
  const root = document.documentElement.dataset.content_root;

  // --- words ---

  const LETTERS = "αβγδεζηθικλμνξοπρσςτυφχψω";
  const NAMES = `alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau
    upsilon phi chi psi omega`.split(/\s+/);
  const stemmer = new Stemmer();
  const ignored = new Set([
    ...stopwords,
    ..."between can do does how i may my s should versus vs use what when which why you your".split(" "),
  ]);
  /** @param {string} word */
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
  /** @type {(word: string) => string[]} */
  const plain = (word) =>
    word
      .normalize("NFKD")
      .toLowerCase()
      .replace(/\p{M}|['’]s$/gu, "")
      .replace(/^([pq])_?(θ|φ|theta|phi)$/, "$1")
      .replace(/[α-ω]/g, (letter) => ` ${NAMES[LETTERS.indexOf(letter)]} `)
      .match(/[a-z0-9]+/g) ?? [];
  /** @type {Map<string, string>} */
  const known = new Map(); // a plain word: its stem
  /** @param {string} word */
  const stem = (word) => {
    if (!known.has(word)) known.set(word, stemmer.stemWord(american(word)));
    return known.get(word);
  };
  const WORD = /[pq]_(?:theta|phi|θ|φ)(?!\p{L})|[\p{L}\p{N}\p{M}]+(?:['’]\p{L}+)?/giu;
  // The words of a text: each with its place in it, and whether a hyphen or the like ties it to the one before.
  /** @param {string} text */
  const words = (text) => {
    /** @type {{ word: string, at: number, end: number, tied: boolean }[]} */
    const found = [];
    for (const { 0: word, index } of text.matchAll(WORD)) {
      const last = found.at(-1),
        tied = last && /^[-‑–_]$/.test(text.slice(last.end, index));
      for (const part of plain(word)) found.push({ word: part, at: index, end: index + word.length, tied: !!tied });
    }
    return found;
  };

  // --- the index ---

  /** @type {Map<string, number>} */
  const numbers = new Map(); // a stem: its number
  /** @param {string} name */
  const numberOf = (name) => {
    if (!numbers.has(name)) numbers.set(name, numbers.size + 1);
    return numbers.get(name);
  };
  // The numbers of a text's words. Between two parts stands a 0; tied words stand at the end once more, as one.
  /** @param {string} text */
  const encode = (text) => {
    const found = words(text),
      joined = [];
    for (let i = 1, whole = ""; i < found.length; i++) {
      whole = found[i].tied ? (whole || found[i - 1].word) + found[i].word : "";
      if (whole) joined.push(-1, numberOf(stem(whole)));
    }
    return [...found.filter(({ word }) => !ignored.has(word)).map(({ word }) => numberOf(stem(word))), ...joined];
  };
  // The parts of an entry: what a word in it is worth, and by how much less in a long one.
  /** @type {[name: Field, weight: number, shortened: number][]} */
  const FIELDS = [
    ["title", 9, 0.6],
    ["terms", 2, 0],
    ["text", 1, 0.5],
    ["code", 0.2, 0.2],
    ["above", 0.6, 0],
  ];
  const PREFIX = /^To be exact: |^\d+\. |^Exercise [\d.]+ /;
  /** @type {Entry[]} */
  const entries = sections.map(([page, anchor, title, above, share, text, terms, code]) => {
    /** @type {string[]} */
    const path = [];
    for (let up = above; up >= 0; up = sections[up][3]) path.unshift(sections[up][2]);
    const [address, weight] = pages[page];
    return {
      href: `${root}${address}#${anchor}`,
      title,
      path,
      text,
      code,
      share: share * weight,
      fields: {
        title: [0, ...encode(title.replace(PREFIX, "")), 0],
        terms: terms
          .split(" · ")
          .flatMap((term) => [0, ...encode(term)])
          .concat(0),
        text: encode(text),
        code: encode(code),
        above: path.flatMap((part) => [0, ...encode(part)]),
      },
    };
  });
  /** @type {Record<string, number>} */
  const average = Object.fromEntries(
    FIELDS.map(([name]) => [name, entries.reduce((sum, { fields }) => sum + fields[name].length, 0) / entries.length]),
  );
  /** @type {Map<number, number[]>} */
  const holders = new Map(); // a number: the entries that have it
  entries.forEach(({ fields }, i) => {
    for (const number of new Set(Object.values(fields).flat())) {
      if (!holders.has(number)) holders.set(number, []);
      holders.get(number).push(i);
    }
  });
  const spellings = [...known.keys()];
  /** @param {string} text */
  const contentOf = (text) =>
    words(text)
      .map(({ word }) => word)
      .filter((word) => !ignored.has(word));
  const groups = synonyms.map((group) => group.map(contentOf));

  // --- what is asked for ---

  /** @param {string} word */
  const loose = (word) => word.replaceAll("z", "s"); // normalis is the beginning of normalize
  /** @param {string} a @param {string} b */
  const oneSlip = (a, b) => {
    if (Math.abs(a.length - b.length) > 1 || a === b) return a === b;
    let i = 0,
      j = 0;
    while (i < a.length && a[i] === b[i]) i++;
    while (j < Math.min(a.length, b.length) - i && a.at(-1 - j) === b.at(-1 - j)) j++;
    const [left, other] = [a.slice(i, a.length - j), b.slice(i, b.length - j)];
    return (
      left.length + other.length <= 1 ||
      (left.length === 1 && other.length === 1) ||
      (left.length === 2 && left[0] === other[1] && left[1] === other[0])
    );
  };
  // The numbers that a typed word may mean, with what each is worth.
  /** @type {(word: string, unfinished?: boolean) => Meaning} */
  const meanings = (word, unfinished) => {
    const found = new Map();
    /** @param {string} other @param {number} worth */
    const add = (other, worth) => {
      const number = numbers.get(stem(other));
      if (number && !(found.get(number) >= worth)) found.set(number, worth);
    };
    add(word, 1);
    /** @param {(word: string) => boolean} fits @param {number} worth */
    const addAll = (fits, worth) => spellings.filter(fits).forEach((other) => add(other, worth));
    if (unfinished && word.length > 2) addAll((other) => loose(other).startsWith(loose(word)), 0.7);
    if (!found.size && word.length > 4) addAll((other) => oneSlip(word, other), 0.5);
    return found;
  };
  /** @param {string[]} phrase @param {string[]} part */
  const same = (phrase, part, unfinished = false) =>
    phrase.join("") === part.join("") ||
    (phrase.length === part.length &&
      phrase.every(
        (word, i) =>
          stem(word) === stem(part[i]) ||
          (unfinished && i === part.length - 1 && part[i].length > 3 && loose(word).startsWith(loose(part[i]))),
      ));
  // A question as slots, each with the phrases that answer it: lists of meanings, word by word.
  /** @param {string} query */
  const read = (query) => {
    const typed = contentOf(query),
      unfinished = /[\p{L}\p{N}]$/u.test(query);
    const sense = typed.map((word, i) => meanings(word, unfinished && i === typed.length - 1));
    /** @type {Slot[]} */
    const slots = [];
    for (let i = 0; i < typed.length; ) {
      /** @type {Phrase[]} */
      const phrases = [];
      let length = 1;
      for (let n = Math.min(6, typed.length - i); n > 0 && !phrases.length; n--) {
        const part = typed.slice(i, i + n),
          last = unfinished && i + n === typed.length;
        for (const group of groups) {
          if (!group.some((phrase) => same(phrase, part, last))) continue;
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
    return slots.filter(({ own, phrases }) => phrases.length || own.some(({ size }) => size));
  };

  // --- the order ---

  // How much an entry has of a phrase, field by field; a term set apart that is this phrase defines it.
  /** @param {number[]} list @param {Phrase} phrase */
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
  /** @param {Phrase[]} phrases */
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
    const have = amounts.reduce((sum, n) => sum + +(n > 0), 0);
    const rarity = Math.log(1 + (entries.length - have + 0.5) / (have + 0.5));
    return { rarity, scores: amounts.map((n) => (rarity * n * 3.5) / (n + 2.5)) };
  };
  const CODE = /[_.(]|[a-z][A-Z]/;
  /** @param {string} query */
  const find = (query) => {
    const slots = read(query),
      typed = slots.flatMap(({ own }) => own);
    const ranks = entries.map((entry, i) => ({ entry, i, score: 0, covered: 0, inTitle: 0, named: 0 }));
    let all = 0;
    for (const { own, phrases } of slots) {
      const { rarity, scores } = weigh(phrases),
        apart = own.length > 1 ? own.map((meaning) => weigh([[meaning]])) : [];
      all += rarity;
      ranks.forEach((rank, i) => {
        // Words that belong together count half where they stand apart.
        const parts = apart.map(({ scores }) => scores[i]),
          sum = parts.reduce((a, b) => a + b, 0);
        const best = Math.max(scores[i], parts.every(Boolean) ? sum / (2 * parts.length || 1) : 0);
        if (!best) return;
        rank.score += best;
        rank.covered += rarity;
        /** @param {Meaning} meaning */
        const titled = (meaning) => rank.entry.fields.title.some((number) => meaning.has(number));
        if (typed.length > 1 && own.every(titled)) rank.inTitle += rarity;
      });
    }
    if (slots.length > 1 && typed.every(({ size }) => size)) {
      weigh([typed]).scores.forEach((score, i) => (ranks[i].score += score)); // word for word
    }
    // A name of the code leads to its entry before all else.
    const name = CODE.test(query) && query.trim().replace(/^(vc|vae_core)\.|\(.*$/g, "");
    for (const rank of ranks) {
      const { title, share } = rank.entry;
      rank.score *= (rank.covered / all) ** 2 * (1 + (0.25 * rank.inTitle) / all) * share;
      if (name) rank.named = title === name ? 2 : title.endsWith(`.${name}`) ? 1 : 0;
    }
    return ranks
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.named - a.named || (a.named ? 0 : b.score - a.score) || a.i - b.i)
      .map(({ entry }) => ({ ...entry, slots }));
  };

  // --- what is shown ---

  /** @type {<T extends keyof HTMLElementTagNameMap>(tag: T, name: string, ...content: (string | Node)[]) => HTMLElementTagNameMap[T]} */
  const make = (tag, name, ...content) => {
    const element = Object.assign(document.createElement(tag), { className: name });
    element.append(...content);
    return element;
  };
  // The places in a text that answer a question, as [from, to, which slot].
  /** @param {string} text @param {Slot[]} slots */
  const matches = (text, slots) => {
    const found = words(text).map((word) => ({ ...word, number: numbers.get(stem(word.word)) ?? -1 }));
    const content = found.filter(({ word }) => !ignored.has(word));
    /** @type {Match[]} */
    const places = [];
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
  /** @type {<E extends Element>(element: E, text: string, places: Match[], from?: number, to?: number) => E} */
  const mark = (element, text, places, from = 0, to = text.length) => {
    let done = from;
    for (const [start, end] of places) {
      if (start < done || end > to) continue;
      element.append(text.slice(done, start), make("mark", "", text.slice(start, end)));
      done = end;
    }
    element.append(text.slice(done, to));
    return element;
  };
  // The stretch of a text that has most of what is asked for, from the beginning of a sentence if one is near.
  const LENGTH = 190;
  /** @param {string} text @param {Match[]} places */
  const stretch = (text, places) => {
    let best = 0,
      from = 0;
    for (const [start] of places) {
      const near = places.filter(([at, end]) => at >= start && end <= start + LENGTH * 0.75);
      const met = new Set(near.map(([, , slot]) => slot)).size,
        longest = Math.max(...near.map((place) => place[3]));
      const worth = 10 * met + 5 * longest + Math.min(near.length, 4);
      if (worth > best) [best, from] = [worth, start];
    }
    const before = text.slice(0, from),
      sentence = before.search(/(?<=[.?!:] )[^.?!:]*$/);
    if (from < 70) from = 0;
    else if (sentence >= 0 && from - sentence < 90) from = sentence;
    else from = text.indexOf(" ", from - 50) + 1;
    let to = Math.min(text.length, from + LENGTH);
    if (to < text.length) to = text.lastIndexOf(" ", to);
    return [from, to];
  };
  /** @param {Entry & { slots: Slot[] }} entry */
  const shown = ({ href, title, path, text, code, slots }) => {
    const snippet = make("p", "found-text"),
      places = matches(text, slots);
    const line = places.length ? "" : code.split("\n").find((line) => matches(line, slots).length);
    if (line) {
      snippet.append(mark(make("code", ""), line.trim(), matches(line.trim(), slots)));
    } else {
      const [from, to] = stretch(text, places);
      snippet.append(from ? "… " : "");
      mark(snippet, text, places, from, to).append(to < text.length ? " …" : "");
    }
    const link = Object.assign(mark(make("a", ""), title, matches(title, slots)), { href });
    return make("li", "", link, path.length ? make("p", "found-in", path.join(" › ")) : "", snippet);
  };

  // --- the fields: one in the dialog of every page, one on the page of results ---

  const page = document.querySelector(".bd-search-container");
  /** @param {Element} form @param {Element} results @param {number} most */
  const set = (form, results, most) => {
    const field = form.querySelector("input");
    const said = make("p", "found-count");
    said.setAttribute("role", "status");
    const list = make("ol", "found");
    results.replaceChildren(said, list);
    const address = () => `${root}search.html?q=${encodeURIComponent(field.value.trim())}`;
    const show = () => {
      const query = field.value.trim(),
        found = query ? find(field.value) : [];
      const first = found.length > most ? `, the first ${most}` : "";
      said.textContent = !query ? "" : `${found.length || "No"} section${found.length === 1 ? "" : "s"}${first}`;
      list.replaceChildren(...found.slice(0, most).map(shown));
      results.querySelector(".found-all")?.remove();
      const more = make("a", "found-all", "More of them");
      if (first && !page) results.append(Object.assign(more, { href: address() }));
    };
    field.addEventListener("input", show);
    // Arrows go from the field through the results, and back.
    const box = form.parentElement;
    box.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      /** @type {Element[]} */
      const stops = [field, ...results.querySelectorAll("a")];
      const next = step && stops[stops.indexOf(document.activeElement) + step];
      if (!next) return;
      event.preventDefault();
      if (next instanceof HTMLElement) next.focus();
      next.scrollIntoView({ block: "nearest" });
    });
    return { field, show, address };
  };

  if (page) {
    const results = page.querySelector("#search-results");
    const { field, show, address } = set(page.querySelector("form"), results, 50);
    field.value ||= new URLSearchParams(location.search).get("q") ?? "";
    show();
    results.addEventListener("click", () => history.replaceState(null, "", address())); // where a reader comes back to
  } else {
    /** @type {HTMLDialogElement} */
    const dialog = document.querySelector("#pst-search-dialog");
    const results = make("div", "found-box");
    dialog.append(results);
    set(dialog.querySelector("form"), results, 8).show();
    results.addEventListener("click", () => dialog.close()); // a link may lead to this very page
  }
}
