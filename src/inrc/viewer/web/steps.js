import { Storage } from "./header.js";

const OCTAVE = [0, 0x172b84, 0x306fe0, 0x4bfdae, 0x6a09e6, 0x8ace54, 0xae89fa, 0xd5818e].map((x) => 1 + x / 2 ** 24);

/** @returns {number} the quantisation step of an index (FORMAT.md, section 7) */
export function stepOf(index) {
  return OCTAVE[index & 7] * 2 ** ((index >> 3) - 24);
}

/**
 * The weights of a file as binary32 numbers (section 7).
 * @param {{steps: number[], powers: number[], matrices: Int32Array[], tails: Int32Array[]}} coded
 * @param {number} storage
 * @param {Float32Array[] | null} means of a shared init
 * @returns {Float32Array[]} row by row
 */
export function dequantise({ steps, powers, matrices, tails }, storage, means) {
  return matrices.map((integers, l) => {
    if (storage === Storage.HALF) return Float32Array.from(integers, (d, i) => halfOf(steps[l], d, tails[l][i]));
    const step = stepOf(steps[l]);
    if (storage === Storage.COMPANDED) {
      const exponent = 1 + powers[l] / 64;
      return Float32Array.from(integers, (x) => Math.sign(x) * Math.fround(Math.abs(x) ** exponent) * step);
    }
    if (means === null) return Float32Array.from(integers, (x) => Math.fround(x) * step);
    return Float32Array.from(integers, (x, i) => means[l][i] + Math.fround(Math.fround(x) * step));
  });
}

/** A binary16 number from the largest exponent, an exponent offset and a tail. */
function halfOf(largest, offset, tail) {
  const exponent = largest - Math.abs(offset);
  const significand = tail & 1023;
  const magnitude = exponent ? (1024 + significand) * 2 ** (exponent - 25) : significand * 2 ** -24;
  const negative = offset === 0 ? Boolean(tail >> 10) : offset < 0;
  return negative ? -magnitude : magnitude;
}
