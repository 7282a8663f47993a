import { ENCODING_NAMES, FAMILY_NAMES, Family } from "./header.js";
import { hashLevels } from "./shapes.js";
import { stepOf } from "./steps.js";

const CHANNELS = ["", "gray", "gray and alpha", "RGB", "RGBA"];
const COLOURS = ["RGB", "YCbCr", "YCoCg", "orthonormal YCoCg"];
const STORAGES = ["integers", "binary16", "companded integers"];
const LARGEST_CELL = 14;

const whole = (n) => Math.round(n).toLocaleString("en");

const counted = (n, noun) => `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;

/** An element with a class and children, which are elements or text. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * Fills the panel with what a file says of itself.
 * @param {HTMLElement} panel
 * @param {string} name of the file
 * @param {object} model of `openFile`
 * @param {number} milliseconds that decoding took
 */
export function showDetails(panel, name, model, milliseconds) {
  panel.append(element("h2", "", name), table(fileRows(model, milliseconds)));
  panel.append(element("h3", "", "Network"), table(networkRows(model)));
  if (model.grids.length) panel.append(element("h3", "", "Latents"), latentPictures(model.grids));
  panel.append(element("h3", "", "Weights"), weightPictures(model));
}

function table(rows) {
  const list = element("dl", "");
  for (const [label, value] of rows) list.append(element("dt", "", label), element("dd", "", String(value)));
  return list;
}

function fileRows({ header, nBytes, headerBytes, weightBytes, grids, sections, iccProfileBytes }, milliseconds) {
  const { width, height } = header;
  const latentBytes = grids.reduce((sum, { bits }) => sum + bits / 8, 0);
  const rows = [
    ["File", `${counted(nBytes, "byte")}, ${((8 * nBytes) / (width * height)).toPrecision(4).replace(/0+$/, "")} bpp`],
    ["Picture", `${width} × ${height}, ${CHANNELS[header.channels]}, ${header.bitDepth} bits`],
    ["Header", `${whole(headerBytes)} bytes with its checksum`],
    ["Network", `about ${whole(weightBytes)} bytes`],
  ];
  if (grids.length) rows.push(["Latents", `about ${whole(latentBytes)} bytes`]);
  for (const { tag, nBytes: n } of sections) rows.push([`Section ${tag}`, `${whole(n)} bytes`]);
  if (iccProfileBytes) rows.push(["ICC profile", `${whole(iccProfileBytes)} bytes; shown as sRGB, without it`]);
  if (header.initId) rows.push(["Shared init", header.initId]);
  rows.push(["Decoded", `in ${whole(milliseconds)} ms`]);
  return rows;
}

function networkRows({ header, params, shape }) {
  const { network } = header;
  let nWeights = 0;
  for (const { rows, columns } of params.values()) nWeights += rows * columns;
  const rows = [
    ["Family", FAMILY_NAMES[network.family]],
    ["Weights", whole(nWeights)],
    ...(network.family === Family.LATENT_GRID ? gridRows(network) : coordinateRows(network, shape)),
  ];
  if (header.channels >= 3) rows.push(["Outputs", COLOURS[header.colour]]);
  if (header.transposed) rows.push(["Transposed", "it sees rows as columns"]);
  return rows;
}

function gridRows(network) {
  const { nSpatial, nCross, contextLayers, nCrossLevels } = network;
  const cross = nCross ? `${counted(nCross, "feature")} on ${counted(nCrossLevels, "level")}, ` : "";
  return [
    ["Grids", `${network.nGrids}, and ${counted(network.nHyper, "hyper grid")}`],
    ["Context", `${counted(nSpatial, "neighbour")}, ${cross}${counted(contextLayers, "layer")}`],
    ["Synthesis", `${counted(network.synthesisWidth, "hidden unit")}, ${counted(network.nResidual, "layer")} of 3×3`],
    ["Refinement", network.refinement ? "yes" : "no"],
  ];
}

function coordinateRows(network, shape) {
  const rows = [["Hidden layers", network.widths.join(" – ")]];
  if (network.family === Family.HASH_GRID) {
    const levels = hashLevels(network, shape);
    const cells = levels.map((level) => level.cells).join(", ");
    rows.push(["Tables", `${levels.length}, of up to ${whole(2 ** network.log2Entries)} entries`], ["Cells", cells]);
  } else {
    const kind = ENCODING_NAMES[network.encoding];
    const sigma = kind === "GAUSSIAN" ? `, sigma ${network.quarterSigma / 4}` : "";
    rows.push(["Encoding", kind === "NONE" ? kind : `${kind}, ${network.nFrequencies} frequencies${sigma}`]);
  }
  if (network.family === Family.SIREN) rows.push(["omega_0", network.omega0]);
  rows.push(["Biases", network.bias ? "yes" : "no"]);
  if (network.modulator.length) rows.push(["Modulator", network.modulator.join(" – ")]);
  if (network.sampledPhases) rows.push(["Phases", "sampled"]);
  if (network.storage) rows.push(["Held as", STORAGES[network.storage]]);
  return rows;
}

function latentPictures(grids) {
  const list = element("div", "maps");
  for (const grid of [...grids].reverse()) {
    const largest = grid.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const kind = grid.hyper ? `Level ${grid.level}, hyper` : `Level ${grid.level}`;
    const bytes = grid.bits / 8;
    const size = `${grid.width} × ${grid.height}`;
    const words = largest ? `${bytes < 100 ? bytes.toFixed(1) : whole(bytes)} bytes, up to ±${largest}` : "all 0";
    list.append(map(grid.values, grid.height, grid.width, `${kind}, ${size}`, words));
  }
  return list;
}

function weightPictures({ params, coded, header }) {
  const list = element("div", "maps");
  const matrices = [...params.values()];
  matrices.forEach(({ name, rows, columns, values }, l) => {
    const words = header.network.storage === 1 ? "binary16" : `step ${stepOf(coded.steps[l]).toPrecision(3)}`;
    if (values.length > 1 << 18) return;
    const figure = map(values, rows, columns, `${name}, ${rows} × ${columns}`, words);
    figure.firstChild.style.maxWidth = `${LARGEST_CELL * columns}px`;
    list.append(figure);
  });
  return list;
}

/** Numbers as a picture: orange above 0, blue below, black at 0, on the scale of their largest. */
function map(values, height, width, title, words) {
  const canvas = element("canvas", "");
  canvas.width = width;
  canvas.height = height;
  const scale = spread(values);
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < values.length; i++) {
    const x = Math.min(1, Math.sqrt(Math.abs(values[i]) / scale));
    const [red, green, blue] = values[i] > 0 ? [255, 176, 84] : [92, 168, 255];
    pixels.set([20 + (red - 20) * x, 20 + (green - 20) * x, 20 + (blue - 20) * x, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title}: ${words}`);
  canvas.style.aspectRatio = `${width} / ${height}`;
  canvas.style.imageRendering = width < 300 ? "pixelated" : "auto";
  return element("figure", "", canvas, element("figcaption", "", element("b", "", title), ` ${words}`));
}

/** The magnitude that all but one in 500 values stay below, and at least a hundredth of the largest. */
function spread(values) {
  const step = Math.max(1, Math.floor(values.length / 20000));
  const sample = values.filter((_, i) => i % step === 0).map(Math.abs).sort();
  const largest = sample[sample.length - 1];
  return Math.max(sample[Math.floor(0.998 * (sample.length - 1))], largest / 100) || largest || 1;
}
