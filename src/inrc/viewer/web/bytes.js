import { DecodeError, Kind, corrupt } from "./errors.js";

/** Reads the bytes of a file in order (FORMAT.md, Conventions). */
export class ByteReader {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.position = 0;
  }

  get remaining() {
    return this.data.length - this.position;
  }

  /** @returns {Uint8Array} the next n bytes */
  take(n) {
    if (n > this.remaining) {
      throw new DecodeError(
        Kind.TRUNCATED,
        `the file ends after ${this.data.length} bytes, but needs ${this.position + n}; get the file again`,
      );
    }
    this.position += n;
    return this.data.subarray(this.position - n, this.position);
  }

  byte() {
    return this.take(1)[0];
  }

  uint32() {
    const [a, b, c, d] = this.take(4);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  /** @returns {number} a LEB128 number below 2^32 in its shortest form */
  varint() {
    const start = this.position;
    let value = 0;
    for (let i = 0; i < 5; i++) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) {
        if ((byte === 0 && i > 0) || value >= 2 ** 32) break;
        return value;
      }
    }
    throw corrupt(`the number at byte ${start} is not a valid varint`);
  }

  /** Verifies the checksum that stands here against the bytes from `start` on (section 1). */
  check(start) {
    const end = this.position;
    const actual = crc32(this.data.subarray(start, end));
    const stated = this.uint32();
    if (actual !== stated) {
      const [is, says] = [actual, stated].map((sum) => sum.toString(16).padStart(8, "0"));
      throw corrupt(`the checksum of bytes ${start}..${end} is ${is}, but the file states ${says}`);
    }
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @returns {number} CRC-32 as in zlib and PNG */
export function crc32(data) {
  let crc = 0xffffffff;
  for (let i = 0; i < data.length; i++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ data[i]) & 255];
  return ~crc >>> 0;
}
