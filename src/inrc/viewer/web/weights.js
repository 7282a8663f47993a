import { corrupt } from "./errors.js";
import { Storage } from "./header.js";
import { floorRoot } from "./shapes.js";
import { decodeInteger, largestMagnitude, magnitudeIndex, weightCounts } from "./weight_tables.js";

const SAFE = 2 ** 53;

/**
 * The integers of all matrices (FORMAT.md, section 6).
 * @param {import("./range_coder.js").RangeDecoder} decoder
 * @param {{rows: number, columns: number}[]} shapes
 * @param {number} storage
 * @param {Uint8Array[] | null} scaleIndices of a shared init, row by row
 * @returns {{steps: number[], powers: number[], matrices: Int32Array[], tails: Int32Array[]}} matrices row by row
 */
export function decodeWeights(decoder, shapes, storage, scaleIndices) {
  const largestStep = storage === Storage.HALF ? 30 : 255;
  const steps = decodeDifferences(decoder, shapes.length, 128, 32, "a step index", largestStep);
  const powers = storage === Storage.COMPANDED ? decodeDifferences(decoder, shapes.length, 24, 28, "a power", 64) : [];
  const expectation = scaleIndices === null ? new Unprimed() : new Primed(scaleIndices, steps);
  const matrices = shapes.map((shape, l) => decodeMatrix(decoder, shape, expectation, l));
  const tails = storage === Storage.HALF ? decodeTails(decoder, shapes, steps, matrices) : [];
  return { steps, powers, matrices, tails };
}

function decodeDifferences(decoder, n, first, firstTable, what, largest) {
  const values = [];
  for (let i = 0; i < n; i++) {
    values.push((i ? values[i - 1] : first) + decodeInteger(decoder, i ? 28 : firstTable));
  }
  const wrong = values.find((value) => value < 0 || value > largest);
  if (wrong !== undefined) throw corrupt(`${what} is ${wrong}, not within 0..${largest}`);
  return values;
}

function decodeMatrix(decoder, { rows, columns }, expectation, l) {
  const matrix = new Int32Array(rows * columns);
  const keptRows = decodeOtherLines(decoder, rows, columns);
  const keptColumns = decodeOtherLines(decoder, columns, keptRows.length);
  expectation.beginMatrix(l, rows, columns);
  for (const j of keptColumns) {
    expectation.beginColumn(j);
    for (const i of keptRows) {
      const value = decodeInteger(decoder, expectation.table(i));
      matrix[i * columns + j] = value;
      expectation.observe(i, Math.abs(value));
    }
  }
  return matrix;
}

/** Numbers of the rows or columns of a matrix that are no zero lines. */
function decodeOtherLines(decoder, nLines, length) {
  const others = [];
  let zeros = 1;
  for (let i = 0; i < nLines; i++) {
    if (length >= 3 && decoder.flag(Math.floor((2 ** 24 * zeros) / (4 + i)))) zeros += 1;
    else others.push(i);
  }
  return others;
}

function decodeTails(decoder, shapes, steps, matrices) {
  return matrices.map((matrix, l) => {
    const { rows, columns } = shapes[l];
    if (matrix.some((offset) => Math.abs(offset) > steps[l])) throw corrupt("a coded weight is no binary16 number");
    const tails = new Int32Array(rows * columns);
    for (let j = 0; j < columns; j++) {
      for (let i = 0; i < rows; i++) {
        tails[i * columns + j] = decoder.equiprobable(matrix[i * columns + j] === 0 ? 11 : 10);
      }
    }
    return tails;
  });
}

/** floor(a b / c) of whole numbers, exactly; a and b may be numbers of up to 53 bits. */
function multiplyDivide(a, b, c) {
  const product = Number(a) * Number(b);
  return product < SAFE ? Math.floor(product / c) : Number((BigInt(a) * BigInt(b)) / BigInt(c));
}

