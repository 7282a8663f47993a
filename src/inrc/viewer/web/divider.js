const KEY_STEP = 0.02;

/** The line between both sides: it is dragged, or moved by keys while it has the focus. */
export class Divider {
  /**
   * @param {HTMLElement} handle
   * @param {HTMLElement} stage
   * @param {() => void} onChange
   */
  constructor(handle, stage, onChange) {
    this.handle = handle;
    this.share = 0.5;
    this.onChange = onChange;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = stage.getBoundingClientRect();
      this.set((event.clientX - box.left) / box.width);
    });
    handle.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: this.share - KEY_STEP, ArrowRight: this.share + KEY_STEP, Home: 0, End: 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      this.set(moves[event.key]);
    });
  }

  set(share) {
    this.share = Math.min(Math.max(share, 0), 1);
    this.onChange();
  }

  /** @returns {[number, number]} where the part of the stage that shows a side begins and ends, from 0 to 1 */
  shareOf(side) {
    if (this.handle.hidden) return [0, 1];
    return side === "a" ? [0, this.share] : [this.share, 1];
  }

  /** Shows each side on its own part of the stage; all of it belongs to the left one where there is no other. */
  draw(left, right) {
    const isShared = !this.handle.hidden;
    const percent = 100 * this.share;
    left.style.clipPath = isShared ? `inset(0 ${100 - percent}% 0 0)` : "";
    right.style.clipPath = `inset(0 0 0 ${percent}%)`;
    this.handle.style.left = `${percent}%`;
    this.handle.setAttribute("aria-valuenow", String(Math.round(percent)));
  }
}
