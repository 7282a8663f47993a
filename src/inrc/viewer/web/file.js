import { ContextNetwork } from "./context.js";
import { readContainer } from "./container.js";
import { DecodeError, Kind, LIMITS, checkLimit, corrupt } from "./errors.js";
import { Family, Storage, checkHeader, seenShape } from "./header.js";
import { Kernels } from "./kernels.js";
import { decodeLatents } from "./latents.js";
import { inflated } from "./npz.js";
import { RangeDecoder } from "./range_coder.js";
import { gridsOf, matricesOf } from "./shapes.js";
import { initForPicture } from "./shared_init.js";
import { dequantise } from "./steps.js";
import { decodeWeights } from "./weights.js";

const ICC_PROFILE = 1;

/**
 * Decodes a file as far as rendering needs it: its weights and latents.
 * @param {Uint8Array} data
 * @param {object} [options]
 * @param {object[]} [options.inits] shared inits that are at hand, of `readInit`
 * @param {object} [options.limits] as `LIMITS`
 * @param {Kernels} [options.kernels]
 * @param {(model: object) => void} [options.onGrid] called with the model as far as it is known, after every grid
 * @returns {Promise<object>} the model: header, shape [rows, columns] as the network sees them, params (a map from
 *   names to {rows, columns, bias, values}), grids, and what the file spends its bytes on
 */
export async function openFile(data, { inits = [], limits = LIMITS, kernels = new Kernels(), onGrid } = {}) {
  const { header, stream, sections, headerBytes } = readContainer(data, limits);
  const init = findInit(header, inits);
  if (init) {
    header.network = init.network;
    checkHeader(header);
  }
  const isGrid = header.network.family === Family.LATENT_GRID;
  const shapes = matricesOf(header);
  checkCosts(header, shapes, limits);
  const prior = init ? initForPicture(init, header) : null;
  const decoder = new RangeDecoder(stream);
  const storage = header.network.storage ?? Storage.INTEGERS;
  const coded = decodeWeights(decoder, shapes, storage, prior && prior.scaleIndices);
  const values = dequantise(coded, storage, prior && prior.means);
  const params = new Map(shapes.map((shape, l) => [shape.name, { ...shape, values: values[l] }]));
  const weightBits = decoder.bits;
  const model = {
    header,
    shape: seenShape(header),
    params,
    grids: [],
    coded: { ...coded, streamBytes: stream.length },
    nBytes: data.length,
    headerBytes,
    weightBytes: weightBits / 8,
    sections: [...sections].map(([tag, content]) => ({ tag, nBytes: content.length })),
    iccProfileBytes: await profileBytes(sections.get(ICC_PROFILE), limits),
  };
  if (isGrid) {
    const network = new ContextNetwork(header.network, params);
    const report = (grids) => onGrid && onGrid({ ...model, grids });
    model.grids = decodeLatents(decoder, network, gridsOf(header), kernels, limits, report);
  }
  return model;
}

function findInit({ initId }, inits) {
  if (!initId) return null;
  const init = inits.find(({ id }) => id === initId);
  if (init) return init;
  throw new DecodeError(
    Kind.INIT,
    `the file needs the shared init ${initId}, which is not here: drop its .npz file on this page, or open the ` +
      "file by `inrc view`, which puts the init into the page",
  );
}

function checkCosts(header, shapes, limits) {
  const nWeights = shapes.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  checkLimit("weights", nWeights, limits.weights);
  if (header.network.family !== Family.LATENT_GRID) return;
  const { contextLayers, nSpatial, nCross } = header.network;
  const nLatents = gridsOf(header).reduce((sum, { height, width }) => sum + height * width, 0);
  const c = nSpatial + nCross;
  checkLimit("latents", nLatents, limits.latents);
  const products = nLatents * (contextLayers * c * c + 4 * c);
  checkLimit("multiplications to predict latents", products, limits.contextMultiplications);
}

async function profileBytes(content, limits) {
  if (content === undefined || content.length === 0) return 0;
  try {
    return (await inflated(content, "deflate", limits.sectionBytes)).length;
  } catch (error) {
    throw corrupt(`the ICC profile is damaged (${error.message})`);
  }
}
