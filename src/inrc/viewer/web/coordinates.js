import { Encoding } from "./header.js";
import { normalQuantile } from "./normal_quantile.js";
import { axisFrequencies, hashLevels } from "./shapes.js";

const PHI = 1.324717957244746;
const PRIME = 2654435761;
const PI = Math.fround(Math.PI);

/**
 * Coordinates in [-1, 1] of samples that evenly divide the part start..stop of an axis of n native samples (FORMAT.md,
 * section 8).
 * @returns {Float32Array}
 */
export function coordinatesOf(n, start, stop, count) {
  return Float32Array.from({ length: count }, (_, i) => ((start + (i + 0.5) * ((stop - start) / count)) / n) * 2 - 1);
}

/**
 * Features of an axis alone: bare coordinates, or sines and cosines.
 * @param {Float32Array} coordinates of samples
 * @param {number} n native samples of the axis
 * @returns {Float64Array[]} a row for every feature, in the format's order
 */
export function axisFeatures(encoding, nFrequencies, n, coordinates) {
  const own = Float64Array.from(coordinates);
  if (encoding === Encoding.NONE) return [own];
  const angles = axisFrequencies(encoding, nFrequencies, n).map((frequency) => {
    const factor = Math.fround(PI * Math.fround(frequency));
    return Float32Array.from(coordinates, (c) => factor * c);
  });
  return [own, ...[Math.sin, Math.cos].flatMap((wave) => angles.map((row) => Float64Array.from(row, wave)))];
}

/** @returns {Float32Array[]} frequencies of Gaussian features along axis 0 and axis 1 */
export function gaussianFrequencies(nFrequencies, quarterSigma, shape) {
  return shape.map((n, axis) =>
    Float32Array.from({ length: nFrequencies }, (_, i) => {
      const u = (0.5 + (i + 1) * PHI ** -(axis + 1)) % 1;
      const g = (quarterSigma / 4) * normalQuantile(Math.min(Math.max(u, 1e-9), 1 - 1e-9));
      const h = n / 2;
      const folded = (((g + h) % (4 * h)) + 4 * h) % (4 * h);
      return Math.abs(folded - 2 * h) - h;
    }),
  );
}

/**
 * Sines and cosines of the angles of Gaussian features along one axis, [sin rows, cos rows], from which those of sums
 * of angles follow.
 */
export function gaussianWaves(frequencies, coordinates) {
  const angles = Array.from(frequencies, (frequency) => {
    const factor = Math.fround(PI * frequency);
    return Float32Array.from(coordinates, (c) => factor * c);
  });
  return [Math.sin, Math.cos].map((wave) => angles.map((row) => Float64Array.from(row, wave)));
}

/**
 * Features of a hash grid's levels, interpolated between four nodes.
 * @param {object} network
 * @param {{values: Float32Array, columns: number}[]} tables
 * @param {[Float32Array, Float32Array]} coordinates of rows and columns
 * @param {number[]} shape native samples of the axes
 */
export class HashFeatures {
  constructor(network, tables, coordinates, shape) {
    const longest = Math.max(...shape);
    this.nFeatures = network.nFeatures;
    this.levels = hashLevels(network, shape).map((level, l) => {
      const axes = coordinates.map((line, axis) => {
        const nNodes = axis === 0 ? level.rows : level.columns;
        const factor = (level.cells * shape[axis]) / (2 * longest);
        const u = Float64Array.from(line, (c) => Math.min(Math.max((c + 1) * factor, 0), nNodes - 1));
        const below = Int32Array.from(u, (value) => Math.min(Math.floor(value), Math.max(nNodes - 2, 0)));
        return { below, weights: u.map((value, i) => value - below[i]) };
      });
      return { ...level, table: tables[l], axes };
    });
  }

  /** Writes features [nFeatures of all levels] of row y to places[feature] + x, for all columns x. */
  writeRow(y, heap, places) {
    let feature = 0;
    for (const { table, axes, rows, columns, entries } of this.levels) {
      const [down, across] = axes;
      const isHashed = entries < rows * columns;
      const i = down.below[y];
      const a = down.weights[y];
      const entry = (row, column) =>
        isHashed ? ((Math.imul(PRIME, row) ^ column) >>> 0) % entries : columns * row + column;
      for (let x = 0; x < across.below.length; x++) {
        const j = across.below[x];
        const b = across.weights[x];
        const corners = [entry(i, j), entry(i, j + 1), entry(i + 1, j), entry(i + 1, j + 1)];
        for (let f = 0; f < this.nFeatures; f++) {
          const row = f * table.columns;
          const { values } = table;
          const upper = (1 - b) * values[row + corners[0]] + b * values[row + corners[1]];
          const lower = (1 - b) * values[row + corners[2]] + b * values[row + corners[3]];
          heap[places[feature + f] + x] = (1 - a) * upper + a * lower;
        }
      }
      feature += this.nFeatures;
    }
  }
}
