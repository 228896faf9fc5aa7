// Types of the front ends, for `npm run check` alone: no page has them, and none needs them.

type Numbers = Float32Array | Float64Array | number[];

type Scalar = (a: number) => number;

// A network as Python packs it, or a mixture.
interface Spec {
  sizes: number[];
  activation: string;
  y_dim?: number;
  precision?: string;
  grey?: string;
  weights: ArrayBuffer | ArrayBufferView;
}

interface MixtureSpec {
  k: number;
  z_dim: number;
  weights: ArrayBuffer | ArrayBufferView;
}

// A part of a network's buffer: where it begins, and itself.
interface Part {
  at: number;
  array: Float32Array;
}

interface Network {
  key: string;
  spec: Spec;
  sizes: number[];
  strides: number[];
  y_dim: number;
  grey: string;
  activate(values: Float32Array, count: number): void;
  layers: { weights: Part; start: Float32Array[]; result: Part }[];
  input: Part;
  product(...places: number[]): void;
  inputs: number;
  outputs: number;
}

interface Mixture {
  k: number;
  z_dim: number;
  m: Float32Array;
  v: Float32Array;
  precision: Float64Array;
  constant: Float64Array;
  spec: MixtureSpec;
}

interface Moments {
  m: Float32Array;
  v: Float32Array;
}

interface Gaussian {
  m: Numbers;
  covariance: Numbers;
  whiten: Float64Array;
  constant: number;
  away: Float64Array;
}

interface Normals {
  next(): number;
  uniform(): number;
  fill<T extends Float32Array | Float64Array>(array: T): T;
}

interface Models {
  enc?: Network;
  dec: Network;
  cls?: Network;
  prior?: Mixture;
}

// What z, and a label, is drawn from.
interface Proposal {
  m: Float32Array;
  v: Float32Array;
  labels: number[] | null;
  log_q?: Numbers;
}

interface DrawOptions {
  q?: { m: Numbers; v: Numbers } | null;
  y?: number | null;
  known?: Proposal | null;
}

interface Draws {
  logW: Float64Array;
  kl: Float64Array;
  rec: Float64Array;
  z: Float32Array;
  y: Int32Array | null;
}

// A VAE that is trained: its layers, and what its first weights are drawn from or go on from.
interface Shape {
  hidden: number[];
  z_dim: number;
  activation: "elu" | "relu" | "tanh";
}

interface Setup extends Partial<Shape> {
  seed?: number;
  weights?: Float32Array | null;
}

// What a step is told; see training_model.js.
interface Step {
  beta?: number;
  learning_rate?: number;
  m?: number;
  dreg?: boolean;
  batch?: number;
}

// A layer of a VAE that is trained: places in the buffer, also of its values, h, and of gradients.
interface Layer {
  inputs: number;
  outputs: number;
  ins: number;
  outs: number;
  w: number;
  b: number;
  gw?: number;
  gb?: number;
  h?: number;
  d?: number;
}

type Room =
  | "count"
  | "rows"
  | "x"
  | "z"
  | "eps"
  | "dz"
  | "sums"
  | "every"
  | "byImage"
  | "byPixel"
  | "pack"
  | "product";

type Learner = ReturnType<typeof import("./training_model.js").create>;

// What has been measured, and what a session of training reports.
interface Held {
  steps: number;
  rec: number;
  kl: number;
  exact?: number;
  estimate?: number;
  m: number;
  bound: number;
}

interface Report extends Loss {
  steps: number;
  codes: { m: Float32Array; v: Float32Array };
  nats: Float64Array;
  pair: number[];
  spent: number;
  finite: boolean;
  sheet?: Uint8Array;
  held?: Held;
}

// What a session of training is told.
interface Message {
  data?: { images: Uint8Array; test: Uint8Array };
  set?: Step;
  restart?: Setup;
  play?: boolean;
  step?: boolean;
  drawn?: boolean;
  question?: string;
  id?: number;
  z?: Float32Array; // of "decode"
  x?: Float32Array; // and the rest of "trace"
  noise?: Float32Array;
  beta?: number;
}

// What the parts of the widget TrainVAE know of its run.
interface Training {
  given: boolean;
  calm: boolean;
  play(): void;
  pause(why?: string): void;
  restart(): void;
  follow(): void;
  settings(): Record<string, number | boolean>;
  truthName(): string;
  step(many?: number): void;
  run: ReturnType<typeof import("./trainer.js").start> | null;
  runs: number;
  data: { images: Uint8Array; test: Uint8Array; labels: Uint8Array; count?: number } | null;
  byLabel: number[][];
  shown: (Report & { fresh: { sheet?: boolean; held?: boolean } }) | null;
  ready: boolean;
  busy: boolean;
  playing: boolean;
  goal: { reached(): boolean; done(): void; go(): void } | null;
}

