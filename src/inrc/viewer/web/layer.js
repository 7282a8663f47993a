const CACHED_PIXELS = 1 << 25;
const SLOW_MILLISECONDS = 400;
const COARSER = 4;
const MILLISECONDS_PER_WEIGHT = 1.6e-7;
const TILE_MILLISECONDS = 400;

/** One side of the page: a canvas as large as the stage, with tiles that workers have rendered. */
export class Layer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {string} side "a" or "b"
   * @param {{nativeWidth: number, isFast: boolean}} source isFast: whether a view takes well below a second
   */
  constructor(canvas, side, { nativeWidth, isFast }) {
    this.canvas = canvas;
    this.side = side;
    this.nativeWidth = nativeWidth;
    this.isFast = isFast;
    this.context = canvas.getContext("2d");
    this.tiles = new Map();
    this.overview = null;
    this.snapshot = null;
    this.coarse = null;
    this.raster = null;
    this.grid = null;
    this.drawnRaster = null;
    this.mode = "network";
    this.millisecondsPerPixel = 3e-4;
    this.tileSize = 256;
  }

  /** Makes tiles smaller where the network has so many weights that one would take long. */
  setWork(params) {
    let nWeights = 0;
    for (const { name, values } of params.values()) if (!name.startsWith("table_")) nWeights += values.length;
    this.millisecondsPerPixel = MILLISECONDS_PER_WEIGHT * nWeights;
    while (this.tileSize > 32 && this.tileSize ** 2 * this.millisecondsPerPixel > TILE_MILLISECONDS) this.tileSize /= 2;
  }

  /** Shows a picture of the whole, of any size, where there is nothing sharper yet. */
  setOverview(width, height, pixels) {
    this.overview = drawn(width, height, pixels);
  }

  /**
   * Follows the viewport; what was drawn so far is kept to be stretched until new tiles come.
   * @param {[number, number]} share where the part of the stage that shows this side begins and ends, from 0 to 1
   */
  setView(raster, stage, mode, share) {
    this.share = share;
    const { canvas } = this;
    const old = this.raster;
    if (old && mode === this.mode && !isOfSize(old, raster) && this.isSharp) this.keepSnapshot();
    if (mode !== this.mode) this.snapshot = null;
    if (!old || !isOfSize(old, raster)) this.grid = this.gridFor(raster, stage);
    this.raster = raster;
    this.mode = mode;
    if (canvas.width !== stage.width || canvas.height !== stage.height) {
      canvas.width = stage.width;
      canvas.height = stage.height;
    }
  }

  /** Tiles for a raster: they fill what the stage shows at first, so that little is rendered beyond it. */
  gridFor(raster, stage) {
    const size = this.isFast && raster.width > 4 * this.nativeWidth ? 2 * this.tileSize : this.tileSize;
    const [x, width] = divided(shownPart(raster.x, raster.width, stage.width), size);
    const [y, height] = divided(shownPart(raster.y, raster.height, stage.height), size);
    return { x, y, width, height };
  }

  keepSnapshot() {
    const { canvas, raster } = this;
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    copy.getContext("2d").drawImage(canvas, 0, 0);
    const covers = raster.x >= 0 && raster.y >= 0;
    const isWhole = covers && raster.x + raster.width <= canvas.width && raster.y + raster.height <= canvas.height;
    this.snapshot = { canvas: copy, raster };
    const isLarger = !this.overview || raster.width > this.overview.width;
    if (isWhole && isLarger && this.mode === "network") this.overview = part(copy, raster);
  }

  /** Tiles of the raster on the stage, the nearest to its middle first; `isVisible` on this side's part of it. */
  tilesOnStage() {
    const { raster, canvas, share, grid } = this;
    const columns = indices(grid.x, grid.width, shownPart(raster.x, raster.width, canvas.width));
    const rows = indices(grid.y, grid.height, shownPart(raster.y, raster.height, canvas.height));
    const tiles = [];
    for (const row of rows) {
      for (const column of columns) {
        const [x, width] = cut(grid.x + column * grid.width, grid.width, raster.width);
        const [y, height] = cut(grid.y + row * grid.height, grid.height, raster.height);
        const key = `${this.mode} ${raster.width}x${raster.height} ${x},${y},${width},${height}`;
        const dx = raster.x + x + width / 2 - canvas.width / 2;
        const dy = raster.y + y + height / 2 - canvas.height / 2;
        const isVisible = raster.x + x < share[1] * canvas.width && raster.x + x + width > share[0] * canvas.width;
        tiles.push({ key, x, y, width, height, isVisible, distance: Math.hypot(dx, dy) });
      }
    }
    return tiles.sort((a, b) => a.distance - b.distance);
  }

  /**
   * Requests for the tiles that are missing, for `Pool.replace`; where the visible ones would take long, first one for
   * all of them at a quarter of the density.
   * @param {() => void} onChange called when a tile has come
   * @param {() => void} onDraw called when all is to be drawn again
   * @returns {{visible: object[], hidden: object[]}}
   */
  requests(onChange, onDraw) {
    const missing = this.tilesOnStage().filter(({ key }) => !this.tiles.has(key));
    const [seen, unseen] = [true, false].map((isVisible) => missing.filter((tile) => tile.isVisible === isVisible));
    const [visible, hidden] = [seen, unseen].map((tiles) => tiles.map((tile) => this.tileRequest(tile, onChange)));
    const nPixels = seen.reduce((sum, { width, height }) => sum + width * height, 0);
    const isSlow = nPixels * this.millisecondsPerPixel > SLOW_MILLISECONDS && this.mode === "network";
    if (isSlow && !this.isFast) visible.unshift(this.coarseRequest(seen, onDraw));
    return { visible, hidden };
  }

  tileRequest({ key, x, y, width, height }, onChange) {
    const { side, raster, mode } = this;
    return {
      request: { type: "tile", side, raster: [raster.height, raster.width], tile: { x, y, width, height }, mode },
      done: (answer) => {
        if (!answer) return;
        this.millisecondsPerPixel += 0.3 * (answer.milliseconds / (width * height) - this.millisecondsPerPixel);
        this.keep(key, width, height, answer.pixels);
        // A tile of the view that is on the stage is added to it; all else waits for the next time that all is drawn.
        if (this.mode === mode && isOfSize(this.raster, raster)) this.drawTile(this.tiles.get(key), x, y);
        onChange();
      },
    };
  }

  coarseRequest(missing, onDraw) {
    const { side, raster, mode } = this;
    const edges = (start, length) => [
      Math.floor(Math.min(...missing.map(start)) / COARSER),
      Math.max(...missing.map((tile) => Math.ceil((start(tile) + length(tile)) / COARSER))),
    ];
    const size = [Math.ceil(raster.height / COARSER), Math.ceil(raster.width / COARSER)];
    const [left, right] = edges(({ x }) => x, ({ width }) => width);
    const [top, bottom] = edges(({ y }) => y, ({ height }) => height);
    const tile = { x: left, y: top, width: Math.min(right, size[1]) - left, height: Math.min(bottom, size[0]) - top };
    return {
      request: { type: "tile", side, raster: size, tile, mode, coarse: true },
      done: (answer) => {
        if (!answer || raster.width !== this.raster.width || this.mode !== mode) return;
        const canvas = drawn(tile.width, tile.height, answer.pixels);
        const [down, across] = [raster.height / size[0], raster.width / size[1]];
        const place = { x: left * across, y: top * down, width: tile.width * across, height: tile.height * down };
        this.coarse = { canvas, place, width: raster.width, height: raster.height };
        onDraw();
      },
    };
  }

  keep(key, width, height, pixels) {
    this.tiles.set(key, drawn(width, height, pixels));
    let total = 0;
    for (const canvas of this.tiles.values()) total += canvas.width * canvas.height;
    for (const [oldest, canvas] of this.tiles) {
      if (total <= CACHED_PIXELS) break;
      total -= canvas.width * canvas.height;
      this.tiles.delete(oldest);
    }
  }

  /** Draws what there is: the whole picture stretched, what was sharp before, a coarse view, and the tiles. */
  draw() {
    const { context, canvas, raster, overview, snapshot, coarse } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const tiles = this.tilesOnStage();
    const found = tiles.map(({ key }) => this.tiles.get(key));
    if (!found.every(Boolean)) {
      if (overview) context.drawImage(overview, raster.x, raster.y, raster.width, raster.height);
      if (snapshot) this.drawSnapshot(snapshot);
      if (coarse && isOfSize(coarse, raster)) {
        const { x, y, width, height } = coarse.place;
        replaced(context, coarse.canvas, raster.x + x, raster.y + y, width, height);
      }
    }
    tiles.forEach(({ x, y }, i) => found[i] && this.drawTile(found[i], x, y));
    this.drawnRaster = raster;
  }

  drawTile(tile, x, y) {
    replaced(this.context, tile, this.raster.x + x, this.raster.y + y, tile.width, tile.height);
  }

  /** Whether all that is visible is drawn from its own tiles. */
  get isSharp() {
    const isDrawn = this.raster !== null && this.drawnRaster === this.raster;
    return isDrawn && this.tilesOnStage().every(({ key, isVisible }) => !isVisible || this.tiles.has(key));
  }

  drawSnapshot({ canvas, raster: old }) {
    const { raster, context } = this;
    const [across, down] = [raster.width / old.width, raster.height / old.height];
    const [x0, y0] = [Math.max(0, old.x), Math.max(0, old.y)];
    const [x1, y1] = [Math.min(canvas.width, old.x + old.width), Math.min(canvas.height, old.y + old.height)];
    if (x1 <= x0 || y1 <= y0) return;
    const [x, y] = [raster.x + (x0 - old.x) * across, raster.y + (y0 - old.y) * down];
    context.drawImage(canvas, x0, y0, x1 - x0, y1 - y0, x, y, (x1 - x0) * across, (y1 - y0) * down);
  }
}