/** What the coder expects of the integers without a shared init. */
class Unprimed {
  constructor() {
    this.total = 12;
    this.count = 4;
  }

  beginMatrix(_, rows) {
    this.total = Math.max(1, Math.floor((4 * this.total) / this.count));
    this.count = 4;
    this.units = new Float64Array(rows);
    this.shares = new Float64Array(rows);
  }

  beginColumn() {
    this.observed = this.expected = Math.max(1, Math.floor((512 * this.total) / this.count));
  }

  table(i) {
    const { total, count } = this;
    // Units and the total are below 2^40, the count and shares below 2^20, so that all but products are exact.
    const numerator = multiplyAdd(this.units[i], count, 4 * total);
    this.mean = multiplyDivide(256, numerator, (this.shares[i] + 4) * count);
    return magnitudeIndex(multiplyDivide(256 * this.mean, this.observed, this.expected));
  }

  observe(i, magnitude) {
    this.observed += 256 * magnitude;
    this.expected += this.mean;
    this.units[i] += magnitude;
    this.shares[i] += 1;
    this.total += magnitude;
    this.count += 1;
  }
}

/** a b + c, as a number where it is exact and as a bigint elsewhere. */
function multiplyAdd(a, b, c) {
  const sum = a * b + c;
  return sum < SAFE ? sum : BigInt(a) * BigInt(b) + BigInt(c);
}

/** What the coder expects of differences from a shared init; numbers take up to 144 bits. */
class Primed {
  constructor(scaleIndices, steps) {
    this.scaleIndices = scaleIndices;
    this.steps = steps;
    this.total = 1n << 22n;
    this.count = 1n << 22n;
  }

  beginMatrix(l, rows, columns) {
    this.total = atLeastOne((this.total << 22n) / this.count);
    this.count = 1n << 22n;
    this.units = new Array(rows).fill(0n);
    this.shares = new Array(rows).fill(0n);
    this.indices = this.scaleIndices[l];
    this.step = this.steps[l];
    this.columns = columns;
  }

  beginColumn(j) {
    this.observed = this.expected = atLeastOne((this.total << 19n) / this.count);
    this.column = j;
  }

  table(i) {
    const { total, count } = this;
    const exponent = this.indices[i * this.columns + this.column] - this.step;
    this.prior = priorOf(Math.min(Math.max(exponent, -64), 64));
    this.mean =
      ((this.units[i] * count + (total << 20n)) << 16n) / ((this.shares[i] + (1n << 20n)) * count);
    return magnitudeIndex(Number((((this.mean * this.observed) / this.expected) * this.prior.scale) >> 24n));
  }

  observe(i, magnitude) {
    const { weight, share } = this.prior;
    const y = weight * BigInt(magnitude);
    this.observed += y;
    this.expected += (this.mean * share) >> 16n;
    this.units[i] += y;
    this.shares[i] += share;
    this.total += y;
    this.count += share;
  }
}

function atLeastOne(x) {
  return x < 1n ? 1n : x;
}

const priors = new Map();

/** @returns {{weight: bigint, scale: bigint, share: bigint}} of an exponent within -64..64 */
export function priorOf(exponent) {
  let prior = priors.get(exponent);
  if (prior === undefined) {
    const weight = eighths(-Math.max(exponent, 0), 16);
    const s = magnitudeIndex(Number(eighths(exponent, 16)));
    const m = largestMagnitude(s);
    const counts = weightCounts(s);
    let sum = 0;
    for (let j = 0; j <= 2 * m; j++) sum += Math.abs(j - m) * counts[j];
    const a = BigInt(Math.floor(sum / 256));
    prior = { weight, scale: eighths(exponent, 24), share: (a * weight) >> 16n };
    priors.set(exponent, prior);
  }
  return prior;
}

/** floor(2^(g / 8 + k)), the eighth root of 2^(g + 8 k). */
function eighths(g, k) {
  return floorRoot(1n << BigInt(g + 8 * k), 3);
}
