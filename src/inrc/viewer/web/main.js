import { showDetails } from "./details.js";
import { Divider } from "./divider.js";
import { followKey, followPointers } from "./gestures.js";
import { readFiles } from "./opening.js";
import { Pool } from "./pool.js";
import { Sides } from "./sides.js";
import { Viewport } from "./viewport.js";

const HEADLINES = {
  "not-inr": "This is no .inr file",
  unsupported: "This file needs a newer viewer",
  truncated: "The file is not complete",
  corrupt: "The file is damaged",
  limit: "The file asks for too much",
  init: "A shared init is missing",
  picture: "The picture cannot be shown",
  browser: "The browser cannot show it",
};
const MAX_WORKERS = 8;

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const viewport = new Viewport();
const divider = new Divider(byId("divider"), stage, () => refresh());
const nWorkers = Math.min(MAX_WORKERS, Math.max(1, navigator.hardwareConcurrency || 2));
const pool = new Pool(byId("worker-script").textContent, nWorkers, (preview) => sides.preview(preview));
const sides = new Sides(pool, {
  onSize: (width, height) => viewport.setPicture(width, height),
  onChange: showSides,
  onDraw: () => drawSoon(),
  onError: showMessage,
});
let mode = "network";
let isHeld = false;
let frame = 0;
let settling = 0;

/** Draws at the next frame, and asks for tiles once the view has settled. */
function refresh(delay = 0) {
  if (sides.layers.length) document.body.dataset.state = "rendering";
  drawSoon();
  clearTimeout(settling);
  settling = setTimeout(() => {
    draw();
    const wanted = sides.ready.map(({ layer }) => layer.requests(report, drawSoon));
    pool.replace([...wanted.flatMap(({ visible }) => visible), ...wanted.flatMap(({ hidden }) => hidden)]);
  }, delay);
}

function drawSoon() {
  if (!frame) frame = requestAnimationFrame(draw);
}

function draw() {
  cancelAnimationFrame(frame);
  frame = 0;
  const density = window.devicePixelRatio || 1;
  const box = stage.getBoundingClientRect();
  viewport.setStage(Math.round(box.width * density), Math.round(box.height * density));
  const { raster } = viewport;
  for (const layer of sides.layers) {
    layer.setView(raster, viewport.stage, mode, divider.shareOf(layer.side));
    layer.draw();
    // In whole pixels of the device, which the stage need not fill.
    Object.assign(layer.canvas.style, {
      width: `${viewport.stage.width / density}px`,
      height: `${viewport.stage.height / density}px`,
    });
  }
  const { x: left, y: top, width, height } = raster;
  for (const [name, value] of Object.entries({ left, top, width, height })) {
    byId("board").style[name] = `${value / density}px`;
  }
  divider.draw(byId("canvas-a"), byId("canvas-b"));
  byId("scale").textContent = sides.layers.length ? scaleText(viewport.scale) : "";
  report();
}

function scaleText(scale) {
  return scale >= 10 ? `${Math.round(scale).toLocaleString("en")}×` : `${Math.round(100 * scale)} %`;
}

/** Says to assistive techniques, and to tests, whether all that is visible is sharp. */
function report() {
  const { ready, layers } = sides;
  const areReady = layers.length > 0 && ready.length === layers.length;
  const isSharp = !frame && areReady && layers.every((layer) => layer.isSharp);
  const state = isSharp ? "sharp" : layers.length ? "rendering" : "empty";
  const { x, y, width, height } = viewport.raster;
  stage.setAttribute("aria-busy", String(state === "rendering"));
  Object.assign(document.body.dataset, { state, mode, raster: `${x},${y},${width},${height}` });
}

/** Brings buttons, labels and the panel in line with the files that are open. */
function showSides() {
  const [a, b] = [sides.get("a"), sides.get("b")];
  byId("message").hidden = true;
  byId("start").hidden = sides.token > 0;
  byId("board").hidden = !a;
  byId("canvas-a").hidden = !a;
  byId("canvas-b").hidden = byId("divider").hidden = !b;
  byId("name").textContent = [a, b].filter(Boolean).map(({ name }) => name).join("  |  ");
  document.title = a && a.name ? `${a.name} – inrc` : "inrc viewer";
  for (const [id, shown] of [["label-a", a], ["label-b", b]]) {
    byId(id).hidden = !a || !b || !shown.isReady;
    if (shown && shown.isReady) byId(id).textContent = labelOf(shown, a);
  }
  for (const button of document.querySelectorAll("[data-needs-file]")) button.disabled = !a;
  byId("canvas-a").setAttribute("aria-label", a ? `${a.name}, ${a.size[1]} by ${a.size[0]} pixels` : "");
  fillDetails();
  refresh();
}

