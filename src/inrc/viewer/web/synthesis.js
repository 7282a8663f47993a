import { layerOf, Mode } from "./kernels.js";

const RUN = 1024;
const PAD = 2;

/**
 * From features to values of latent grids (FORMAT.md, section 8), on planes of the heap.
 *
 * All planes of a part have one raster: the part and PAD samples on each side of it. Layers run over whole rows of the
 * raster, padding included, so that the neighbours of a sample lie at fixed distances.
 */
export class Synthesis {
  /**
   * @param {object} header
   * @param {Map<string, object>} params
   * @param {import("./kernels.js").Kernels} kernels
   */
  constructor({ network, channels }, params, kernels) {
    this.kernels = kernels;
    this.channels = channels;
    this.nGrids = network.nGrids;
    const { nResidual } = network;
    this.hiddenRows = 4 * Math.ceil(network.synthesisWidth / 4);
    const skip = layerOf(params.get("synthesis_skip"));
    const second = layerOf(params.get("synthesis_1"));
    this.first = kernels.pack(layerOf(params.get("synthesis_0")));
    // Where there are no 3x3 layers, the linear part joins the second layer, and elsewhere the last of them.
    this.second = kernels.pack(nResidual ? second : beside(second, skip));
    this.residuals = Array.from({ length: nResidual }, (_, i) => {
      const layer = residual(layerOf(params.get(`residual_${i}`)), channels);
      return kernels.pack(i < nResidual - 1 ? layer : beside(layer, skip));
    });
    this.firstInputs = kernels.rowsOf(this.first.columns);
    this.secondInputs = kernels.rowsOf(this.second.columns);
    this.residualInputs = this.residuals.map((layer) => kernels.rowsOf(layer.columns));
  }

  /**
   * Sets up planes for a part.
   * @param {Float32Array[]} features [height, width] of every level
   */
  begin(features, height, width) {
    const { kernels, nGrids } = this;
    this.lastRowTaps = null;
    this.height = height;
    this.width = width;
    this.stride = width + 2 * PAD;
    this.size = this.stride * (height + 2 * PAD);
    this.planeSize = (this.size + 3) & ~3;
    const planes = (n) => kernels.allocate(n * this.planeSize);
    this.features = planes(nGrids);
    this.between = planes(nGrids);
    this.moved = planes(nGrids);
    this.values = [planes(4), planes(4)];
    this.hidden = kernels.allocate(this.hiddenRows * RUN);
    this.taps = kernels.allocate(8);
    features.forEach((plane, k) => this.place(plane, this.features + k * this.planeSize));
  }

  place(plane, to) {
    const { kernels, width, height, stride } = this;
    for (let y = 0; y < height; y++) {
      kernels.heap.set(plane.subarray(y * width, (y + 1) * width), to + (y + PAD) * stride + PAD);
    }
    this.repeatEdges(to, PAD);
  }

  /** Copies the samples at the edges of a plane into its padding. */
  repeatEdges(plane, reach) {
    const { width, height, stride } = this;
    const { heap } = this.kernels;
    for (let y = PAD; y < PAD + height; y++) {
      const row = plane + y * stride;
      for (let i = 1; i <= reach; i++) {
        heap[row + PAD - i] = heap[row + PAD];
        heap[row + PAD + width - 1 + i] = heap[row + PAD + width - 1];
      }
    }
    for (let i = 1; i <= reach; i++) {
      const [top, bottom] = [plane + PAD * stride, plane + (PAD + height - 1) * stride];
      heap.copyWithin(top - i * stride, top, top + stride);
      heap.copyWithin(bottom + i * stride, bottom, bottom + stride);
    }
  }

  /**
   * Values of the part, moved by fractions of a sample.
   * @param {Float32Array | null} rowTaps kernel of 5 taps along y; null moves nothing
   * @param {Float32Array | null} columnTaps along x
   * @returns {(channel: number) => number} places of planes [height + 4, stride], whose part begins at [2, 2]
   */
  run(rowTaps, columnTaps) {
    let from = this.features;
    if (rowTaps) {
      // Runs with the same shift along y follow one another, and share what it gives.
      if (rowTaps !== this.lastRowTaps) this.filter(from, this.between, rowTaps, this.stride);
      from = this.between;
    }
    this.lastRowTaps = rowTaps;
    if (columnTaps) {
      this.filter(from, this.moved, columnTaps, 1);
      from = this.moved;
    }
    return this.layers(from);
  }

  get start() {
    return PAD * this.stride;
  }

  filter(from, to, taps, step) {
    const { kernels, start, planeSize } = this;
    kernels.heap.set(taps, this.taps);
    const n = this.height * this.stride;
    for (let k = 0; k < this.nGrids; k++) {
      const plane = k * planeSize + start;
      kernels.filter(from + plane - 2 * step, to + plane, n, this.taps, 5, step);
    }
  }

  layers(features) {
    const { kernels, start, planeSize, nGrids, channels, residuals } = this;
    const n = this.height * this.stride;
    const placesAt = (i) => Array.from({ length: nGrids }, (_, k) => features + k * planeSize + start + i);
    const hidden = Array.from({ length: this.second.columns }, (_, i) => this.hidden + i * RUN);
    const nHidden = residuals.length ? hidden.length : hidden.length - nGrids;
    let [values, other] = this.values;
    for (let i = 0; i < n; i += RUN) {
      const run = Math.min(RUN, n - i);
      const places = placesAt(i);
      kernels.point(this.firstInputs, places);
      kernels.dense(this.first, this.firstInputs, this.hidden, RUN, run, Mode.RELU);
      kernels.point(this.secondInputs, [...hidden.slice(0, nHidden), ...(residuals.length ? [] : places)]);
      kernels.dense(this.second, this.secondInputs, values + start + i, planeSize, run);
    }
    residuals.forEach((layer, r) => {
      for (let c = 0; c < channels; c++) this.repeatEdges(values + c * planeSize, 1);
      const places = [];
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          for (let e = 0; e < channels; e++) places.push(values + e * planeSize + start + dy * this.stride + dx);
        }
      }
      const isLast = r === residuals.length - 1;
      kernels.point(this.residualInputs[r], isLast ? [...places, ...placesAt(0)] : places);
      kernels.dense(layer, this.residualInputs[r], other + start, planeSize, n, isLast ? Mode.LINEAR : Mode.RELU);
      [values, other] = [other, values];
    });
    return (channel) => values + channel * planeSize;
  }
}

/** The matrix of two matrices side by side; the first has the biases. */
function beside(first, second) {
  return {
    ...first,
    columns: first.columns + second.columns,
    weight: (i, j) => (j < first.columns ? first.weight(i, j) : second.weight(i, j - first.columns)),
  };
}

/** A 3x3 layer to whose outputs its inputs are added. */
function residual(layer, channels) {
  return { ...layer, weight: (i, j) => layer.weight(i, j) + Number(j === 4 * channels + i) };
}
