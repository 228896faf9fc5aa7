// The colours of the widgets.

export const INK = "#1a1a1a";
// One colour for each quantity, as in vae_widgets.plots. A canvas takes them as they are, and a dark theme turns it as a
// whole (widgets.css); elements take the custom properties of colours.css, which have the theme's own values.
export const COLOURS = {
  truth: INK,
  elbo: "#4870d3",
  kl: "#b3601d",
  gap: "#7a2b48",
  rec: "#2c8458",
  q: "#813799",
  prior: "#6c4502",
  iwae: "#177e9a",
  one: "#bd535f",
  other: "#2f4605",
  third: "#6e5c9c",
  muted: "#5a626b",
  line: "#c4c4c4",
};
/** @type {Map<string, string>} */
const NAMES = new Map(Object.entries(COLOURS));
export const PROPERTIES = new Map(Object.entries(COLOURS).map(([name, colour]) => [colour, `var(--vae-${name})`])).set(
  "#fff",
  "var(--vw-paper)",
);
// A colour by its name, or as it is given.
/** @type {(colour: string) => string} */
export const colourOf = (colour) => NAMES.get(colour) ?? colour;
export const CLASSES = [
  "#332288",
  "#117733",
  "#999933",
  "#CC6677",
  "#AA4499",
  "#5588BB",
  "#DD6622",
  "#44AA99",
  "#B02060",
  "#555555",
];