type Curve = [element: SVGElement, ...values: ((held: Held) => number)[]];

type Way = ReturnType<Learner["trace"]> & {
  run: number;
  steps: number;
  pair: number[];
  samples: number;
  eps: Float32Array;
  beta: number;
};

// A run of it with a question: its stages, and what came of each.
interface Stage {
  anew?: boolean;
  steps?: number;
  seconds?(before: Ending[]): number;
  values: Record<string, unknown>;
  name: string;
}

interface Ending extends Held {
  name: string;
  start: Held;
  seconds: number;
  outside: number;
}

interface Opened {
  key: string;
  running: boolean;
  answer?: number;
  stopped?(): void;
}

interface Piece {
  name: string;
  watch: string;
  question: string;
  answers: string[];
  stages: Stage[];
  right(results: Ending[]): number;
  told(results: Ending[]): string;
}

interface Loss {
  loss: number;
  rec: number;
  kl: number;
}

// The assembler's code: bytes, nested as they come about; a function; and what works on one buffer.
type Code = number | Code[];

interface Assembled {
  name: string;
  types: number[];
  code: number[];
}

type Kernel = (...numbers: number[]) => void;

// Of training_code.js: what makes code of a function's names, and the functions.
interface Names {
  g(name: string): Code;
  to(name: string, value: Code): Code;
  plus(name: string, n: Code): Code;
}

type KernelName =
  | "product"
  | "panels"
  | "turned"
  | "rows"
  | "bernoulli"
  | "adam"
  | "elu"
  | "relu"
  | "tanh"
  | "eluSlope"
  | "reluSlope"
  | "tanhSlope"
  | "scale";

interface Kernels<Name extends string> {
  functions: () => Assembled[];
  plain: (f: Float32Array) => Record<Name, Kernel>;
  module: WebAssembly.Module | null;
}

// A Worker's own side, as far as we use it.
interface Scope {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

// A long run, and the Worker that has some of them; see jobs.js.
interface Order {
  x: Float32Array;
  count: number;
  seed: number;
  options: DrawOptions & { chunk?: number };
}

interface Job extends Order {
  models: Models;
  done: number;
  cancelled: boolean;
  take(message: { result?: Draws & { done: number }; error?: string }): void;
}

interface Crew {
  worker: Worker | null;
  sent: WeakMap<Network | Mixture, number>;
  jobs: Map<number, Job>;
  failed: boolean;
  resting?: number;
  rest(): void;
}

// Traits that are of one type in all widgets that have them.
interface Traits {
  _defaults: Record<string, any>;
  _esm: string;
  _limits: Record<string, number[]>;
  answer: boolean;
  axes: number[];
  batch: number;
  beta: number;
  captions: string[];
  component: number;
  counts: number[];
  diagonal: boolean;
  digit: number;
  dimension: number;
  dreg: boolean;
  eps: number[];
  exact: number[];
  extent: number;
  f: string;
  functions: string[];
  has_prior: boolean;
  has_rec: boolean;
  hidden: number[];
  index: number;
  k: number;
  known: number;
  latents: number;
  learning_rate: number;
  limit: number;
  log_px: number[];
  mark: number[];
  marks: number[];
  method: string;
  n: number;
  names: string[];
  nats: number[];
  order: number[];
  pixels: string;
  play: boolean;
  prompt: string;
  raster: [height: number, width: number, bits: number];
  reach: number;
  rho: number;
  scale: number[];
  sd: number[];
  seed: number;
  side: number;
  sizes: number[];
  slow: boolean;
  span: number[];
  spots: number[][];
  step: number;
  steps: number;
  summits: [m: number, sd: number][];
  text: string;
  title: string;
  truth: number[];
  v: number;
  values: number[];
  variances: number[];
  version: number;
  what: string;
  windows: number[][];
  z: number[];
  z_dim: number;
}

// A widget's traits, as Jupyter or a page of the book hands them to a front end.
interface Model {
  get<T extends keyof Traits>(trait: T): Traits[T];
  get(trait: string): any;
  set(trait: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...what: any[]) => void): void;
  off(event: string, callback: (...what: any[]) => void): void;
  widget_manager: { get_model(id: string): Promise<Model> };
  send?(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  link?(): string; // of a page of the book: the address that shows this state
  adopted?: string; // what is shown in the place of the book's model
}

declare var vaeBookTrained: Trained | null; // see adopted.js

// Draws a widget into an element; returns what takes it away again.
type Render = (widget: { model: Model; el: HTMLElement }) => Promise<() => void>;

// What frame.js makes.
interface View {
  root: HTMLElement;
  body: HTMLElement;
  foot: HTMLElement;
  status: HTMLElement;
  say(text: string): void;
  watch(traits: string[], draw: () => void): void;
  stop(): void;
  signal: AbortSignal;
}

// What elements are made of; attributes that begin with "on" are listeners.
type Child = string | Node | null | undefined | false | Child[];

interface Attributes {
  [name: string]: string | number | boolean | null | undefined | readonly string[] | ((event: any) => unknown);
  onclick?: (event: MouseEvent) => unknown;
  onkeydown?: (event: KeyboardEvent) => unknown;
}

// A point of a plane, (z1, z2), as a place on its canvas.
type Place = (...z: number[]) => [number, number];

type Axes = ReturnType<typeof import("./charts.js").axes>;

// What the machine is shown, and what it makes of it.
interface Inputs {
  digit: number;
  pixels: string;
  eps: number[];
}

interface Seen {
  x: Float32Array;
  m: Float32Array;
  v: Float32Array;
  z: Float32Array;
  eps: number[];
  ink: Float32Array;
  prices: Float32Array;
  rec: number;
  kl: number;
  elbo: number;
}

type Point = [number, number];

// A part of the machine: its edges, and its middle.
interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
  x: number;
  y: number;
}

