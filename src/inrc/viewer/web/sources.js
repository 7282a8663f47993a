import { openFile } from "./file.js";
import { Kernels } from "./kernels.js";
import { lanczosAxis, lanczosResampled } from "./lanczos.js";
import { Renderer, canvasPixels } from "./render.js";
import { makeView, tileView } from "./view.js";

const PREVIEW_SAMPLES = [1 << 10, 1 << 18];

/** What the page shows on one side: an .inr file, or a picture that the browser has decoded. */
export class Source {
  /** @param {number[]} size [height, width] in native pixels */
  constructor(size) {
    this.size = size;
  }

  /**
   * Pixels of a canvas, of a tile {x, y, width, height} of a raster [height, width] that shows the whole picture.
   * @param {string} mode "network", or "lanczos" for the native pixels resampled
   * @param {boolean} coarse whether speed counts for more than the mean over a pixel
   * @returns {Uint8ClampedArray}
   */
  tile(raster, tile, mode, coarse) {
    const view = tileView(this.size, raster, tile);
    return canvasPixels(mode === "lanczos" ? this.resampled(view) : this.values({ ...view, coarse }));
  }

  /** The native pixels, rounded as files of pictures hold them, resampled by Lanczos' kernel. */
  resampled(view) {
    const down = lanczosAxis(this.size[0], view.top, view.bottom, view.height);
    const across = lanczosAxis(this.size[1], view.left, view.right, view.width);
    const [bottom, right] = [down.start + down.size, across.start + across.size];
    const native = this.values(makeView(down.size, across.size, down.start, across.start, bottom, right));
    return native.map((plane) => lanczosResampled(this.rounded(plane), down, across));
  }
}

/** An .inr file. */
export class NetworkSource extends Source {
  /** @param {object} model of `openFile` */
  constructor(model) {
    super([model.header.height, model.header.width]);
    this.largest = 2 ** model.header.bitDepth - 1;
    this.renderer = new Renderer(model, new Kernels());
  }

  values(view) {
    return this.renderer.values(view);
  }

  rounded(plane) {
    return plane.map((value) => (value > 0 ? Math.floor(Math.min(value, 1) * this.largest + 0.5) / this.largest : 0));
  }
}

/** A picture of the browser: its pixels are all that there is, so that both modes resample them. */
export class PictureSource extends Source {
  /** @param {Uint8ClampedArray} pixels red, green, blue, alpha */
  constructor(size, pixels) {
    super(size);
    this.pixels = pixels;
    this.isOpaque = true;
    for (let i = 3; i < pixels.length; i += 4) this.isOpaque &&= pixels[i] === 255;
  }

  tile(raster, tile) {
    return super.tile(raster, tile, "lanczos", false);
  }

  values({ height, width, top, left }) {
    const planes = Array.from({ length: this.isOpaque ? 3 : 4 }, () => new Float32Array(height * width));
    planes.forEach((plane, c) => {
      for (let y = 0; y < height; y++) {
        let from = 4 * ((top + y) * this.size[1] + left) + c;
        for (let x = 0; x < width; x++, from += 4) plane[y * width + x] = this.pixels[from] / 255;
      }
    });
    return planes;
  }

  rounded(plane) {
    return plane;
  }
}

/**
 * Opens an .inr file and shows what is decoded of it on the way.
 * @param {Uint8Array} data
 * @param {object[]} inits of `readInit`
 * @param {(preview: object, size: number[]) => void} onPreview called with {height, width, pixels} and the native size
 * @returns {Promise<object>} the model
 */
export function openWithPreviews(data, inits, onPreview) {
  const kernels = new Kernels();
  const previewKernels = new Kernels();
  return openFile(data, {
    inits,
    kernels,
    onGrid: (model) => {
      const { level, hyper, height, width } = model.grids[model.grids.length - 1];
      const n = height * width;
      if (hyper || level === 0 || n < PREVIEW_SAMPLES[0] || n > PREVIEW_SAMPLES[1]) return;
      const mark = previewKernels.mark();
      const { header } = model;
      const planes = new Renderer(model, previewKernels).preview(level);
      previewKernels.release(mark);
      const [rows, columns] = header.transposed ? [width, height] : [height, width];
      const pixels = canvasPixels([lightness(planes)]);
      onPreview({ height: rows, width: columns, pixels }, [header.height, header.width]);
    },
  });
}

/** The mean of the colours: without the finest grids colours are far from right, but shapes are not. */
function lightness(planes) {
  const colours = planes.length > 2 ? planes.slice(0, 3) : planes.slice(0, 1);
  return colours[0].map((_, i) => colours.reduce((sum, plane) => sum + plane[i], 0) / colours.length);
}
