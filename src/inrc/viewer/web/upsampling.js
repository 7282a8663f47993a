const KERNEL = [-9 / 256, 67 / 256, 225 / 256, -27 / 256];
const DOUBLING_REACH = 2;
const REFINEMENT_REACH = 3;

/** A part of a grid: {y, x, height, width} of a raster of `rows` x `columns`. */
function part(y0, y1, x0, x1, rows, columns) {
  const [top, left] = [Math.max(0, y0), Math.max(0, x0)];
  return {
    y: top,
    x: left,
    height: Math.min(rows, y1) - top,
    width: Math.min(columns, x1) - left,
    rows,
    columns,
  };
}

/**
 * Features of a part of a picture: all latent grids at the resolution of level `finest` (FORMAT.md, section 8).
 * @param {object} network fields of the header
 * @param {Map<string, object>} params
 * @param {object[]} grids latent grids without hyper grids, by level
 * @param {{y: number, x: number, height: number, width: number}} window in samples of level `finest`
 * @param {number} finest grids of finer levels are taken as 0
 * @returns {Float32Array[]} a plane [height, width] for every level; null for finer ones
 */
export function upsampled(network, params, grids, window, finest = 0) {
  const parts = [];
  for (let k = finest; k < network.nGrids; k++) {
    const { height, width } = grids[k];
    const finer = parts[k - 1];
    const reach = DOUBLING_REACH;
    parts[k] = finer
      ? part(
          (finer.y >> 1) - reach,
          ((finer.y + finer.height - 1) >> 1) + reach + 1,
          (finer.x >> 1) - reach,
          ((finer.x + finer.width - 1) >> 1) + reach + 1,
          height,
          width,
        )
      : { ...window, rows: height, columns: width };
  }
  const planes = new Array(network.nGrids).fill(null);
  for (let k = network.nGrids - 1; k >= finest; k--) {
    const isCoarsest = k === network.nGrids - 1;
    if (!isCoarsest) {
      const own = params.get("upsampling").values.subarray(4 * k, 4 * k + 4);
      const weights = KERNEL.map((weight, i) => weight + own[i]);
      for (let j = k + 1; j < network.nGrids; j++) planes[j] = doubled(planes[j], parts[k + 1], parts[k], weights);
    }
    const refinement = isCoarsest || !network.refinement ? null : params.get("refinement").values;
    const half = refinement && [1, 0, 0, 0].map((weight, i) => weight + refinement[4 * k + i]);
    planes[k] = half ? refined(grids[k], parts[k], half) : valuesIn(grids[k], parts[k], 0);
  }
  return planes;
}

/** The values of a grid in a part, and in `margin` samples around it; 0 outside of the grid. */
function valuesIn(grid, { y, x, height, width }, margin) {
  const outWidth = width + 2 * margin;
  const out = new Float32Array((height + 2 * margin) * outWidth);
  const [left, right] = [Math.max(0, x - margin), Math.min(grid.width, x + width + margin)];
  for (let row = Math.max(0, y - margin); row < Math.min(grid.height, y + height + margin); row++) {
    const from = row * grid.width;
    out.set(grid.values.subarray(from + left, from + right), (row - y + margin) * outWidth + left - x + margin);
  }
  return out;
}

/** The latents of a part, filtered symmetrically along both axes with zeros outside of the grid. */
function refined(grid, { y, x, height, width }, [h0, h1, h2, h3]) {
  const reach = REFINEMENT_REACH;
  const wide = valuesIn(grid, { y, x, height, width }, reach);
  const wideWidth = width + 2 * reach;
  const wideHeight = height + 2 * reach;
  const middle = new Float32Array(wideHeight * width);
  for (let row = 0; row < wideHeight; row++) {
    let from = row * wideWidth + reach;
    for (let to = row * width; to < (row + 1) * width; to++, from++) {
      middle[to] =
        h0 * wide[from] +
        h1 * (wide[from - 1] + wide[from + 1]) +
        h2 * (wide[from - 2] + wide[from + 2]) +
        h3 * (wide[from - 3] + wide[from + 3]);
    }
  }
  const out = new Float32Array(height * width);
  const [one, two, three] = [width, 2 * width, 3 * width];
  for (let to = 0, from = three; to < out.length; to++, from++) {
    out[to] =
      h0 * middle[from] +
      h1 * (middle[from - one] + middle[from + one]) +
      h2 * (middle[from - two] + middle[from + two]) +
      h3 * (middle[from - three] + middle[from + three]);
  }
  return out;
}

/** A plane of a part of level k + 1 at twice the resolution, in a part of level k; edges of the grid are repeated. */
function doubled(plane, source, target, weights) {
  const { height, width } = target;
  const middle = doubledColumns(plane, source, target, weights);
  const [w0, w1, w2, w3] = weights;
  const out = new Float32Array(height * width);
  for (let row = 0; row < height; row++) {
    const y = target.y + row;
    const m = y >> 1;
    const isOdd = y & 1;
    const from = (i) => (Math.min(Math.max(m + i, 0), source.rows - 1) - source.y) * width;
    const [a, b, c, d] = isOdd ? [from(2), from(1), from(0), from(-1)] : [from(-2), from(-1), from(0), from(1)];
    const to = row * width;
    for (let x = 0; x < width; x++) {
      out[to + x] = w0 * middle[a + x] + w1 * middle[b + x] + w2 * middle[c + x] + w3 * middle[d + x];
    }
  }
  return out;
}

function doubledColumns(plane, source, target, [w0, w1, w2, w3]) {
  const { width } = target;
  const firstSource = (target.x >> 1) - DOUBLING_REACH;
  const n = ((target.x + width - 1) >> 1) + DOUBLING_REACH + 1 - firstSource;
  const indices = Int32Array.from({ length: n }, (_, i) => {
    return Math.min(Math.max(firstSource + i, 0), source.columns - 1) - source.x;
  });
  const line = new Float32Array(n);
  const out = new Float32Array(source.height * width);
  const odd = target.x & 1;
  for (let row = 0; row < source.height; row++) {
    const start = row * source.width;
    for (let i = 0; i < n; i++) line[i] = plane[start + indices[i]];
    const to = row * width;
    for (let x = odd, i = DOUBLING_REACH + odd; x < width; x += 2, i++) {
      out[to + x] = w0 * line[i - 2] + w1 * line[i - 1] + w2 * line[i] + w3 * line[i + 1];
    }
    for (let x = 1 - odd, i = DOUBLING_REACH; x < width; x += 2, i++) {
      out[to + x] = w3 * line[i - 1] + w2 * line[i] + w1 * line[i + 1] + w0 * line[i + 2];
    }
  }
  return out;
}
