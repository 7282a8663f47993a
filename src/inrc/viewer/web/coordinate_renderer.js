import {
  HashFeatures, axisFeatures, coordinatesOf, gaussianFrequencies, gaussianWaves,
} from "./coordinates.js";
import { Encoding, Family } from "./header.js";
import { layerOf, Mode } from "./kernels.js";

const MAX_REPEATS = 1024;
const RUN_VALUES = 1 << 17;
const MODULATION = 10;
const MODULATOR_FREQUENCIES = 4;

/** Inverse colour transforms (FORMAT.md, section 9). */
const COLOURS = [
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [[1, 0, 1.402], [1, (-0.114 * 1.772) / 0.587, (-0.299 * 1.402) / 0.587], [1, 1.772, 0]],
  [[1, 1, -1], [1, 0, 1], [1, -1, -1]],
  [[1, 1, -1], [1, 0, 2], [1, -1, -1]].map((row) => row.map((x, j) => x / Math.sqrt([3, 2, 6][j]))),
];

/**
 * Renders coordinate networks at any size (as `models/coordinate_render.py`): the network is evaluated at the centres
 * of pixels or, below the native density, at samples of at least that density, which are averaged.
 */
export class CoordinateRenderer {
  /**
   * @param {object} model of `openFile`
   * @param {import("./kernels.js").Kernels} kernels
   */
  constructor({ header, shape, params }, kernels) {
    const { network, channels } = header;
    this.network = network;
    this.channels = channels;
    this.shape = shape;
    this.kernels = kernels;
    this.layers = network.widths.map((_, l) => layerOf(params.get(`layer_${l}`)));
    this.layers.push(coloured(layerOf(params.get(`layer_${network.widths.length}`)), header));
    this.modulator = network.modulator.length
      ? [...network.modulator, 1].map((_, l) => layerOf(params.get(`modulator_${l}`)))
      : null;
    this.tables = [...params.values()].filter(({ name }) => name.startsWith("table_"));
    this.isSiren = network.family === Family.SIREN;
    // Encodings of one axis alone enter a sine layer as sums of what each axis gives.
    this.isSeparable = this.isSiren && network.encoding !== Encoding.GAUSSIAN;
    for (const layers of [this.layers, this.modulator ?? []]) {
      for (const layer of layers) {
        layer.packed = kernels.pack(layer);
        layer.pointers = kernels.rowsOf(layer.columns);
      }
    }
    const widest = Math.max(...[...this.layers, ...(this.modulator ?? [])].map(({ rows }) => rows));
    this.widest = Math.max(4 * Math.ceil(widest / 4), this.layers[0].columns);
    if (network.encoding === Encoding.GAUSSIAN) {
      this.frequencies = gaussianFrequencies(network.nFrequencies, network.quarterSigma, shape);
    }
  }

  /**
   * @param {object} view of the picture as the network sees it; a coarse one has one sample a pixel
   * @returns {Float32Array[]} planes [height, width] of unit values, one a channel
   */
  values(view) {
    const { kernels, shape } = this;
    const { height, width } = view;
    const native = [view.bottom - view.top, view.right - view.left];
    const repeats = view.coarse ? [1, 1] : [repeatsOf(native[0], height), repeatsOf(native[1], width)];
    const rows = coordinatesOf(shape[0], view.top, view.bottom, height * repeats[0]);
    const columns = coordinatesOf(shape[1], view.left, view.right, width * repeats[1]);
    const planes = Array.from({ length: this.channels }, () => new Float32Array(height * width));
    const mark = kernels.mark();
    const nPerRun = Math.max(8, Math.floor(RUN_VALUES / this.widest));
    const runColumns = Math.max(1, Math.floor(Math.min(columns.length, nPerRun) / repeats[1])) * repeats[1];
    const runRows = Math.max(1, Math.floor(nPerRun / runColumns));
    this.begin(runRows * runColumns);
    const share = 1 / (repeats[0] * repeats[1]);
    for (let left = 0; left < columns.length; left += runColumns) {
      const part = columns.subarray(left, left + runColumns);
      const across = this.along(1, part);
      for (let top = 0; top < rows.length; top += runRows) {
        const lines = rows.subarray(top, top + runRows);
        const outputs = this.outputs(lines, part, this.along(0, lines), across);
        this.addMeans(planes, outputs, { top, left, width, repeats, share }, lines.length, part.length);
      }
    }
    kernels.release(mark);
    return planes;
  }

