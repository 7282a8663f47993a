import { finerOf, resampled, resampling } from "./resample.js";
import { Synthesis } from "./synthesis.js";
import { upsampled } from "./upsampling.js";
import { halvesOf } from "./view.js";

const CUBIC_REACH = 2;
const MAX_SAMPLES = 1 << 18;

/**
 * Renders pictures of latent grids at any size (as `models/latent_grid/render.py`).
 *
 * A raster n times as fine as the native one consists of n^2 rasters of native density, each shifted by a fraction of a
 * pixel: a cubic kernel moves the features, and the same synthesis turns them into values. Other rasters are resampled
 * from the next finer multiple.
 */
export class LatentRenderer {
  /**
   * @param {object} model of `openFile`
   * @param {import("./kernels.js").Kernels} kernels
   */
  constructor({ header, shape, params, grids }, kernels) {
    this.header = header;
    this.shape = shape;
    this.params = params;
    this.grids = [];
    for (const grid of grids) if (!grid.hyper) this.grids[grid.level] = grid;
    this.kernels = kernels;
    this.synthesis = new Synthesis(header, params, kernels);
  }

  /**
   * @param {object} view of the picture as the network sees it
   * @returns {Float32Array[]} planes [height, width] of unit values, one a channel
   */
  values(view) {
    const units = [(view.bottom - view.top) / view.height, (view.right - view.left) / view.width];
    const finer = units.map(finerOf);
    const nSamples = (view.bottom - view.top) * (view.right - view.left) * finer[0] * finer[1];
    if (nSamples > MAX_SAMPLES && view.height * view.width > 1) return joined(view, halvesOf(view), this);
    const down = this.axis(this.shape[0], view.top, units[0], view.height, finer[0]);
    const across = this.axis(this.shape[1], view.left, units[1], view.width, finer[1]);
    const planes = this.samples(down, across);
    const [rows, columns] = [down.size * down.finer, across.size * across.finer];
    return planes.map((plane) => resampled(plane, rows, columns, down.taps, across.taps));
  }

  /** The picture at the size of a level, while finer grids are not known and taken as 0. */
  preview(level) {
    const { kernels, synthesis, header } = this;
    const { height, width } = this.grids[level];
    const mark = kernels.mark();
    const features = upsampled(header.network, this.params, this.grids, { y: 0, x: 0, height, width }, level);
    const nothing = new Float32Array(height * width);
    synthesis.begin(features.map((plane) => plane ?? nothing), height, width);
    const placeOf = synthesis.run(null, null);
    const planes = Array.from({ length: header.channels }, (_, c) => {
      const plane = new Float32Array(height * width);
      for (let y = 0; y < height; y++) {
        const from = placeOf(c) + synthesis.start + y * synthesis.stride + 2;
        plane.set(kernels.heap.subarray(from, from + width), y * width);
      }
      return plane;
    });
    kernels.release(mark);
    return { planes, height, width };
  }

  /** The part of an axis that n pixels from native sample `first` on need, and the resampling that gives them. */
  axis(length, first, unit, n, finer) {
    const reach = this.header.network.nResidual + 1;
    const start = Math.max(0, Math.floor(first) - reach);
    const end = Math.min(length, Math.ceil(first + unit * n) + reach);
    const featureStart = Math.max(0, start - CUBIC_REACH);
    const featureEnd = Math.min(length, end + CUBIC_REACH);
    const size = end - start;
    const taps = resampling(first - start, unit, n, finer, size * finer);
    return { start, size, featureStart, featureSize: featureEnd - featureStart, finer, taps };
  }

  /** Unit values of a part, finer than the native raster, clipped to [0, 1]. */
  samples(down, across) {
    const { kernels, synthesis, header } = this;
    const mark = kernels.mark();
    const window = {
      y: down.featureStart,
      x: across.featureStart,
      height: down.featureSize,
      width: across.featureSize,
    };
    const features = upsampled(header.network, this.params, this.grids, window);
    synthesis.begin(features, window.height, window.width);
    const columns = across.size * across.finer;
    const planes = Array.from({ length: header.channels }, () => new Float32Array(down.size * down.finer * columns));
    const rowShifts = shiftKernels(down.finer);
    const columnShifts = shiftKernels(across.finer);
    const corner = synthesis.start + 2 + (down.start - window.y) * synthesis.stride + across.start - window.x;
    rowShifts.forEach((rowTaps, i) => {
      columnShifts.forEach((columnTaps, j) => {
        const placeOf = synthesis.run(rowTaps, columnTaps);
        planes.forEach((plane, c) => {
          const { heap } = kernels;
          for (let y = 0; y < down.size; y++) {
            let from = placeOf(c) + corner + y * synthesis.stride;
            let to = (y * down.finer + i) * columns + j;
            for (let x = 0; x < across.size; x++, from++, to += across.finer) {
              const value = heap[from];
              plane[to] = value < 0 ? 0 : value > 1 ? 1 : value;
            }
          }
        });
      });
    });
    kernels.release(mark);
    return planes;
  }
}

/** Keys' cubic kernel with a = -3/4 (Keys, 1981) for each shift of a finer raster; null for none. */
function shiftKernels(finer) {
  if (finer === 1) return [null];
  return Array.from({ length: finer }, (_, i) =>
    Float32Array.from({ length: 2 * CUBIC_REACH + 1 }, (_, t) => {
      const d = Math.abs((i + 0.5) / finer - 0.5 - (t - CUBIC_REACH));
      if (d < 1) return (1.25 * d - 2.25) * d * d + 1;
      return d < 2 ? -0.75 * (((d - 5) * d + 8) * d - 4) : 0;
    }),
  );
}

/** The values of a view from those of its two parts. */
function joined(view, [first, second], renderer) {
  const parts = [first, second].map((part) => renderer.values(part));
  return parts[0].map((plane, c) => {
    const out = new Float32Array(view.height * view.width);
    if (first.width === view.width) {
      out.set(plane);
      out.set(parts[1][c], plane.length);
      return out;
    }
    for (let y = 0; y < view.height; y++) {
      out.set(plane.subarray(y * first.width, (y + 1) * first.width), y * view.width);
      out.set(parts[1][c].subarray(y * second.width, (y + 1) * second.width), y * view.width + first.width);
    }
    return out;
  });
}
