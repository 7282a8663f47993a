const LARGEST_SCALE = 8192;
const MARGIN = 0.04;

/**
 * Which part of the picture the page shows: `scale` is device pixels per native pixel, `centre` [x, y] the native point
 * in the middle of the stage. Rasters have whole numbers of pixels and begin at whole pixels of the stage.
 */
export class Viewport {
  constructor() {
    this.picture = { width: 1, height: 1 };
    this.stage = { width: 1, height: 1 };
    this.scale = 1;
    this.centre = [0.5, 0.5];
    this.isFitted = true;
  }

  setPicture(width, height) {
    this.picture = { width, height };
    this.fit();
  }

  setStage(width, height) {
    this.stage = { width: Math.max(1, width), height: Math.max(1, height) };
    if (this.isFitted) this.fit();
  }

  get fitScale() {
    const { picture, stage } = this;
    const room = 1 - 2 * MARGIN;
    return Math.min((stage.width * room) / picture.width, (stage.height * room) / picture.height);
  }

  fit() {
    this.scale = this.fitScale;
    this.centre = [this.picture.width / 2, this.picture.height / 2];
    this.isFitted = true;
  }

  native() {
    this.zoomAt(1 / this.scale, this.stage.width / 2, this.stage.height / 2);
  }

  /** Zooms around the middle to the next (1) or the former (-1) of the scales ..., 1/2, 3/4, 1, 1.5, 2, 3, 4, 6, ... */
  step(direction) {
    const rung = (i) => 2 ** Math.floor(i / 2) * (i & 1 ? 1.5 : 1);
    const octave = Math.floor(Math.log2(this.scale));
    let i = direction > 0 ? 2 * octave : 2 * octave + 2;
    const isBeyond = (scale) => (scale / this.scale - 1) * direction > 1e-6;
    while (!isBeyond(rung(i))) i += direction;
    this.zoomAt(rung(i) / this.scale, this.stage.width / 2, this.stage.height / 2);
  }

  /** Zooms by a factor and keeps the native point under the stage's pixel (x, y) where it is. */
  zoomAt(factor, x, y) {
    const { width, height } = this.stage;
    const smallest = Math.min(this.fitScale, 1) / 8;
    const scale = Math.min(Math.max(this.scale * factor, smallest), LARGEST_SCALE);
    const [dx, dy] = [x - width / 2, y - height / 2];
    const change = 1 / this.scale - 1 / scale;
    this.centre = [this.centre[0] + dx * change, this.centre[1] + dy * change];
    this.scale = scale;
    this.isFitted = false;
    this.clamp();
  }

  /** Moves the picture by pixels of the stage. */
  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] - dy / this.scale];
    this.isFitted = false;
    this.clamp();
  }

  clamp() {
    const { width, height } = this.picture;
    this.centre = [Math.min(Math.max(this.centre[0], 0), width), Math.min(Math.max(this.centre[1], 0), height)];
  }

  /** @returns {{width: number, height: number, x: number, y: number}} the raster of the whole picture, on the stage */
  get raster() {
    const { picture, stage, scale, centre } = this;
    return {
      width: Math.max(1, Math.round(picture.width * scale)),
      height: Math.max(1, Math.round(picture.height * scale)),
      x: Math.round(stage.width / 2 - centre[0] * scale),
      y: Math.round(stage.height / 2 - centre[1] * scale),
    };
  }
}
