import { DecodeError, Kind, corrupt } from "./errors.js";

export const Family = Object.freeze({ SIREN: 0, FOURIER: 1, LATENT_GRID: 2, HASH_GRID: 3 });
export const FAMILY_NAMES = Object.freeze(["SIREN", "FOURIER", "LATENT_GRID", "HASH_GRID"]);
export const Encoding = Object.freeze({ NONE: 0, NERF: 1, LOG_SPACED: 2, GAUSSIAN: 3 });
export const ENCODING_NAMES = Object.freeze(["NONE", "NERF", "LOG_SPACED", "GAUSSIAN"]);
export const Storage = Object.freeze({ INTEGERS: 0, HALF: 1, COMPANDED: 2 });
export const INIT_ID_BYTES = 8;

const MAGIC = [0x69, 0x6e, 0x72];

/**
 * The header (FORMAT.md, section 2).
 * @param {import("./bytes.js").ByteReader} reader
 * @returns {object} width, height, channels, bitDepth, colour, hasSections, transposed, initId (hexadecimal or ""), and
 *   network, the fields of its family; null where a shared init has them
 */
export function readHeader(reader) {
  if (reader.remaining < 3 || !MAGIC.every((byte) => reader.byte() === byte)) {
    throw new DecodeError(Kind.NOT_INR, "this is not an .inr file: it does not begin with 'inr'; choose another file");
  }
  const version = reader.byte();
  if (version !== 1) {
    throw new DecodeError(
      Kind.UNSUPPORTED,
      `the file has format version ${version}; this viewer reads 1: get a newer viewer`,
    );
  }
  const flags = reader.byte();
  const header = {
    channels: (flags & 3) + 1,
    bitDepth: flags & 4 ? 16 : 8,
    colour: (flags >> 3) & 3,
    hasSections: Boolean(flags & 32),
    transposed: Boolean(flags & 128),
    width: reader.varint(),
    height: reader.varint(),
    initId: "",
    network: null,
  };
  if (flags & 64) header.initId = hexadecimal(reader.take(INIT_ID_BYTES));
  else header.network = readNetwork(reader);
  if (header.width === 0 || header.height === 0) {
    throw corrupt(`the header announces a picture of ${header.width}x${header.height} pixels`);
  }
  checkHeader(header);
  return header;
}

/** Refuses fields that contradict each other or the network, which may have come from a shared init. */
export function checkHeader(header) {
  const isGrid = header.network !== null && header.network.family === Family.LATENT_GRID;
  const mayTranspose = header.initId !== "" || isGrid;
  if ((header.transposed && !mayTranspose) || (header.colour !== 0 && (header.channels < 3 || isGrid))) {
    throw undefinedBits();
  }
}

/** @returns {string} bytes as hexadecimal digits */
export function hexadecimal(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {[number, number]} samples along axis 0 and axis 1 of the picture as the network sees it */
export function seenShape(header) {
  return header.transposed ? [header.width, header.height] : [header.height, header.width];
}

function readNetwork(reader) {
  const bits = reader.byte();
  let family = bits & 3;
  if (family === 3) family = ranged("family", reader.byte(), 3, 255);
  if (family > 3) {
    throw new DecodeError(
      Kind.UNSUPPORTED,
      `the file is of family ${family}; this viewer knows 0..3: get a newer viewer`,
    );
  }
  return family === Family.LATENT_GRID ? readLatentGrid(reader, bits) : readCoordinates(reader, bits, family);
}

function readLatentGrid(reader, bits) {
  if (bits >> 6) throw undefinedBits();
  const grids = reader.byte();
  const context = reader.byte();
  const nGrids = ranged("n_grids", grids & 15, 1, 12);
  const fields = {
    family: Family.LATENT_GRID,
    refinement: Boolean(bits & 4),
    contextLayers: ranged("context_layers", (bits >> 3) & 7, 0, 4),
    nGrids,
    nHyper: ranged("n_hyper", grids >> 4, 0, nGrids - 1),
    nSpatial: ranged("n_spatial", context & 15, 1, 14),
    nCrossLevels: ranged("n_cross_levels", context >> 4, 0, nGrids - 1),
    nCross: ranged("n_cross", reader.byte(), 0, 32),
    nResidual: ranged("n_residual", reader.byte(), 0, 4),
    synthesisWidth: ranged("synthesis_width", reader.varint(), 1, 256),
  };
  if ((fields.nCross === 0) !== (fields.nCrossLevels === 0)) {
    throw corrupt(`n_cross is ${fields.nCross} and n_cross_levels ${fields.nCrossLevels}; both are 0 or neither is`);
  }
  return fields;
}

function readCoordinates(reader, bits, family) {
  const fields = { family, bias: Boolean(bits & 4), encoding: (bits >> 3) & 3 };
  if (family === Family.HASH_GRID && fields.encoding !== Encoding.NONE) throw undefinedBits();
  if (bits & 64 && fields.encoding !== Encoding.GAUSSIAN) throw undefinedBits();
  fields.widths = readWidths(reader, ranged("n_layers", reader.byte(), 1, 31));
  if (family === Family.HASH_GRID) {
    fields.nLevels = ranged("n_levels", reader.byte(), 1, 16);
    fields.nFeatures = ranged("n_features", reader.byte(), 1, 8);
    fields.log2Entries = ranged("log2_entries", reader.byte(), 4, 18);
    fields.growth = ranged("growth", reader.byte(), 1, 16);
    fields.coarsest = ranged("coarsest", reader.varint(), 1, 1024);
  }
  fields.nFrequencies = fields.encoding ? ranged("n_frequencies", reader.varint(), 1, 1024) : 0;
  fields.omega0 = bits & 32 ? ranged("omega_0", reader.byte(), 1, 255) : 30;
  fields.quarterSigma = bits & 64 ? ranged("quarter_sigma", reader.varint(), 1, 65532) : 40;
  const variant = bits & 128 ? ranged("variant", reader.byte(), 1, 63) : 0;
  fields.storage = ranged("storage", variant & 3, 0, 2);
  fields.sampledPhases = Boolean(variant & 4);
  fields.modulator = readWidths(reader, variant >> 3);
  const isSiren = family === Family.SIREN;
  if ((fields.sampledPhases && (!isSiren || fields.bias)) || (fields.modulator.length && !isSiren)) {
    throw undefinedBits();
  }
  return fields;
}

function readWidths(reader, n) {
  return Array.from({ length: n }, () => ranged("a hidden width", reader.varint(), 1, 4096));
}

function ranged(name, value, low, high) {
  if (value < low || value > high) throw corrupt(`${name} is ${value}, not within ${low}..${high}`);
  return value;
}

function undefinedBits() {
  return corrupt("the header sets bits that version 1 does not define");
}
