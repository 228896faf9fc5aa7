// Types of the pages' own scripts, in book/assets and book/sphinx_ext, for `npm run check` alone.

// --- present.js: a slide, and a lesson, whose links are of pages from `base` ---

interface Slide {
  nodes: Element[];
  whole: boolean;
  aside: boolean;
  id: string;
}

type Lesson = string[] & { base: URL };

interface Layout {
  wide: number;
  columns: number;
  loose: boolean;
  scale: number;
}

// --- search.js: what section_search.py writes, and what is made of it ---

declare var bookIndex: {
  pages: [address: string, weight: number][];
  sections: [
    page: number,
    anchor: string,
    title: string,
    above: number,
    share: number,
    text: string,
    terms: string,
    code: string,
  ][];
  synonyms: string[][];
  stopwords: string[];
};

declare class Stemmer {
  stemWord(word: string): string;
}

type Field = "title" | "terms" | "text" | "code" | "above";

// Of a typed word the numbers that it may mean, with what each is worth; several words; and a part of a question, with
// the phrases that answer it.
type Meaning = Map<number, number>;
type Phrase = Meaning[];

interface Slot {
  own: Phrase;
  phrases: Phrase[];
}

interface Entry {
  href: string;
  title: string;
  path: string[];
  text: string;
  code: string;
  share: number;
  fields: Record<Field, number[]>;
}

type Match = [from: number, to: number, slot: number, length: number];

// --- widget_host.js: a widget's state as widget_state.py packs it, and a front end ---

interface Packed {
  model_name: string;
  state: Record<string, any>;
  buffers?: { path: (string | number)[]; data: string | [start: number, size: number] }[];
}

interface FrontEnd {
  initialize?(widget: { model: object }): unknown;
  render?(widget: { model: object; el: HTMLElement }): unknown;
}

// A script that hands over a value.
interface HTMLScriptElement {
  value?: any;
}

// --- formulas.js, in an engine that has MathJax ---

declare var MathJax: any;
declare var setFormulas: (formulas: string[]) => object;

// --- service_worker.js, with the lists that web_app.py puts before it; its own scope is no Window ---

type Files = Record<string, [hash: string, bytes: number]>;

declare const ALWAYS: Files;
declare const REST: Files;
declare const registration: ServiceWorkerRegistration;
declare const clients: { matchAll(): Promise<object[]>; claim(): Promise<void> };
declare function skipWaiting(): Promise<void>;

interface ExtendableEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}

interface WindowEventMap {
  install: ExtendableEvent;
  activate: ExtendableEvent;
  fetch: FetchEvent;
}

interface MessageEvent {
  waitUntil?(promise: Promise<unknown>): void;
}
