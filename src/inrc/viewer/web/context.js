import { corrupt } from "./errors.js";

export const LARGEST_VALUE = 63;
const LARGEST = 2047;

/** What is added to the first output of the network to give m. */
export const MEAN_OFFSET = 384;

/** (dy, dx) of the neighbours (FORMAT.md, section 14). */
const NEIGHBOURS = [
  [0, -1], [-1, 0], [-1, -1], [-1, 1], [0, -2], [-2, 0], [-3, 0],
  [0, -3], [-1, -2], [-2, 1], [-2, -1], [-2, -2], [-1, -3], [-2, 2],
];

/** A matrix of whole numbers: weights [row][column] without the biases, and biases [row]. */
class WholeMatrix {
  constructor({ rows, columns, bias }, values) {
    this.rows = rows;
    this.columns = columns - Number(bias);
    this.weights = Array.from({ length: rows }, (_, i) =>
      Array.from({ length: this.columns }, (_, j) => Math.floor(256 * values[i * columns + j] + 0.5)),
    );
    this.biases = Array.from({ length: rows }, (_, i) =>
      bias ? Math.floor(8192 * values[i * columns + columns - 1] + 0.5) : 0,
    );
  }
}

/**
 * The context network on whole numbers (section 14).
 *
 * Matrices for the kernels: their rounding constants are part of the biases, and the "+ 2^8 h_i" of hidden layers part
 * of the weights. All sums stay below 2^24, which makes them exact in binary32.
 */
export class ContextNetwork {
  /**
   * @param {object} network fields of the header
   * @param {Map<string, {rows: number, columns: number, bias: boolean, values: Float32Array}>} matrices
   */
  constructor(network, matrices) {
    this.neighbours = NEIGHBOURS.slice(0, network.nSpatial);
    this.nInputs = network.nSpatial + network.nCross;
    this.skew = Math.max(0, ...this.neighbours.filter(([dy]) => dy < 0).map(([dy, dx]) => Math.floor(dx / -dy) + 1));
    const whole = (name) => new WholeMatrix(matrices.get(name), matrices.get(name).values);
    this.cross = Array.from({ length: network.nCrossLevels }, (_, k) => prepared(whole(`cross_${k}`), 128, crossBound));
    this.layers = Array.from({ length: network.contextLayers }, (_, l) => {
      const layer = whole(`context_${l}`);
      layer.weights.forEach((row, i) => (row[i] += 256));
      return prepared(layer, 128, layerBound);
    });
    this.output = joined(whole("context_out"), whole("context_skip"));
  }
}

function prepared(matrix, rounding, boundOf) {
  matrix.biases = matrix.biases.map((bias) => bias + rounding);
  matrix.weights.forEach((row, i) => checkBound(boundOf(row, matrix.biases[i])));
  return matrix;
}

/**
 * Mean and scale as one matrix over hidden units, then inputs. Its first output is 2^8 (m - MEAN_OFFSET), the second
 * 2^9 s, before they are rounded down and clipped.
 */
function joined(out, skip) {
  const weights = out.weights.map((row, i) => [...row, ...skip.weights[i]]);
  const biases = [out.biases[0] + 128 - (MEAN_OFFSET - 16) * 256, out.biases[1] + 256 + 16 * 512];
  weights.forEach((row, i) => checkBound(layerBound(row, biases[i])));
  return { rows: 2, columns: weights[0].length, weights, biases };
}

function layerBound(row, bias) {
  return LARGEST * row.reduce((sum, w) => sum + Math.abs(w), 0) + Math.abs(bias);
}

function crossBound(row, bias) {
  return LARGEST_VALUE * row.reduce((sum, w) => sum + Math.abs(32 * w), 0) + Math.abs(bias);
}

function checkBound(bound) {
  if (!(bound < 2 ** 24)) throw corrupt("the context network's sums may exceed 2^24");
}
