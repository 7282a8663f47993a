import { CoordinateRenderer } from "./coordinate_renderer.js";
import { Family } from "./header.js";
import { LatentRenderer } from "./latent_renderer.js";
import { tileView, transposedView } from "./view.js";

/** Renders views of one picture (FORMAT.md, sections 8 and 9). */
export class Renderer {
  /**
   * @param {object} model of `openFile`
   * @param {import("./kernels.js").Kernels} kernels
   */
  constructor(model, kernels) {
    this.header = model.header;
    const isGrid = model.header.network.family === Family.LATENT_GRID;
    this.network = isGrid ? new LatentRenderer(model, kernels) : new CoordinateRenderer(model, kernels);
  }

  /**
   * @param {object} view in pixels of the upright picture
   * @returns {Float32Array[]} planes [height, width] of values, one a channel, not all within [0, 1]
   */
  values(view) {
    if (!this.header.transposed) return this.network.values(view);
    const planes = this.network.values(transposedView(view));
    return planes.map((plane) => transposedPlane(plane, view.height, view.width));
  }

  /** @returns {Float32Array[]} planes of a picture of latent grids at the size of a level, from coarser grids alone */
  preview(level) {
    const { planes, height, width } = this.network.preview(level);
    return this.header.transposed ? planes.map((plane) => transposedPlane(plane, width, height)) : planes;
  }

  /** @returns {Uint8Array | Uint16Array} samples [height, width, channels] of the picture's bit depth */
  samples(view) {
    const { bitDepth, channels } = this.header;
    const largest = 2 ** bitDepth - 1;
    const planes = this.values(view);
    const out = new (bitDepth === 8 ? Uint8Array : Uint16Array)(planes[0].length * channels);
    planes.forEach((plane, c) => {
      for (let i = 0; i < plane.length; i++) out[i * channels + c] = sample(plane[i], largest);
    });
    return out;
  }

  /** The view of a tile {x, y, width, height} of a raster [height, width] that shows the whole picture. */
  tile(raster, tile) {
    return tileView([this.header.height, this.header.width], raster, tile);
  }
}

/** @returns {number} a sample: clipped, 0 for what is no number, and rounded with halves up */
function sample(value, largest) {
  return value > 0 ? Math.floor(Math.min(value, 1) * largest + 0.5) : 0;
}

/** @returns {Uint8ClampedArray} pixels of a canvas, red, green, blue and alpha of 8 bits, from planes of values */
export function canvasPixels(planes) {
  const n = planes[0].length;
  const out = new Uint8ClampedArray(4 * n);
  const hasAlpha = planes.length === 2 || planes.length === 4;
  const nColours = planes.length - Number(hasAlpha);
  for (let c = 0; c < 3; c++) {
    const plane = planes[Math.min(c, nColours - 1)];
    for (let i = 0; i < n; i++) out[4 * i + c] = sample(plane[i], 255);
  }
  const alpha = hasAlpha ? planes[nColours] : null;
  for (let i = 0; i < n; i++) out[4 * i + 3] = alpha ? sample(alpha[i], 255) : 255;
  return out;
}

function transposedPlane(plane, height, width) {
  const out = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[y * width + x] = plane[x * height + y];
  return out;
}
