import { DecodeError, Kind, corrupt } from "./errors.js";
import { ENCODING_NAMES, Encoding, FAMILY_NAMES, Family, INIT_ID_BYTES, hexadecimal, seenShape } from "./header.js";
import { readArchive } from "./npz.js";
import { sha256 } from "./sha256.js";
import { axisFrequencies, featureCount, matricesOf } from "./shapes.js";

/**
 * A shared init from its archive (FORMAT.md, section 13).
 * @param {Uint8Array} archive
 * @returns {Promise<object>} id (16 hexadecimal digits), network, shape [height, width], nOutputs, and matrices (name,
 *   rows, columns, means as Float32Array, scaleIndices)
 */
export async function readInit(archive) {
  const arrays = await readArchive(archive);
  try {
    return parsed(arrays);
  } catch (error) {
    const reason = `this is no shared init (${error.message})`;
    throw new DecodeError(Kind.INIT, `${reason}: give the .npz file of an exported one`);
  }
}

function parsed(arrays) {
  const about = JSON.parse(required(arrays, "about"));
  const network = about.family === "LATENT_GRID" ? latentNetwork(about) : coordinateNetwork(about);
  const [height, width] = about.shape;
  const names = matricesOf({ network, width, height, channels: about.n_outputs, transposed: false });
  const hashed = [new TextEncoder().encode(described(about))];
  const matrices = names.map(({ name, rows, columns }) => {
    const mean = required(arrays, `mean/${name}`);
    const scale = required(arrays, `scale/${name}`);
    for (const [array, type] of [[mean, "<f2"], [scale, "u1"]]) {
      const isAsStated = array.type === type && `${array.shape}` === `${[rows, columns]}`;
      if (!isAsStated) throw new Error(`${name} is another matrix`);
      hashed.push(new TextEncoder().encode(`${name} (${rows}, ${columns}) ${type}`), array.bytes);
    }
    const means = halves(mean.bytes);
    if (!means.every(Number.isFinite)) throw new Error(`a mean of ${name} is not a finite number`);
    return { name, rows, columns, means, scaleIndices: scale.bytes };
  });
  const id = hexadecimal(sha256(joined(hashed)).subarray(0, INIT_ID_BYTES));
  return { id, network, shape: [height, width], nOutputs: about.n_outputs, matrices };
}

function required(arrays, name) {
  if (!arrays.has(name)) throw new Error(`it has no ${name}`);
  return arrays.get(name);
}

/** The text of `about` that is hashed: Python's json.dumps with sorted keys, without the hints for encoders. */
function described(about) {
  const members =
    about.family === "LATENT_GRID"
      ? ["context_layers", "family", "n_cross", "n_cross_levels", "n_grids", "n_hyper", "n_outputs", "n_residual",
         "n_spatial", "refinement", "shape", "synthesis_width"]
      : ["bias", "encoding", "family", "n_outputs", "omega_0", "shape", "widths"];
  return text(Object.fromEntries(members.map((name) => [name, about[name]])));
}

function text(value, name = "") {
  if (Array.isArray(value)) return `[${value.map((item) => text(item)).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}: ${text(value[key], key)}`).join(", ")}}`;
  }
  if (name === "sigma" && Number.isInteger(value)) return `${value}.0`;
  return JSON.stringify(value);
}

function coordinateNetwork({ family, widths, encoding, omega_0: omega0, bias }) {
  if (family !== "SIREN" && family !== "FOURIER") throw new Error(`its family is ${family}`);
  if (!Array.isArray(widths) || widths.length > 31) throw new Error("its widths are no list of up to 31 numbers");
  return {
    family: FAMILY_NAMES.indexOf(family),
    bias,
    encoding: ENCODING_NAMES.indexOf(encoding.kind),
    widths,
    nFrequencies: encoding.n_frequencies,
    omega0,
    quarterSigma: 4 * encoding.sigma,
    storage: 0,
    sampledPhases: false,
    modulator: [],
  };
}

function latentNetwork(about) {
  for (const [name, value] of Object.entries(about)) {
    const isSmall = value >= 0 && value <= 32;
    if (/^n_|_layers$/.test(name) && !isSmall) throw new Error(`${name} is ${value}, not within 0..32`);
  }
  return {
    family: Family.LATENT_GRID,
    refinement: about.refinement,
    contextLayers: about.context_layers,
    nGrids: about.n_grids,
    nHyper: about.n_hyper,
    nSpatial: about.n_spatial,
    nCrossLevels: about.n_cross_levels,
    nCross: about.n_cross,
    nResidual: about.n_residual,
    synthesisWidth: about.synthesis_width,
  };
}

/**
 * Means and scale indices of the weights that a picture's network has (section 13).
 * @returns {{means: Float32Array[], scaleIndices: Uint8Array[]}} row by row
 */
export function initForPicture(init, header) {
  const { network, matrices } = init;
  const isGrid = network.family === Family.LATENT_GRID;
  if (header.channels !== init.nOutputs && (isGrid || header.channels !== 1)) {
    throw corrupt(`the picture has ${header.channels} channels, the shared init ${init.nOutputs}`);
  }
  const columnsOfFirst = isGrid ? null : keptColumns(init, header);
  const part = ({ columns, rows }, values, l) => {
    const kept = l === 0 && columnsOfFirst ? columnsOfFirst : Array.from({ length: columns }, (_, j) => j);
    const nRows = !isGrid && l === matrices.length - 1 ? header.channels : rows;
    const out = new values.constructor(nRows * kept.length);
    for (let i = 0; i < nRows; i++) kept.forEach((j, at) => (out[i * kept.length + at] = values[i * columns + j]));
    return out;
  };
  return {
    means: matrices.map((matrix, l) => part(matrix, matrix.means, l)),
    scaleIndices: matrices.map((matrix, l) => part(matrix, matrix.scaleIndices, l)),
  };
}

function keptColumns({ network, shape, matrices }, header) {
  const { encoding, nFrequencies } = network;
  const total = featureCount(encoding, nFrequencies, shape);
  const kept = [];
  if (encoding === Encoding.NONE || encoding === Encoding.GAUSSIAN) {
    for (let j = 0; j < total; j++) kept.push(j);
  } else {
    let start = 0;
    seenShape(header).forEach((n, axis) => {
      const have = axisFrequencies(encoding, nFrequencies, shape[axis]).length;
      const need = axisFrequencies(encoding, nFrequencies, n).length;
      if (need > have) throw corrupt(`the picture has ${need} frequencies on an axis, the shared init ${have}`);
      kept.push(start);
      for (const first of [1, 1 + have]) for (let i = 0; i < need; i++) kept.push(start + first + i);
      start += 1 + 2 * have;
    });
  }
  if (network.bias) kept.push(matrices[0].columns - 1);
  return kept;
}

function halves(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const exponent = (bits >> 10) & 31;
    const significand = bits & 1023;
    let magnitude = exponent ? (1024 + significand) * 2 ** (exponent - 25) : significand * 2 ** -24;
    if (exponent === 31) magnitude = NaN;
    return bits >> 15 ? -magnitude : magnitude;
  });
}

function joined(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
