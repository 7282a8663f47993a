import { LARGEST_VALUE, MEAN_OFFSET } from "./context.js";
import { checkLimit, corrupt } from "./errors.js";
import { Mode } from "./kernels.js";
import { differenceEnds, digitEnds, flagEnds, highEnds, lowEnds } from "./latent_tables.js";

const LARGEST_LATENT = 2 ** 15;
const N_RECENT = 8;
const MARGIN = 4;

/**
 * Decodes the latents of all grids (FORMAT.md, section 14).
 * @param {import("./range_coder.js").RangeDecoder} decoder
 * @param {import("./context.js").ContextNetwork} network
 * @param {{level: number, hyper: boolean, height: number, width: number}[]} grids in coding order
 * @param {import("./kernels.js").Kernels} kernels
 * @param {object} limits as `LIMITS`
 * @param {(grids: object[]) => void} onGrid called after every grid with those that are decoded
 * @returns {{level: number, hyper: boolean, height: number, width: number, values: Int8Array, bits: number}[]} values
 *   are of a larger type where they need it; bits of information, the flag's included
 */
export function decodeLatents(decoder, network, grids, kernels, limits, onGrid = () => {}) {
  const wavefronts = grids.reduce((sum, { height, width }) => sum + width + network.skew * (height - 1), 0);
  checkLimit("wavefronts of latents", wavefronts, limits.wavefronts);
  const done = [];
  for (const grid of grids) {
    const mark = kernels.mark();
    const before = decoder.bits;
    const values = new Float32Array(grid.height * grid.width);
    if (readFlag(decoder) === 0) {
      const cross = grid.hyper ? null : crossFeatures(network, grid, done, kernels);
      new GridDecoder(decoder, network, grid, values, cross, kernels).run();
    }
    kernels.release(mark);
    done.push({ ...grid, values: compact(values), bits: decoder.bits - before });
    onGrid(done);
  }
  return done;
}

/** The same whole numbers in as few bytes as they need: models are copied to every worker. */
function compact(values) {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  if (largest < 2 ** 7) return Int8Array.from(values);
  return largest < 2 ** 15 ? Int16Array.from(values) : values;
}

function readFlag(decoder) {
  const flag = decoder.symbol(flagEnds());
  if (flag > 1) throw corrupt(`the flag of a grid is ${flag}, not 0 or 1`);
  return flag;
}

/**
 * The features of coarser grids that predict a grid: they are the same for 2x2 latents.
 * @returns {{height: number, width: number, planes: Float32Array[]} | null}
 */
function crossFeatures(network, grid, done, kernels) {
  const matrix = network.cross[grid.level];
  if (matrix === undefined) return null;
  // Finest level first, and within a level the latent grid before the hyper grid: coding order reversed.
  const references = done.filter(({ level }) => level > grid.level).reverse();
  const height = Math.ceil(grid.height / 2);
  const width = Math.ceil(grid.width / 2);
  const planes = Array.from({ length: matrix.rows }, () => new Float32Array(height * width));
  const weight = (i, j) => 32 * matrix.weights[i][j];
  const packed = kernels.pack({ ...matrix, weight, bias: (i) => matrix.biases[i] });
  const stride = (width + 7) & ~7;
  const inputs = kernels.allocate(references.length * stride);
  const outputs = kernels.allocate(4 * packed.blocks * stride);
  const pointers = kernels.rowsOf(references.length);
  kernels.point(pointers, Array.from(references, (_, j) => inputs + j * stride));
  for (let y = 0; y < height; y++) {
    const { heap } = kernels;
    references.forEach((reference, j) => {
      const shift = reference.level - grid.level - 1;
      const row = (y >> shift) * reference.width;
      for (let x = 0; x < width; x++) heap[inputs + j * stride + x] = clipped(reference.values[row + (x >> shift)]);
    });
    kernels.dense(packed, pointers, outputs, stride, width, Mode.CROSS);
    planes.forEach((plane, i) => {
      plane.set(kernels.heap.subarray(outputs + i * stride, outputs + i * stride + width), y * width);
    });
  }
  return { height, width, planes };
}

function clipped(value) {
  return Math.min(Math.max(value, -LARGEST_VALUE), LARGEST_VALUE);
}

/**
 * Decodes one grid wavefront by wavefront: latents of equal t = x + skew y, in order of y.
 *
 * Neighbours are read where they lie: the clipped latents of the last 8 wavefronts are rows of the heap, indexed by y,
 * so that a neighbour of all latents of a wavefront is a row at an offset.
 */
class GridDecoder {
  constructor(decoder, network, grid, values, cross, kernels) {
    Object.assign(this, { decoder, network, grid, values, cross, kernels });
    const { nInputs, neighbours, layers, output } = network;
    this.stride = ((grid.height + 7) & ~7) + 2 * MARGIN;
    this.recent = kernels.allocate(N_RECENT * this.stride);
    const crossRows = nInputs - neighbours.length;
    const rows = 4 * Math.ceil(nInputs / 4);
    this.features = kernels.allocate(crossRows * this.stride);
    this.hidden = [kernels.allocate(rows * this.stride), kernels.allocate(rows * this.stride)];
    this.outputs = kernels.allocate(4 * this.stride);
    this.layers = layers.map((layer) => pack(layer, kernels));
    this.output = pack(output, kernels);
    this.inputs = kernels.rowsOf(nInputs);
    this.between = this.hidden.map((place) => {
      const pointers = kernels.rowsOf(nInputs);
      kernels.point(pointers, Array.from({ length: nInputs }, (_, i) => place + i * this.stride));
      return pointers;
    });
    this.last = kernels.rowsOf(2 * nInputs);
    const { heap } = kernels;
    heap.fill(0, this.recent, this.recent + N_RECENT * this.stride);
    heap.fill(0, this.features, this.features + crossRows * this.stride);
    this.symbols = new Uint8Array(grid.height);
    this.centres = new Int32Array(grid.height);
    this.scales = new Uint8Array(grid.height);
  }

