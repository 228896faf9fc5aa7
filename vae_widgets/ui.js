// What the widgets' front ends share: frames, controls, pictures, and what they read of their traits.

export { COLOURS, CLASSES, INK, colourOf } from "./colours.js";
export { h, s, put, range, output, uniqueName } from "./elements.js";
export { format, subscript, grand, duration } from "./words.js";
export {
  follow,
  network,
  mixture,
  proposals,
  bytes,
  digitsOf,
  floats,
  set,
  setAt,
  changed,
  decoderOf,
  nextSeed,
} from "./traits.js";
export { onceSeen, turn, idle, slices } from "./turns.js";
export { frame } from "./frame.js";
export { slider, checkbox, radio, digitChoice, button, answerButton, KEYS } from "./controls.js";
export { digit, paint, captioned, numbers, keys, sentence } from "./pictures.js";
export { axes, bars, reach, path, niceTicks, dragSideways, legible } from "./charts.js";
export { enlarged, plane, ring, cross, priorCircles } from "./plane.js";
export { digitOrDrawing, paper, centreDigit, imageText, imageOf } from "./paper.js";
export { useModel, following, adoptable, adoptedParts, encodeAll } from "./adopted.js";
export { safetensors, download } from "./safetensors.js";
