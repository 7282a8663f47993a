import { KERNEL_SOURCE } from "./kernel_source.js";
import { assemble } from "./wat.js";

const PAGE = 65536;
const SLACK = 16;

/** What `dense` does with its sums. */
export const Mode = Object.freeze({ LINEAR: 0, RELU: 1, CONTEXT: 2, CROSS: 3 });

/** A matrix of a file as `Kernels.pack` takes it: the last of its columns holds biases where it has them. */
export function layerOf({ rows, columns, bias, values }) {
  return {
    rows,
    columns: columns - Number(bias),
    weight: (i, j) => values[i * columns + j],
    bias: (i) => (bias ? values[i * columns + columns - 1] : 0),
  };
}

/**
 * Inner loops on one heap of binary32 numbers, by WebAssembly's vectors or, where these are missing, in JavaScript.
 *
 * Places on the heap are indices of floats, multiples of 4. What is allocated after `mark` is freed by `release`.
 */
export class Kernels {
  /** @param {boolean} vectors whether WebAssembly may be used */
  constructor(vectors = true) {
    this.top = SLACK;
    this.vectors = vectors ? compiled() : null;
    this.heap = this.vectors ? this.vectors.view() : new Float32Array(PAGE);
  }

  /** @returns {number} the place of n floats, with some more behind them that kernels may read and write */
  allocate(n) {
    const place = this.top;
    this.top = place + ((n + SLACK + 3) & ~3);
    if (this.top + SLACK > this.heap.length) this.grow(this.top + SLACK);
    return place;
  }

  grow(n) {
    if (this.vectors) {
      this.vectors.grow(n);
      this.heap = this.vectors.view();
    } else {
      const larger = new Float32Array(Math.max(n, 2 * this.heap.length));
      larger.set(this.heap);
      this.heap = larger;
    }
  }

  mark() {
    return this.top;
  }

  release(mark) {
    this.top = mark;
  }

  /**
   * A matrix as `dense` reads it: blocks of 4 rows, each its biases and then its weights column by column.
   * @param {object} matrix rows, columns, weight(i, j) and bias(i)
   * @returns {{place: number, blocks: number, columns: number}}
   */
  pack({ rows, columns, weight, bias }) {
    const blocks = Math.ceil(rows / 4);
    const place = this.allocate(blocks * 4 * (columns + 1));
    let at = place;
    for (let first = 0; first < 4 * blocks; first += 4) {
      for (let j = -1; j < columns; j++) {
        for (let i = first; i < first + 4; i++) {
          this.heap[at++] = i >= rows ? 0 : j < 0 ? bias(i) : weight(i, j);
        }
      }
    }
    return { place, blocks, columns };
  }

  /** @returns {{place: number, n: number}} room for the places of so many rows of inputs */
  rowsOf(n) {
    return { place: this.allocate(n), n, words: new Int32Array(this.heap.buffer) };
  }

  /** Writes the places of inputs. */
  point(pointers, places) {
    if (pointers.words.buffer !== this.heap.buffer) pointers.words = new Int32Array(this.heap.buffer);
    for (let k = 0; k < pointers.n; k++) pointers.words[pointers.place + k] = 4 * places[k];
  }

  /**
   * out[i stride + x] = mode(bias_i + sum over k of weight_ik heap[place_k + x]), x = 0, ..., n - 1; n is rounded up to
   * a multiple of 8 and rows to one of 4. CONTEXT and CROSS divide by 2^8, round down, and clip to 0..2047 and
   * -2047..2047.
   * @param {{place: number, blocks: number, columns: number}} matrix of `pack`
   * @param {{place: number}} pointers of `rowsOf`
   */
  dense(matrix, pointers, out, stride, n, mode = Mode.LINEAR) {
    const { place, columns, blocks } = matrix;
    if (this.vectors) {
      this.vectors.dense(4 * place, 4 * pointers.place, columns, 4 * out, 4 * stride, blocks, n, mode);
    } else {
      denseByScript(this.heap, matrix, pointers, out, stride, (n + 7) & ~7, mode);
    }
  }

  /** z = sin(factors (period z) + phase), n values in place. */
  sines(z, factors, n, period, phase) {
    if (this.vectors) return this.vectors.sines(4 * z, 4 * factors, n, period, phase);
    const { heap } = this;
    for (let i = 0; i < n; i++) {
      const x = Math.fround(heap[factors + i] * Math.fround(Math.fround(period) * heap[z + i]));
      heap[z + i] = Math.sin(Math.fround(x + Math.fround(phase)));
    }
  }

  /** out[i] = sum over t of heap[taps + t] heap[x + i + t step]. */
  filter(x, out, n, taps, nTaps, step) {
    if (this.vectors) return this.vectors.filter(4 * x, 4 * out, n, 4 * taps, nTaps, 4 * step);
    const { heap } = this;
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let t = 0; t < nTaps; t++) sum += heap[taps + t] * heap[x + i + t * step];
      heap[out + i] = sum;
    }
  }

  /** out[i] = heap[x + i] + value. */
  shift(x, out, n, value) {
    if (this.vectors) return this.vectors.shift(4 * x, 4 * out, n, value);
    for (let i = 0; i < n; i++) this.heap[out + i] = this.heap[x + i] + value;
  }
}

/** The kernels as WebAssembly; null where it, or its vectors, are missing. */
function compiled() {
  try {
    const memory = new WebAssembly.Memory({ initial: 16 });
    const module = new WebAssembly.Module(assemble(KERNEL_SOURCE));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const grow = (n) => memory.grow(Math.max(16, Math.ceil((4 * n - memory.buffer.byteLength) / PAGE)));
    return { ...exports, grow, view: () => new Float32Array(memory.buffer) };
  } catch {
    return null;
  }
}

function denseByScript(heap, { place, blocks, columns }, pointers, out, stride, n, mode) {
  const places = new Int32Array(heap.buffer, 4 * pointers.place, columns);
  const low = mode === Mode.CROSS ? -2047 : 0;
  const sums = new Float64Array(n);
  for (let i = 0; i < 4 * blocks; i++) {
    const block = place + (i >> 2) * 4 * (columns + 1) + (i & 3);
    sums.fill(heap[block]);
    for (let k = 0; k < columns; k++) {
      const weight = heap[block + 4 * (k + 1)];
      const from = places[k] / 4;
      for (let x = 0; x < n; x++) sums[x] += weight * heap[from + x];
    }
    const target = out + i * stride;
    for (let x = 0; x < n; x++) {
      let value = sums[x];
      if (mode === Mode.RELU) value = Math.max(value, 0);
      else if (mode !== Mode.LINEAR) value = Math.min(Math.max(Math.floor(value / 256), low), 2047);
      heap[target + x] = value;
    }
  }
}