  run() {
    const { grid, network } = this;
    const g = network.skew;
    const end = grid.width + g * (grid.height - 1);
    for (let t = 0; t < end; t++) {
      const first = g ? Math.max(0, Math.ceil((t - grid.width + 1) / g)) : 0;
      const last = g ? Math.min(grid.height - 1, Math.floor(t / g)) : grid.height - 1;
      const row = this.recent + (t % N_RECENT) * this.stride;
      this.kernels.heap.fill(0, row, row + this.stride);
      // With an odd skew of 1 or more than a row apart, some t of narrow grids have no latent at all.
      if (first > last) continue;
      this.predict(t, first, last - first + 1);
      this.read(t, first, last - first + 1, row + MARGIN + first);
    }
  }

  /** Runs the context network for n latents from row `first` on: its outputs are left on the heap. */
  predict(t, first, n) {
    const { kernels, network, stride } = this;
    const { nInputs, neighbours } = network;
    const places = neighbours.map(([dy, dx]) => {
      const row = (t + dx + network.skew * dy + 8 * N_RECENT) % N_RECENT;
      return this.recent + row * stride + MARGIN + first + dy;
    });
    for (let i = 0; i < nInputs - neighbours.length; i++) places.push(this.features + i * stride);
    if (this.cross) this.gatherFeatures(t, first, n);
    kernels.point(this.inputs, places);
    let pointers = this.inputs;
    let hidden = places;
    this.layers.forEach((layer, l) => {
      kernels.dense(layer, pointers, this.hidden[l & 1], stride, n, Mode.CONTEXT);
      pointers = this.between[l & 1];
      hidden = Array.from({ length: nInputs }, (_, i) => this.hidden[l & 1] + i * stride);
    });
    kernels.point(this.last, [...hidden, ...places]);
    kernels.dense(this.output, this.last, this.outputs, stride, n);
  }

  gatherFeatures(t, first, n) {
    const { cross, features, stride, network } = this;
    const { heap } = this.kernels;
    cross.planes.forEach((plane, f) => {
      let x = t - network.skew * first;
      for (let i = 0; i < n; i++, x -= network.skew) {
        heap[features + f * stride + i] = plane[((first + i) >> 1) * cross.width + (x >> 1)];
      }
    });
  }

  /** Reads n latents of a wavefront, from the symbols of all kinds. */
  read(t, first, n, recent) {
    const { decoder, symbols, centres, scales, outputs, stride, values, grid } = this;
    const { heap } = this.kernels;
    let outside = 0;
    for (let i = 0; i < n; i++) {
      const m = Math.floor(heap[outputs + i] / 256) + MEAN_OFFSET;
      const s = Math.min(Math.max(Math.floor(heap[outputs + stride + i] / 512), 0), 160);
      const symbol = decoder.symbol(differenceEnds(s, m & 31));
      symbols[i] = symbol;
      centres[i] = m >> 5;
      scales[i] = s;
      if (symbol > 24) outside += 1;
    }
    const excess = outside ? this.readExcess(n) : null;
    const step = grid.width - this.network.skew;
    let place = first * grid.width + t - this.network.skew * first;
    for (let i = 0; i < n; i++, place += step) {
      let value = centres[i] + symbols[i] - 12;
      if (symbols[i] > 24) value = centres[i] + (symbols[i] === 25 ? -13 - excess[i] : 13 + excess[i]);
      if (value > LARGEST_LATENT || value < -LARGEST_LATENT) throw corrupt(`a latent is ${value}, beyond +-2^15`);
      values[place] = value;
      heap[recent + i] = 32 * clipped(value);
    }
  }

  readExcess(n) {
    const { decoder, symbols, scales } = this;
    const outside = [];
    for (let i = 0; i < n; i++) if (symbols[i] > 24) outside.push(i);
    const excess = new Int32Array(n);
    const more = [];
    for (const i of outside) {
      excess[i] = 16 * decoder.symbol(highEnds(scales[i]));
      if (excess[i] === 16 * 26) more.push(i);
    }
    for (const i of outside) excess[i] += hexadecimalDigit(decoder.symbol(lowEnds(scales[i])));
    for (const weight of [4096, 256, 16]) {
      for (const i of more) excess[i] += weight * hexadecimalDigit(decoder.symbol(digitEnds()));
    }
    return excess;
  }
}

function pack(matrix, kernels) {
  return kernels.pack({ ...matrix, weight: (i, j) => matrix.weights[i][j], bias: (i) => matrix.biases[i] });
}

function hexadecimalDigit(symbol) {
  if (symbol > 15) throw corrupt(`a digit of a latent is ${symbol}, above 15`);
  return symbol;
}