/** @returns {[number, number]} where the part of a raster that a stage shows begins and ends, on the raster */
function shownPart(start, length, stageLength) {
  return [Math.max(0, -start), Math.min(length, stageLength - start)];
}

/** @returns {[number, number]} the beginning and the length of equal tiles, up to `size`, that fill a part */
function divided([begin, end], size) {
  const length = Math.max(1, end - begin);
  return [begin, Math.ceil(length / Math.ceil(length / size))];
}

/** Numbers of the tiles of an axis that a part touches; those before the origin are negative. */
function indices(origin, size, [begin, end]) {
  const first = Math.floor((begin - origin) / size);
  const n = Math.max(0, Math.ceil((end - origin) / size) - first);
  return Array.from({ length: n }, (_, i) => first + i);
}

/** @returns {[number, number]} the beginning and length of a tile, within a raster */
function cut(begin, size, length) {
  const start = Math.max(0, begin);
  return [start, Math.min(length, begin + size) - start];
}

function isOfSize(one, other) {
  return one.width === other.width && one.height === other.height;
}

/** Draws over what is there, transparent parts included. */
function replaced(context, canvas, x, y, width, height) {
  context.clearRect(x, y, width, height);
  context.drawImage(canvas, x, y, width, height);
}

function drawn(width, height, pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas;
}

function part(canvas, { x, y, width, height }) {
  const copy = document.createElement("canvas");
  copy.width = width;
  copy.height = height;
  copy.getContext("2d").drawImage(canvas, -x, -y);
  return copy;
}
