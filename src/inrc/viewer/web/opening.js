const MAX_PICTURE_PIXELS = 2 ** 26;
const OVERVIEW_SIDE = 192;
const OVERVIEW_MILLISECONDS = 200;

/** A file as the page takes it: {name, type, data}, with its bytes in an ArrayBuffer. */
export async function readFiles(list) {
  return Promise.all(
    Array.from(list, async (file) => ({ name: file.name, type: file.type, data: await file.arrayBuffer() })),
  );
}

/** @returns {boolean} whether a file is to be decoded here, rather than by the browser as a picture */
export function isInr({ data, name, type }) {
  const first = new Uint8Array(data, 0, Math.min(3, data.byteLength));
  return String.fromCharCode(...first) === "inr" || /\.inr$/i.test(name) || !/^image\//.test(type);
}

/** @returns {boolean} whether a file is the archive of a shared init */
export function isInit({ name }) {
  return /\.npz$/i.test(name);
}

/**
 * Gives the file to all workers.
 * @param {import("./pool.js").Pool} pool
 * @param {string} side "a" or "b"
 * @param {number} token comes back with previews
 * @returns {Promise<object>} size [height, width], nBytes, isFast and, of an .inr file, model and milliseconds
 */
export async function openOn(pool, side, file, token) {
  const nBytes = file.data.byteLength;
  if (!isInr(file)) return { ...(await openPicture(pool, side, file)), nBytes };
  const worker = pool.idlest();
  const { model, milliseconds } = await pool.send(worker, { type: "open", side, data: file.data, token });
  await pool.broadcast({ type: "adopt", side, model }, worker);
  const { width, height } = model.header;
  return { size: [height, width], isFast: model.grids.length > 0, model, milliseconds, nBytes };
}

async function openPicture(pool, side, { data, type }) {
  const { width, height, pixels } = await decodedPicture(data, type);
  await pool.broadcast({ type: "picture", side, size: [height, width], pixels });
  return { size: [height, width], isFast: true };
}

async function decodedPicture(data, type) {
  const refused = (message) => Object.assign(new Error(message), { kind: "picture" });
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([data], { type }));
  } catch {
    throw refused("the browser cannot decode this picture; choose a PNG, JPEG, WebP or AVIF file");
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PICTURE_PIXELS) {
    throw refused(`the picture has ${width * height} pixels; the limit is ${MAX_PICTURE_PIXELS}: choose a smaller one`);
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return { width, height, pixels: context.getImageData(0, 0, width, height).data };
}

/**
 * A small picture of the whole, in a fifth of a second or less.
 * @returns {Promise<{width: number, height: number, pixels: Uint8ClampedArray}>}
 */
export async function overviewOf(pool, side, [height, width], millisecondsPerPixel) {
  const longest = Math.min(OVERVIEW_SIDE, Math.sqrt(OVERVIEW_MILLISECONDS / millisecondsPerPixel));
  const scale = Math.min(1, longest / Math.max(height, width));
  const size = [height, width].map((n) => Math.max(1, Math.round(n * scale)));
  const tile = { x: 0, y: 0, width: size[1], height: size[0] };
  const message = { type: "tile", side, raster: size, tile, mode: "network", coarse: true };
  const { pixels } = await pool.send(pool.idlest(), message);
  return { width: tile.width, height: tile.height, pixels };
}
