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
    this.names = new Map();
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

  /**
   * Takes files that were dropped or chosen; the second of two, or a picture beside an open file, is compared.
   * @param {string} wanted the side that was asked for
   */
  async take(files, wanted = "a") {
    for (const file of files.filter(isInit)) await this.addInit(file);
    const pictures = files.filter((file) => !isInit(file)).sort((one, other) => isInr(other) - isInr(one));
    if (!pictures.length && this.waiting) pictures.push(this.waiting);
    const first = wanted === "a" && pictures.length && (isInr(pictures[0]) || !this.shown.has("a")) ? "a" : "b";
    await this.openAll(pictures.slice(0, first === "a" ? 2 : 1), first);
  }

  /** Opens files one after the other, the second on the right side; a second one needs a first. */
  async openAll(files, first = "a") {
    for (const [i, file] of files.entries()) {
      const side = i ? "b" : first;
      if (side === "b" && !this.shown.has("a")) return;
      await this.open(side, file);
    }
  }

  /** Opens an .inr file or a picture on a side. */
  async open(side, file) {
    if (side === "a") {
      this.token += 1;
      this.shown.clear();
    }
    const { token } = this;
    this.shown.delete(side);
    this.names.set(side, file.name);
    this.events.onChange();
    try {
      if (side === "a" && this.pool.isBusy) await this.pool.restart();
      const about = await openOn(this.pool, side, file, token);
      if (token !== this.token) return;
      const { layer } = this.get(side) ?? this.add(side, about.size, about.isFast);
      this.shown.set(side, { name: file.name, layer, isReady: true, ...about });
      if (about.model && !about.isFast) await this.showOverview(side, about);
      this.events.onChange();
    } catch (error) {
      if (token !== this.token) return;
      this.shown.delete(side);
      this.waiting = error.kind === "init" ? file : null;
      this.events.onChange();
      this.events.onError(error, file.name);
    }
  }

  /** Shows a small picture of the whole at once, for networks that take long for a pixel. */
  async showOverview(side, { model, size }) {
    const { layer } = this.get(side);
    layer.setWork(model.params);
    const { width, height, pixels } = await overviewOf(this.pool, side, size, layer.millisecondsPerPixel);
    layer.setOverview(width, height, pixels);
  }

  add(side, size, isFast) {
    const canvas = document.getElementById(`canvas-${side}`);
    const layer = new Layer(canvas, side, { nativeWidth: size[1], isFast });
    const about = { name: this.names.get(side), size, layer, isReady: false };
    this.shown.set(side, about);
    if (side === "a") this.events.onSize(size[1], size[0]);
    return about;
  }

  /** Shows what a worker has decoded so far. */
  preview({ preview, side, token, size }) {
    const shown = this.get(side);
    if (token !== this.token || (shown && shown.isReady)) return;
    const { layer } = shown ?? this.add(side, size, true);
    layer.setOverview(preview.width, preview.height, preview.pixels);
    if (shown) this.events.onDraw();
    else this.events.onChange();
  }

  async addInit({ name, data }) {
    try {
      await this.pool.addInit(data);
    } catch (error) {
      this.events.onError(error, name);
    }
  }
}