  begin(n) {
    const { kernels } = this;
    this.stride = (n + 7) & ~7;
    this.buffers = [0, 1].map(() => kernels.allocate(this.widest * this.stride));
    this.factors = kernels.allocate(this.stride);
    this.line = kernels.allocate(this.stride);
  }

  /** What a run needs of the samples along an axis. */
  along(axis, coordinates) {
    const { network, shape } = this;
    if (network.family === Family.HASH_GRID) return coordinates;
    if (network.encoding === Encoding.GAUSSIAN) return gaussianWaves(this.frequencies[axis], coordinates);
    const features = axisFeatures(network.encoding, network.nFrequencies, shape[axis], coordinates);
    if (!this.isSeparable) return features;
    const modulator =
      this.modulator && axisFeatures(Encoding.LOG_SPACED, MODULATOR_FREQUENCIES, shape[axis], coordinates);
    return {
      own: axisSums(this.layers[0], features, axis),
      modulator: modulator && axisSums(this.modulator[0], modulator, axis),
    };
  }

  /** @returns {number} the place of the outputs [channels, stride] of a run of rows x columns */
  outputs(rows, columns, down, across) {
    const { kernels, network, layers } = this;
    const n = rows.length * columns.length;
    const [first, second] = this.buffers;
    kernels.heap.fill(network.omega0, this.factors, this.factors + n + 8);
    if (this.isSeparable) {
      if (this.modulator) {
        const grid = [rows.length, columns.length];
        const place = this.sineLayers(this.modulator, down.modulator, across.modulator, ...grid, false);
        const { heap } = kernels;
        for (let i = 0; i < n; i++) heap[this.factors + i] = network.omega0 + MODULATION * heap[place + i];
      }
      return this.sineLayers(layers, down.own, across.own, rows.length, columns.length, network.sampledPhases);
    }
    this.writeFeatures(first, rows, columns, down, across);
    let [from, to] = [first, second];
    layers.forEach((layer, l) => {
      const isLast = l === layers.length - 1;
      this.dense(layer, from, to, n, this.isSiren || isLast ? Mode.LINEAR : Mode.RELU);
      if (this.isSiren && !isLast) this.sines(layer, to, n, network.sampledPhases);
      [from, to] = [to, from];
    });
    return from;
  }

  /** A network of sines whose first layer is a sum over the axes. */
  sineLayers(layers, down, across, nRows, nColumns, phases) {
    const { kernels, stride } = this;
    const n = nRows * nColumns;
    let [from, to] = this.buffers;
    for (let unit = 0; unit < layers[0].rows; unit++) {
      kernels.heap.set(across[unit], this.line);
      for (let y = 0; y < nRows; y++) {
        kernels.shift(this.line, from + unit * stride + y * nColumns, nColumns, down[unit][y]);
      }
    }
    if (layers.length > 1) this.sines(layers[0], from, n, phases);
    for (let l = 1; l < layers.length; l++) {
      this.dense(layers[l], from, to, n, Mode.LINEAR);
      if (l < layers.length - 1) this.sines(layers[l], to, n, phases);
      [from, to] = [to, from];
    }
    return from;
  }

  dense(layer, from, to, n, mode) {
    const { kernels, stride } = this;
    kernels.point(layer.pointers, Array.from({ length: layer.columns }, (_, k) => from + k * stride));
    kernels.dense(layer.packed, layer.pointers, to, stride, n, mode);
  }

