const MAX_FINER = 16;
const NEAR = 1e-4;

/**
 * @returns {number} samples per native sample of the raster from which pixels of `unit` native samples are resampled:
 *   values of a raster more than 16 times as fine are interpolated linearly
 */
export function finerOf(unit) {
  return Math.min(Math.max(1, Math.ceil(1 / unit - 1e-6)), MAX_FINER);
}

/**
 * A resampling along an axis: pixel i is the sum of weights[nTaps i + t] x[first[i] + t]. Pixels are means of the
 * samples that they cover or, where they are smaller than samples, values between two of them.
 * @param {number} first native sample at which the first pixel begins, counted from that at which x begins
 * @param {number} unit native samples of a pixel
 * @param {number} n pixels
 * @param {number} finer samples of x per native sample
 * @param {number} length samples of x
 * @returns {{first: Int32Array, weights: Float32Array, nTaps: number}}
 */
export function resampling(first, unit, n, finer, length) {
  const edges = Float64Array.from({ length: n + 1 }, (_, i) => {
    const edge = (first + unit * i) * finer;
    return Math.abs(edge - Math.round(edge)) < NEAR ? Math.round(edge) : edge;
  });
  return unit * finer < 1 - NEAR ? linear(edges, n, length) : means(edges, n);
}

function linear(edges, n, length) {
  const first = new Int32Array(n);
  const weights = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    const centre = Math.min(Math.max((edges[i] + edges[i + 1] - 1) / 2, 0), length - 1);
    first[i] = Math.min(Math.floor(centre), Math.max(length - 2, 0));
    weights[2 * i] = 1 - (centre - first[i]);
    weights[2 * i + 1] = centre - first[i];
  }
  return { first, weights, nTaps: 2 };
}

function means(edges, n) {
  const first = Int32Array.from({ length: n }, (_, i) => Math.floor(edges[i]));
  const nTaps = first.reduce((most, start, i) => Math.max(most, Math.ceil(edges[i + 1]) - start), 1);
  const weights = new Float32Array(nTaps * n);
  for (let i = 0; i < n; i++) {
    for (let t = 0; t < nTaps; t++) {
      const overlap = Math.min(edges[i + 1], first[i] + t + 1) - Math.max(edges[i], first[i] + t);
      weights[nTaps * i + t] = Math.max(overlap, 0) / (edges[i + 1] - edges[i]);
    }
  }
  return { first, weights, nTaps };
}

/** @returns {Float32Array} a plane [rows, columns] resampled along both axes */
export function resampled(plane, rows, columns, down, across) {
  const width = across.first.length;
  const narrow = columnsResampled(plane, rows, columns, across);
  const height = down.first.length;
  const out = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let t = 0; t < down.nTaps; t++) {
      const weight = down.weights[down.nTaps * y + t];
      if (weight === 0) continue;
      const from = Math.min(down.first[y] + t, rows - 1) * width;
      const to = y * width;
      if (weight === 1) out.set(narrow.subarray(from, from + width), to);
      else for (let x = 0; x < width; x++) out[to + x] += weight * narrow[from + x];
    }
  }
  return out;
}

function columnsResampled(plane, rows, columns, { first, weights, nTaps }) {
  const width = first.length;
  const isPart = nTaps === 1 && weights.every((weight) => weight === 1) && first[width - 1] - first[0] === width - 1;
  const out = new Float32Array(rows * width);
  for (let y = 0; y < rows; y++) {
    const from = y * columns;
    if (isPart) {
      out.set(plane.subarray(from + first[0], from + first[0] + width), y * width);
      continue;
    }
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let t = 0; t < nTaps; t++) {
        const weight = weights[nTaps * x + t];
        if (weight !== 0) sum += weight * plane[from + Math.min(first[x] + t, columns - 1)];
      }
      out[y * width + x] = sum;
    }
  }
  return out;
}
