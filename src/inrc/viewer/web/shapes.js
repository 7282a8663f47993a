import { Encoding, Family, seenShape } from "./header.js";

const MODULATOR_FREQUENCIES = 4;

/**
 * The matrices of a file in their order (FORMAT.md, section 3).
 * @returns {{name: string, rows: number, columns: number, bias: boolean}[]} bias: whether the last column is one
 */
export function matricesOf(header) {
  return header.network.family === Family.LATENT_GRID ? latentMatrices(header) : coordinateMatrices(header);
}

/** @returns {number[]} frequencies that an axis of n samples keeps (section 8) */
export function axisFrequencies(encoding, nFrequencies, n) {
  const base = encoding === Encoding.NERF ? 2 : 1.4;
  const kept = [];
  for (let k = 0; k < nFrequencies && base ** k <= n / 2; k++) kept.push(base ** k);
  return kept;
}

/** @returns {number} features of a network whose axes have these numbers of samples; not of a hash grid */
export function featureCount(encoding, nFrequencies, shape) {
  if (encoding === Encoding.NONE) return shape.length;
  if (encoding === Encoding.GAUSSIAN) return 2 * nFrequencies;
  return shape.reduce((sum, n) => sum + 1 + 2 * axisFrequencies(encoding, nFrequencies, n).length, 0);
}

/**
 * The levels of a hash grid.
 * @returns {{cells: number, rows: number, columns: number, entries: number}[]} nodes along y and x, and entries
 */
export function hashLevels(network, shape) {
  const longest = Math.max(...shape);
  const levels = [];
  for (let i = 0; i < network.nLevels; i++) {
    const cells = Number(floorRoot(BigInt(network.coarsest) ** 8n << BigInt(network.growth * i), 3));
    if (i > 0 && 2 * cells > longest) break;
    const [rows, columns] = shape.map((n) => Math.ceil((cells * n) / longest) + 1);
    levels.push({ cells, rows, columns, entries: Math.min(rows * columns, 2 ** network.log2Entries) });
  }
  return levels;
}

/** @returns {bigint} the floored 2^k-th root of a whole number */
export function floorRoot(x, k) {
  for (let i = 0; i < k; i++) x = floorSquareRoot(x);
  return x;
}

function floorSquareRoot(x) {
  if (x < 2n) return x;
  let root = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

function coordinateMatrices(header) {
  const { network, channels } = header;
  const shape = seenShape(header);
  const matrices = [];
  let inputs = 0;
  if (network.family === Family.HASH_GRID) {
    hashLevels(network, shape).forEach((level, i) => {
      matrices.push({ name: `table_${i}`, rows: network.nFeatures, columns: level.entries, bias: false });
      inputs += network.nFeatures;
    });
  } else {
    inputs = featureCount(network.encoding, network.nFrequencies, shape);
  }
  matrices.push(...dense("layer", inputs, [...network.widths, channels], network.bias));
  if (network.modulator.length) {
    const nInputs = featureCount(Encoding.LOG_SPACED, MODULATOR_FREQUENCIES, shape);
    matrices.push(...dense("modulator", nInputs, [...network.modulator, 1], true));
  }
  return matrices;
}

function dense(name, nInputs, widths, bias) {
  return widths.map((rows, i) => {
    const columns = (i ? widths[i - 1] : nInputs) + Number(bias);
    return { name: `${name}_${i}`, rows, columns, bias };
  });
}

function latentMatrices(header) {
  const { network, channels } = header;
  const { nGrids, nHyper, nCross, synthesisWidth } = network;
  const nInputs = network.nSpatial + nCross;
  const matrices = [];
  const add = (name, rows, columns, bias) => matrices.push({ name, rows, columns, bias });
  for (let k = 0; k < network.nCrossLevels; k++) {
    const coarser = nGrids - 1 - k;
    add(`cross_${k}`, nCross, coarser + Math.min(nHyper, coarser) + 1, true);
  }
  for (let l = 0; l < network.contextLayers; l++) add(`context_${l}`, nInputs, nInputs + 1, true);
  add("context_out", 2, nInputs + 1, true);
  add("context_skip", 2, nInputs, false);
  if (nGrids > 1) {
    add("upsampling", nGrids - 1, 4, false);
    if (network.refinement) add("refinement", nGrids - 1, 4, false);
  }
  add("synthesis_0", synthesisWidth, nGrids + 1, true);
  add("synthesis_1", channels, synthesisWidth + 1, true);
  for (let i = 0; i < network.nResidual; i++) add(`residual_${i}`, channels, 9 * channels + 1, true);
  add("synthesis_skip", channels, nGrids, false);
  return matrices;
}

/**
 * The grids of a picture of latent grids, in coding order (section 14).
 * @returns {{level: number, hyper: boolean, height: number, width: number}[]}
 */
export function gridsOf(header) {
  const { nGrids, nHyper } = header.network;
  const [rows, columns] = seenShape(header);
  const grids = [];
  for (let level = nGrids - 1; level >= 0; level--) {
    const height = Math.ceil(rows / 2 ** level);
    const width = Math.ceil(columns / 2 ** level);
    if (level >= nGrids - nHyper) grids.push({ level, hyper: true, height, width });
    grids.push({ level, hyper: false, height, width });
  }
  return grids;
}