/** Fills the panel where it is open: its pictures of latents and weights take some time. */
function fillDetails() {
  const panel = byId("details");
  panel.replaceChildren();
  if (panel.hidden) return;
  for (const { name, model, milliseconds } of sides.ready) if (model) showDetails(panel, name, model, milliseconds);
}

/** Name and bytes of a side and, where it differs from that of the left one, its size. */
function labelOf({ name, nBytes, size: [height, width] }, a) {
  const isOther = height !== a.size[0] || width !== a.size[1];
  return `${name} · ${nBytes.toLocaleString("en")} bytes${isOther ? ` · ${width} × ${height}` : ""}`;
}

function showMessage(error, name) {
  byId("message-headline").textContent = HEADLINES[error.kind] ?? HEADLINES.corrupt;
  byId("message-name").textContent = name;
  byId("message-text").textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
  byId("message").hidden = false;
}

function closeMessage() {
  byId("message").hidden = true;
  byId("start").hidden = sides.layers.length > 0;
}

/** Shows the network's picture, or the native pixels resampled; `held` is for as long as a key is down. */
function setMode(next, held = false) {
  mode = next;
  isHeld = held;
  byId("lanczos").setAttribute("aria-pressed", String(mode === "lanczos"));
  byId("badge").hidden = mode !== "lanczos";
  refresh();
}

function toggleDetails() {
  const panel = byId("details");
  panel.hidden = !panel.hidden;
  fillDetails();
  byId("info").setAttribute("aria-pressed", String(!panel.hidden));
  refresh();
}

function chooseFor(side) {
  const input = byId("file");
  input.dataset.side = side;
  input.value = "";
  input.click();
}

const actions = {
  open: () => chooseFor("a"),
  compare: () => chooseFor("b"),
  "zoom-in": () => (viewport.step(1), refresh()),
  "zoom-out": () => (viewport.step(-1), refresh()),
  fit: () => (viewport.fit(), refresh()),
  native: () => (viewport.native(), refresh()),
  lanczos: () => setMode(mode === "lanczos" ? "network" : "lanczos"),
  info: toggleDetails,
  close: closeMessage,
};

function onKey(event) {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const key = event.key.toLowerCase();
  const byKey = { o: actions.open, i: actions.info, escape: actions.close };
  if (sides.get("a")) {
    Object.assign(byKey, { c: actions.compare, l: () => event.repeat || setMode("lanczos", true) });
    if (followKey(event, viewport)) {
      event.preventDefault();
      refresh();
    }
  }
  if (isPlain && Object.hasOwn(byKey, key)) byKey[key]();
}

function listenForDrops() {
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dropping", depth > 0);
  };
  document.addEventListener("dragenter", () => mark(1));
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(-depth);
    await sides.take(await readFiles(event.dataTransfer.files));
  });
}

function listen() {
  for (const button of document.querySelectorAll("[data-action]")) {
    button.addEventListener("click", () => actions[button.dataset.action]());
  }
  byId("file").addEventListener("change", async ({ target }) => {
    await sides.take(await readFiles(target.files), target.dataset.side);
  });
  followPointers(stage, viewport, refresh);
  new ResizeObserver(() => refresh()).observe(stage);
  document.addEventListener("keydown", onKey);
  const release = () => isHeld && setMode("network");
  document.addEventListener("keyup", ({ key }) => key.toLowerCase() === "l" && release());
  window.addEventListener("blur", release); // a key that is released in another window sends nothing
  listenForDrops();
}

/** Opens what `inrc view` has put into the page. */
async function openEmbedded() {
  const { files, inits } = JSON.parse(byId("embedded").textContent);
  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
  for (const { name, base64 } of inits) await sides.addInit({ name, data: bytes(base64) });
  await sides.openAll(files.map(({ name, type, base64 }) => ({ name, type, data: bytes(base64) })));
}

listen();
showSides();
openEmbedded();
