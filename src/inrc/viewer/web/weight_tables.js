import { corrupt } from "./errors.js";

const TOTAL = 2 ** 24;
const QUARTERS = [1, 2 ** 0.25, Math.SQRT2, 2 ** 0.75];
const MAX_DIGITS = 21;

/** Thresholds of the index of a magnitude (FORMAT.md, section 4). */
const THRESHOLDS = [
  4466, 5311, 6316, 7512, 8933, 10623, 12633, 15024, 17866, 21247, 25267, 30048, 35733, 42494, 50535, 60096, 71467,
  84989, 101070, 120193, 142935, 169979, 202140, 240387, 285870, 339958, 404281, 480774, 571740, 679917, 808562, 961548,
  1143480, 1359834, 1617125, 1923096, 2286960, 2719669, 3234250, 3846193, 4573920, 5439339, 6468501, 7692387, 9147841,
  10878678, 12937002, 15384774, 18295683, 21757357, 25874004, 30769549, 36591367, 43514714, 51748008, 61539099,
  73182735, 87029429, 103496016, 123078199, 146365470, 174058858, 206992033,
];

/** @returns {number} the index of a magnitude with 16 binary places (section 4) */
export function magnitudeIndex(magnitude) {
  let low = 0;
  let high = THRESHOLDS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (THRESHOLDS[middle] < magnitude) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @returns {number} the largest magnitude of table s */
export function largestMagnitude(s) {
  // 14 b is whole where s is a multiple of 4, and then exact here too.
  return Math.min(1023, 4 + Math.floor(14 * 2 ** ((s >> 2) - 4) * QUARTERS[s & 3]));
}

/** @returns {number[]} counts out of 2^24 of the symbols of table s (section 4) */
export function weightCounts(s) {
  const b = 2 ** ((s >> 2) - 4) * QUARTERS[s & 3];
  const m = largestMagnitude(s);
  const available = TOTAL - (2 * m + 2);
  const missing = -Math.expm1(-1 / b); // 1 - t
  const counts = new Array(2 * m + 2).fill(0);
  let rest = TOTAL;
  for (let k = 1; k <= m; k++) {
    const count = 1 + Math.floor((available * Math.exp(-(k - 0.5) / b) * missing) / 2);
    counts[m + k] = count;
    counts[m - k] = count;
    rest -= 2 * count;
  }
  counts[2 * m + 1] = 1 + Math.floor(available * Math.exp(-(m + 0.5) / b));
  counts[m] = rest - counts[2 * m + 1];
  return counts;
}

/** @returns {Int32Array} where the intervals of symbols with these counts begin, and 2^24 */
export function endsOf(counts) {
  const ends = new Int32Array(counts.length + 1);
  for (let j = 0; j < counts.length; j++) ends[j + 1] = ends[j] + counts[j];
  return ends;
}

const tables = [];

/**
 * Decodes an integer with table s (section 4).
 * @param {import("./range_coder.js").RangeDecoder} decoder
 */
export function decodeInteger(decoder, s) {
  tables[s] ??= { ends: endsOf(weightCounts(s)), largest: largestMagnitude(s) };
  const { ends, largest } = tables[s];
  const symbol = decoder.symbol(ends);
  if (symbol <= 2 * largest) return symbol - largest;
  let nDigits = 1;
  while (decoder.equiprobable(1)) {
    nDigits += 1;
    if (nDigits > MAX_DIGITS) throw corrupt("a coded integer is beyond 2^20");
  }
  let excess = 1;
  for (let i = 1; i < nDigits; i++) excess = 2 * excess + decoder.equiprobable(1);
  const magnitude = largest + excess;
  if (magnitude > 2 ** 20) throw corrupt("a coded integer is beyond 2^20");
  return decoder.equiprobable(1) ? -magnitude : magnitude;
}
