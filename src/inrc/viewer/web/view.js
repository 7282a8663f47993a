import { DecodeError, Kind } from "./errors.js";

/**
 * A region of the native picture, rendered at a number of pixels: {height, width, top, left, bottom, right}, the region
 * in native pixels, whose sides may lie between two pixels.
 */
export function makeView(height, width, top, left, bottom, right) {
  if (!(height >= 1 && width >= 1 && top < bottom && left < right)) {
    throw new DecodeError(Kind.LIMIT, `a view of ${width}x${height} pixels is empty; choose a larger part`);
  }
  return { height, width, top, left, bottom, right };
}

/** The part of a raster that shows the whole picture [rows, columns] at `raster` [height, width] pixels. */
export function tileView(shape, raster, { x, y, width, height }) {
  const [down, across] = [shape[0] / raster[0], shape[1] / raster[1]];
  return makeView(height, width, y * down, x * across, (y + height) * down, (x + width) * across);
}

/** The view of the transposed picture. */
export function transposedView({ height, width, top, left, bottom, right, coarse }) {
  return { ...makeView(width, height, left, top, right, bottom), coarse };
}

/** The upper and lower, or left and right, parts of a view, along the axis that covers more native pixels. */
export function halvesOf(view) {
  const { height, width, top, left, bottom, right } = view;
  if (height > 1 && (bottom - top >= right - left || width === 1)) {
    const n = height >> 1;
    const middle = top + ((bottom - top) * n) / height;
    return [makeView(n, width, top, left, middle, right), makeView(height - n, width, middle, left, bottom, right)];
  }
  const n = width >> 1;
  const middle = left + ((right - left) * n) / width;
  return [makeView(height, n, top, left, bottom, middle), makeView(height, width - n, top, middle, bottom, right)];
}
