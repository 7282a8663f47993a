import { DecodeError, Kind } from "./errors.js";
import { readInit } from "./shared_init.js";
import { NetworkSource, PictureSource, openWithPreviews } from "./sources.js";

/** The sources of both sides of the page, and the shared inits that the page has. */
const sources = new Map();
const inits = [];

/** Messages by their type; each answers with a message of the same id. */
const handlers = {
  async init({ data }) {
    const init = await readInit(new Uint8Array(data));
    if (!inits.some(({ id }) => id === init.id)) inits.push(init);
    return { id: init.id };
  },

  async open({ side, data, token }) {
    const began = performance.now();
    const model = await openWithPreviews(new Uint8Array(data), inits, (preview, size) => {
      postMessage({ preview, side, token, size }, [preview.pixels.buffer]);
    });
    sources.set(side, new NetworkSource(model));
    return { model, milliseconds: performance.now() - began };
  },

  adopt({ side, model }) {
    sources.set(side, new NetworkSource(model));
  },

  picture({ side, size, pixels }) {
    sources.set(side, new PictureSource(size, pixels));
  },

  tile({ side, raster, tile, mode, coarse }) {
    const began = performance.now();
    const pixels = sources.get(side).tile(raster, tile, mode, coarse);
    return { pixels, milliseconds: performance.now() - began };
  },
};

onmessage = async ({ data: { job, ...request } }) => {
  try {
    const answer = await handlers[request.type](request);
    postMessage({ job, answer }, answer && answer.pixels ? [answer.pixels.buffer] : []);
  } catch (error) {
    postMessage({ job, failure: described(error) });
  }
};

/** What the page says of an error; memory that runs out is a limit too. */
function described(error) {
  if (error instanceof DecodeError) return { kind: error.kind, message: error.message };
  if (error instanceof RangeError) {
    return { kind: Kind.LIMIT, message: `the browser has too little memory (${error.message}); open a smaller file` };
  }
  return { kind: Kind.CORRUPT, message: `the file cannot be decoded (${error.message}); get the file again` };
}