  sines({ rows }, place, n, phases) {
    for (let unit = 0; unit < rows; unit++) {
      const t = unit / Math.max(1, rows - 1);
      const period = phases ? 1.2 - 0.4 * t : 1;
      const phase = phases ? Math.PI * Math.sin(2 * Math.PI * (10 * t - 5)) : 0;
      this.kernels.sines(place + unit * this.stride, this.factors, n, period, phase);
    }
  }

  writeFeatures(place, rows, columns, down, across) {
    const { network, stride } = this;
    const { heap } = this.kernels;
    const nColumns = columns.length;
    if (network.family === Family.HASH_GRID) {
      const features = new HashFeatures(network, this.tables, [rows, columns], this.shape);
      for (let y = 0; y < rows.length; y++) {
        const places = Array.from({ length: this.layers[0].columns }, (_, f) => place + f * stride + y * nColumns);
        features.writeRow(y, heap, places);
      }
    } else if (network.encoding === Encoding.GAUSSIAN) {
      const { nFrequencies } = network;
      for (let k = 0; k < nFrequencies; k++) {
        const [sinX, cosX] = [across[0][k], across[1][k]];
        for (let y = 0; y < rows.length; y++) {
          const [sinY, cosY] = [down[0][k][y], down[1][k][y]];
          const sines = place + k * stride + y * nColumns;
          const cosines = sines + nFrequencies * stride;
          for (let x = 0; x < nColumns; x++) {
            heap[sines + x] = sinY * cosX[x] + cosY * sinX[x];
            heap[cosines + x] = cosY * cosX[x] - sinY * sinX[x];
          }
        }
      }
    } else {
      for (let y = 0; y < rows.length; y++) {
        const start = place + y * nColumns;
        down.forEach((row, f) => heap.fill(row[y], start + f * stride, start + f * stride + nColumns));
        across.forEach((row, f) => heap.set(row, start + (down.length + f) * stride));
      }
    }
  }

  addMeans(planes, place, { top, left, width, repeats, share }, nRows, nColumns) {
    const { heap } = this.kernels;
    planes.forEach((plane, c) => {
      for (let y = 0; y < nRows; y++) {
        const from = place + c * this.stride + y * nColumns;
        const to = Math.floor((top + y) / repeats[0]) * width + left / repeats[1];
        if (share === 1) plane.set(heap.subarray(from, from + nColumns), to);
        else for (let x = 0; x < nColumns; x++) plane[to + Math.floor(x / repeats[1])] += share * heap[from + x];
      }
    });
  }
}

function repeatsOf(length, n) {
  return Math.min(Math.max(1, Math.ceil(length / n - 1e-6)), MAX_REPEATS);
}

/** The last layer, followed by the inverse colour transform and the step from [-1, 1] to [0, 1]. */
function coloured(layer, { channels, colour }) {
  const matrix = Array.from({ length: channels }, (_, c) =>
    Array.from({ length: channels }, (_, d) => {
      if (channels >= 3 && c < 3 && d < 3) return COLOURS[colour][c][d] / 2;
      return c === d ? 0.5 : 0;
    }),
  );
  const mixed = (c, valueOf) => matrix[c].reduce((sum, weight, d) => (weight ? sum + weight * valueOf(d) : sum), 0);
  return {
    ...layer,
    weight: (c, j) => mixed(c, (d) => layer.weight(d, j)),
    bias: (c) => mixed(c, layer.bias) + 0.5,
  };
}

/** What the features of one axis add to every unit of a first layer; axis 0 brings the biases. */
function axisSums(layer, features, axis) {
  const start = axis === 0 ? 0 : layer.columns - features.length;
  return Array.from({ length: layer.rows }, (_, unit) => {
    const sums = new Float32Array(features[0].length);
    const weights = features.map((_, f) => layer.weight(unit, start + f));
    for (let i = 0; i < sums.length; i++) {
      let sum = axis === 0 ? layer.bias(unit) : 0;
      for (let f = 0; f < weights.length; f++) sum += weights[f] * features[f][i];
      sums[i] = sum;
    }
    return sums;
  });
}
