const LOBES = 3;

/** Lanczos' kernel with three lobes. */
function lanczos(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= LOBES) return 0;
  const angle = Math.PI * x;
  return (LOBES * Math.sin(angle) * Math.sin(angle / LOBES)) / (angle * angle);
}

/**
 * Samples of an axis of n native samples that a Lanczos resampling reads, and its weights; edges are repeated. Below
 * the native density the kernel is as wide as three pixels.
 * @returns {{start: number, size: number, taps: {first: Int32Array, weights: Float32Array, nTaps: number}}} `first` of
 *   taps counts from `start`
 */
export function lanczosAxis(n, begin, end, count) {
  const unit = (end - begin) / count;
  const stretch = Math.max(1, unit);
  const reach = LOBES * stretch;
  const nTaps = 2 * Math.ceil(reach) + 1;
  const first = new Int32Array(count);
  const weights = new Float32Array(count * nTaps);
  for (let i = 0; i < count; i++) {
    const centre = begin + (i + 0.5) * unit - 0.5;
    first[i] = Math.round(centre) - Math.ceil(reach);
    let sum = 0;
    for (let t = 0; t < nTaps; t++) sum += weights[i * nTaps + t] = lanczos((first[i] + t - centre) / stretch);
    for (let t = 0; t < nTaps; t++) weights[i * nTaps + t] /= sum;
  }
  const start = Math.min(Math.max(0, first[0]), n - 1);
  const stop = Math.max(Math.min(n, first[count - 1] + nTaps), start + 1);
  return { start, size: stop - start, taps: { first: first.map((place) => place - start), weights, nTaps } };
}

/** @returns {Float32Array} a plane [down.size, across.size] resampled along both axes */
export function lanczosResampled(plane, down, across) {
  const [height, width] = [down.taps.first.length, across.taps.first.length];
  const narrow = new Float32Array(down.size * width);
  for (let x = 0; x < width; x++) {
    for (let t = 0; t < across.taps.nTaps; t++) {
      const weight = across.taps.weights[x * across.taps.nTaps + t];
      const column = Math.min(Math.max(across.taps.first[x] + t, 0), across.size - 1);
      if (weight === 0) continue;
      for (let y = 0; y < down.size; y++) narrow[y * width + x] += weight * plane[y * across.size + column];
    }
  }
  const out = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let t = 0; t < down.taps.nTaps; t++) {
      const weight = down.taps.weights[y * down.taps.nTaps + t];
      const from = Math.min(Math.max(down.taps.first[y] + t, 0), down.size - 1) * width;
      if (weight !== 0) for (let x = 0; x < width; x++) out[y * width + x] += weight * narrow[from + x];
    }
  }
  return out;
}
