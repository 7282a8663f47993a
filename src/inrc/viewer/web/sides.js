import { Layer } from "./layer.js";
import { isInit, isInr, openOn, overviewOf } from "./opening.js";

/** What is shown on both sides of the page, "a" and "b": files, how they were opened, and their layers. */
export class Sides {
  /**
   * @param {import("./pool.js").Pool} pool
   * @param {object} events onSize(width, height) of side a, onChange(), onDraw(), onError(error, name)
   */
  constructor(pool, events) {
    this.pool = pool;
    this.events = events;
    this.shown = new Map();
    this.token = 0;
    this.waiting = null;
  }

  get(side) {
    return this.shown.get(side);
  }

  /** Layers of files that are decoded, or of which there is a preview. */
  get layers() {
    return [...this.shown.values()].map(({ layer }) => layer);
  }

  get ready() {
    return [...this.shown.values()].filter(({ isReady }) => isReady);
  }

  /** Takes files that were dropped or chosen; the second of two, or a picture beside an open file, is compared. */
  async take(files, wanted = "a") {
    for (const file of files.filter(isInit)) await this.addInit(file);
    const pictures = files.filter((file) => !isInit(file)).sort((one, other) => isInr(other) - isInr(one));
    if (!pictures.length && this.waiting) pictures.push(this.waiting.file);
    let side = wanted;
    for (const file of pictures.slice(0, 2)) {
      if (side === "a" && !isInr(file) && this.shown.has("a")) side = "b";
      await this.open(side, file);
      side = "b";
    }
  }

  /** Opens an .inr file or a picture on a side. */
  async open(side, file) {
    if (side === "a") {
      this.token += 1;
      this.shown.clear();
    }
    this.shown.delete(side);
    const { token } = this;
    this.events.onChange();
    try {
      const about = await openOn(this.pool, side, file, token);
      if (token !== this.token) return;
      const { layer } = this.get(side) ?? this.add(side, file.name, about.size, about.isLatent);
      this.shown.set(side, { name: file.name, layer, isReady: true, ...about });
      if (about.model && !about.isLatent) {
        const { width, height, pixels } = await overviewOf(this.pool, side, about.size);
        layer.setOverview(width, height, pixels);
      }
    } catch (error) {
      if (token !== this.token) return;
      this.shown.delete(side);
      this.waiting = error.kind === "init" ? { file } : null;
      this.events.onError(error, file.name);
    }
    this.events.onChange();
  }

  add(side, name, size, isLatent) {
    const canvas = document.getElementById(`canvas-${side}`);
    const about = { name, size, layer: new Layer(canvas, side, { nativeWidth: size[1], isLatent }), isReady: false };
    this.shown.set(side, about);
    if (side === "a") this.events.onSize(size[1], size[0]);
    return about;
  }

  /** Shows what a worker has decoded so far. */
  preview({ preview, side, token, size }) {
    const shown = this.get(side);
    if (token !== this.token || (shown && shown.isReady)) return;
    const { layer } = shown ?? this.add(side, "", size, true);
    layer.setOverview(preview.width, preview.height, preview.pixels);
    this.events.onDraw();
  }

  async addInit({ name, data }) {
    try {
      await this.pool.broadcast({ type: "init", data });
    } catch (error) {
      this.events.onError(error, name);
    }
  }
}
