import { DecodeError, Kind } from "./errors.js";

const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const MAX_BYTES = 2 ** 26;

/** @returns {Promise<Uint8Array>} what a deflated or zlib stream inflates to, at most `limit` bytes */
export async function inflated(data, format, limit) {
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream(format)).getReader();
  const chunks = [];
  let n = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    n += value.length;
    if (n > limit) throw new Error(`more than ${limit} bytes when inflated`);
    chunks.push(value);
  }
  const out = new Uint8Array(n);
  n = 0;
  for (const chunk of chunks) {
    out.set(chunk, n);
    n += chunk.length;
  }
  return out;
}

/**
 * The arrays of a NumPy archive (FORMAT.md, section 13).
 * @param {Uint8Array} data
 * @returns {Promise<Map<string, string | {shape: number[], type: string, bytes: Uint8Array}>>} strings of no dimensions
 *   as text
 */
export async function readArchive(data) {
  try {
    const arrays = new Map();
    let left = MAX_BYTES;
    for (const entry of entriesOf(data)) {
      const content = entry.method ? await inflated(entry.content, "deflate-raw", left) : entry.content;
      left -= content.length;
      arrays.set(entry.name.replace(/\.npy$/, ""), parseArray(content));
    }
    return arrays;
  } catch (error) {
    throw new DecodeError(Kind.INIT, `the shared init is no sound NumPy archive (${error.message}); get it again`);
  }
}

function entriesOf(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let end = data.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  const n = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const entries = [];
  for (let i = 0; i < n; i++) {
    if (view.getUint32(at, true) !== CENTRAL) throw new Error("its directory is damaged");
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const content = data.slice(start, start + view.getUint32(at + 20, true));
    const name = new TextDecoder().decode(data.subarray(at + 46, at + 46 + nameLength));
    entries.push({ name, content, method: view.getUint16(at + 10, true) });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return entries;
}

/** A file of NumPy's .npy format. */
function parseArray(content) {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const isFirst = content[6] === 1;
  const start = isFirst ? 10 : 12;
  const length = isFirst ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder().decode(content.subarray(start, start + length));
  const type = /'descr':\s*'([^']+)'/.exec(header)[1].replace("|u1", "u1");
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)[1].split(",").filter((part) => part.trim()).map(Number);
  if (/'fortran_order':\s*True/.test(header)) throw new Error("an array is held column by column");
  const bytes = content.slice(start + length);
  if (!type.startsWith("<U")) return { shape, type, bytes };
  const letters = new Uint32Array(bytes.buffer.slice(0, 4 * Number(type.slice(2))));
  return Array.from(letters, (code) => (code ? String.fromCodePoint(code) : "")).join("");
}
