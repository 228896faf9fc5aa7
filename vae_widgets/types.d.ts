// Types of the engine and the trainer, for `npm run check` alone: no front end has them, and none needs them.

type Numbers = Float32Array | Float64Array | number[];

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
  activation: string;
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

interface Loss {
  loss: number;
  rec: number;
  kl: number;
}