// A run of EM in named_clusters.js, and how its Gaussians name the test digits after each step.
interface Fit {
  mixtures: Gaussian[][];
  logLik: number[];
  advance(rows: number): boolean;
  shares(k: number, codes: Float64Array, row: number): number[];
  labelled: number[];
  names: Uint8Array[];
  right: number[];
}

// Of posterior_ellipse.js: a digit's log p(x, z) on points of the plane, and a bound from them.
interface Pane {
  joint: Float32Array;
  step: number;
  K: number;
  N: number;
  half: number;
  centre: number[];
  axes: Float64Array[];
  logPx: number;
}

interface Bound {
  elbo: number;
  kl: number;
}

// A model of a sweep, as it was measured.
interface Measured {
  z_dim: number;
  rate: number;
  distortion: number;
  nelbo: number;
  active: number;
  niwae: Record<string, number>;
  nats: number[] | null;
  used: boolean[];
}

// Of predict.js: several choices, a question of a quiz, and what puts one to a reader. An answer is a list of numbers.
interface Choices {
  choices: string[];
  replies: string[];
  truth: number[];
  values: number[];
}

interface Question extends Choices {
  prompt: string;
  section: string;
}

interface Asked {
  part: HTMLElement;
  update(marked: number[], tried: number[][], done: boolean): void;
  hint: string;
  words(answer: number[]): string;
  said(answer: number[]): string;
  reply(answer: number[]): string | null;
  right(answer: number[]): boolean;
}

// The stops of a slider, and where a value stands on it, from 0 to 1.
interface Stops {
  place(value: number): number;
  stops: number[];
  nearest(value: number): number;
  ticks: number[];
  size: number;
  middle: number;
}

// Of each pixel of a face, where it lies on the head; see faces.js.
type Head = { right: number; a: number; b: number; r: number }[];

// What bars of charts.js show.
interface Bars {
  low: number;
  high: number;
  mark: [number, string];
  rows: { name: string; parts: Bar[]; note?: string }[];
}

type Bar = [from: number, to: number, colour: string, text?: string];

type NumberRow = [key: string, label: Child, colour?: string | null, own?: { digits?: number; unit?: string }];

type Stroke = [number, number][];

// Asks what z (rows, z_dim) decodes to.
type Ask = (z: Numbers, rows: number, use: (numbers: Float32Array) => void) => void;

interface Decoder {
  grey: string;
  ask(view: View): Ask;
}

// A model that the reader trained, as useModel has it and as a widget gets it; the traits that then differ.
interface Trained {
  enc: Spec;
  dec: Spec;
  digits: Float32Array[];
  labels: ArrayLike<number>;
  words: string;
  logMarginal?(digits: Float32Array[]): Promise<number[]>;
}

type Adopted = Omit<Trained, "enc" | "dec"> & { enc: Network; dec: Network };

interface State {
  defaults?: Record<string, unknown>;
  limits?: Record<string, unknown>;
  [trait: string]: unknown;
}
