const WHEEL_STEP = 0.0018;
const SETTLE_MILLISECONDS = 40;
const PIXELS_OF_MODE = [1, 16, 400];
const KEY_STEP = 80;

/**
 * Moves a viewport by pointers, wheel and keys.
 * @param {HTMLElement} stage
 * @param {import("./viewport.js").Viewport} viewport
 * @param {(delay: number) => void} onChange called with the milliseconds after which the view is worth rendering: while
 *   the scale changes nothing of a view is of use for the next
 */
export function followPointers(stage, viewport, onChange) {
  const density = () => window.devicePixelRatio || 1;
  const pointers = new Map();
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) * density(), (event.clientY - box.top) * density()];
  };
  const middle = (points) => [0, 1].map((axis) => points.reduce((sum, p) => sum + p[axis], 0) / points.length);
  const spread = (points) => Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]);

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * PIXELS_OF_MODE[event.deltaMode];
    // A pinch on a touch pad comes as a wheel with Ctrl and small steps.
    const factor = Math.exp(-pixels * WHEEL_STEP * (event.ctrlKey ? 6 : 1));
    viewport.zoomAt(factor, ...place(event));
    onChange(SETTLE_MILLISECONDS);
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 1 || event.target.closest("[data-no-pan]")) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    stage.classList.add("dragging");
  });
  stage.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = [...pointers.values()];
    pointers.set(event.pointerId, place(event));
    const after = [...pointers.values()];
    const [from, to] = [middle(before), middle(after)];
    viewport.pan(to[0] - from[0], to[1] - from[1]);
    const isPinch = after.length === 2;
    if (isPinch) viewport.zoomAt(spread(after) / Math.max(1, spread(before)), ...to);
    onChange(isPinch ? SETTLE_MILLISECONDS : 0);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (!pointers.size) stage.classList.remove("dragging");
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("dblclick", (event) => {
    if (event.target.closest("[data-no-pan]")) return;
    viewport.zoomAt(event.shiftKey ? 0.5 : 2, ...place(event));
    onChange(0);
  });
}

/** @returns {boolean} whether a key moved the viewport */
export function followKey(event, viewport) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const moves = {
    "+": () => viewport.step(1),
    "=": () => viewport.step(1),
    "-": () => viewport.step(-1),
    _: () => viewport.step(-1),
    0: () => viewport.fit(),
    1: () => viewport.native(),
    ArrowLeft: () => viewport.pan(KEY_STEP, 0),
    ArrowRight: () => viewport.pan(-KEY_STEP, 0),
    ArrowUp: () => viewport.pan(0, KEY_STEP),
    ArrowDown: () => viewport.pan(0, -KEY_STEP),
  };
  if (!(event.key in moves)) return false;
  moves[event.key]();
  return true;
}
