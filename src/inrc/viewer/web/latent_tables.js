import { endsOf } from "./weight_tables.js";

const TOTAL = 2 ** 24;
const AVAILABLE = TOTAL - 108;
const N_SYMBOLS = 27;

/** r^j for scale index s, r = exp(-1 / (32 b)), b = exp(s / 16 - 5). */
function power(s, j) {
  return Math.exp(-j / (32 * Math.exp(s / 16 - 5)));
}

/** floor(d e / 2^38) of whole numbers d < 2^30 and e <= 2^31, exactly. */
function scaledProduct(d, e) {
  const low = e % 65536;
  const high = (e - low) / 65536;
  return Math.floor((d * high + Math.floor((d * low) / 65536)) / 2 ** 22);
}

/** @returns {number[]} counts of the difference table of a scale index and fraction (FORMAT.md, section 14) */
export function differenceCounts(s, fraction) {
  const [upper, lower] = [32 - fraction, fraction].map((j) => {
    const d = Math.floor(64 * AVAILABLE * power(s, j));
    return Array.from({ length: 13 }, (_, k) => scaledProduct(d, Math.floor(2 ** 31 * power(s, 32 * k))));
  });
  const counts = new Array(N_SYMBOLS).fill(0);
  let rest = TOTAL;
  for (let k = 1; k <= 12; k++) {
    counts[12 + k] = 4 + upper[k - 1] - upper[k];
    counts[12 - k] = 4 + lower[k - 1] - lower[k];
    rest -= counts[12 + k] + counts[12 - k];
  }
  counts[25] = 4 + lower[12];
  counts[26] = 4 + upper[12];
  counts[12] = rest - counts[25] - counts[26];
  return counts;
}

/** @returns {number[]} counts from the tails t_0, ..., t_n; symbols from n on have 4 */
function countsOfTails(tails) {
  return Array.from({ length: N_SYMBOLS }, (_, i) => (i < tails.length - 1 ? 4 + tails[i] - tails[i + 1] : 4));
}

/** @returns {number[]} counts of the high table of a scale index */
export function highCounts(s) {
  return countsOfTails([...Array.from({ length: 27 }, (_, i) => Math.floor(AVAILABLE * power(s, 512 * i))), 0]);
}

/** @returns {number[]} counts of the low table of a scale index */
export function lowCounts(s) {
  const unit = 1 / (32 * Math.exp(s / 16 - 5));
  const tails = Array.from({ length: 16 }, (_, i) => {
    // r^(32 i) - r^512 and 1 - r^512 by expm1, since r is close to 1 for large scales.
    const inner = power(s, 32 * i) * Math.expm1((32 * i - 512) * unit);
    return i === 0 ? AVAILABLE : Math.floor((AVAILABLE * inner) / Math.expm1(-512 * unit));
  });
  return countsOfTails([...tails, 0]);
}

/** @returns {number[]} counts of the digit table */
export function digitCounts() {
  return countsOfTails(Array.from({ length: 17 }, (_, i) => Math.floor((AVAILABLE * (16 - i)) / 16)));
}

/** @returns {number[]} counts of the flag table */
export function flagCounts() {
  return countsOfTails([AVAILABLE, Math.floor(AVAILABLE / 16), 0]);
}

const cache = new Map();

function cached(key, counts) {
  let ends = cache.get(key);
  if (ends === undefined) cache.set(key, (ends = endsOf(counts())));
  return ends;
}

/** Tables as the ends of intervals, made when they are first needed. */
export const differenceEnds = (s, fraction) => cached(32 * s + fraction, () => differenceCounts(s, fraction));
export const highEnds = (s) => cached(`high ${s}`, () => highCounts(s));
export const lowEnds = (s) => cached(`low ${s}`, () => lowCounts(s));
export const digitEnds = () => cached("digit", digitCounts);
export const flagEnds = () => cached("flag", flagCounts);
