import { ByteReader } from "./bytes.js";
import { checkLimit, corrupt } from "./errors.js";
import { readHeader } from "./header.js";

/**
 * Parses and verifies a file (FORMAT.md, section 1).
 * @param {Uint8Array} data
 * @param {object} limits as `LIMITS`
 * @returns {{header: object, stream: Uint8Array, sections: Map<number, Uint8Array>, headerBytes: number}} sections by
 *   tag, those with unknown tags included
 */
export function readContainer(data, limits) {
  const reader = new ByteReader(data);
  const header = readHeader(reader);
  checkLimit("pixels", header.width * header.height, limits.pixels);
  const nStream = header.hasSections ? reader.varint() : reader.remaining - 4;
  const nSections = header.hasSections ? reader.varint() : 0;
  const headerBytes = reader.position + 4;
  const stream = reader.take(Math.max(0, nStream));
  reader.check(0);
  const sections = new Map();
  for (let i = 0; i < nSections; i++) {
    const start = reader.position;
    const tag = reader.varint();
    const nContent = reader.varint();
    checkLimit("bytes in a section", nContent, limits.sectionBytes);
    const content = reader.take(nContent);
    reader.check(start);
    if (sections.has(tag)) throw corrupt(`the file has two sections with tag ${tag}`);
    sections.set(tag, content);
  }
  if (reader.remaining) throw corrupt(`${reader.remaining} bytes follow the last section`);
  return { header, stream, sections, headerBytes };
}
