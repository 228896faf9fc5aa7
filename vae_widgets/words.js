// Numbers and times for people.

// A number for people: a true minus sign, and the same number of digits always.
/** @param {number} value */
export const format = (value, digits = 2) =>
  Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : value > 0 ? "∞" : value < 0 ? "−∞" : "—";

// "z" with a subscript, as text: z₁ … z₅₀.
/** @param {number} number */
export const subscript = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[+digit]);

/** @type {[number, string][]} */
const UNITS = [
  [1e6 * 31557600, "million years"],
  [31557600, "years"],
  [86400, "days"],
  [3600, "hours"],
  [60, "minutes"],
  [1, "s"],
  [1e-3, "ms"],
  [0, "µs"],
];

// A large count for people: "14,641", "1.7 × 10¹³".
/** @param {number} count */
export function grand(count) {
  if (count < 1e12) return count.toLocaleString("en");
  const power = Math.floor(Math.log10(count));
  return `${(count / 10 ** power).toFixed(1)} × 10${String(power).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[+digit])}`;
}

// A time for people, to two digits: "3.2 s", "14 hours", "3,200 million years", "3.2 × 10¹⁴ years".
/** @param {number} seconds */
export function duration(seconds) {
  if (seconds >= 1e12 * 31557600) return `${grand(seconds / 31557600)} years`;
  const [size, unit] = UNITS.find(([least]) => seconds >= least);
  return `${(+(seconds / (size || 1e-6)).toPrecision(2)).toLocaleString("en")} ${unit}`;
}
