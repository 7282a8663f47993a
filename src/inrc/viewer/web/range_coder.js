import { corrupt } from "./errors.js";

const TOTAL = 2 ** 24;

/**
 * The range decoder (FORMAT.md, section 5).
 *
 * Both numbers of 64 bits, `range` and `point - lower`, are held as high * 2^24 + low, with high below 2^40 and low
 * below 2^24: high of the range is the unit, and every product below is an exact double.
 */
export class RangeDecoder {
  /** @param {Uint8Array} stream */
  constructor(stream) {
    this.stream = stream;
    this.position = 0;
    this.unit = 2 ** 40 - 1;
    this.rangeLow = TOTAL - 1;
    const first = this.word();
    const second = this.word();
    this.high = first * 256 + (second >>> 24);
    this.low = second & 0xffffff;
    this.shifts = 0;
  }

  word() {
    const { stream, position } = this;
    this.position = position + 4;
    if (position + 4 <= stream.length) {
      return (
        ((stream[position] << 24) |
          (stream[position + 1] << 16) |
          (stream[position + 2] << 8) |
          stream[position + 3]) >>>
        0
      );
    }
    let value = 0;
    for (let i = 0; i < 4; i++) value = value * 256 + (stream[position + i] ?? 0);
    return value;
  }

  /** Bits of information that the symbols so far took. */
  get bits() {
    return 32 * this.shifts + 64 - Math.log2(this.unit * TOTAL + this.rangeLow);
  }

  /** @returns {number} q in 0..2^24 - 1; the next call must be `take` with the interval that holds it */
  quantile() {
    const { unit, high, low } = this;
    const ratio = (high * TOTAL + low) / unit;
    let q = Math.floor(ratio);
    const fraction = ratio - q;
    if (fraction < 1e-6 || fraction > 1 - 1e-6) q = this.exactQuantile(fraction > 0.5 ? q + 1 : q);
    if (q >= TOTAL) throw corrupt("the coded stream is damaged");
    return q;
  }

  /** @returns {number} the quotient that lies at q or just below it, by an exact comparison */
  exactQuantile(q) {
    const part = q * (this.unit % TOTAL);
    const low = part % TOTAL;
    const high = q * Math.floor(this.unit / TOTAL) + (part - low) / TOTAL;
    return this.high < high || (this.high === high && this.low < low) ? q - 1 : q;
  }

  /** Consumes the interval [start, end) of 2^24. */
  take(start, end) {
    const unitLow = this.unit % TOTAL;
    const unitHigh = (this.unit - unitLow) / TOTAL;
    const before = unitLow * start;
    const beforeLow = before % TOTAL;
    let low = this.low - beforeLow;
    let high = this.high - unitHigh * start - (before - beforeLow) / TOTAL;
    if (low < 0) {
      low += TOTAL;
      high -= 1;
    }
    const width = end - start;
    const size = unitLow * width;
    const rangeLow = size % TOTAL;
    const unit = unitHigh * width + (size - rangeLow) / TOTAL;
    if (unit < 256) {
      const word = this.word();
      this.unit = (unit * TOTAL + rangeLow) * 256;
      this.rangeLow = 0;
      this.high = (high * TOTAL + low) * 256 + (word >>> 24);
      this.low = word & 0xffffff;
      this.shifts += 1;
    } else {
      this.unit = unit;
      this.rangeLow = rangeLow;
      this.high = high;
      this.low = low;
    }
  }

  /**
   * @param {Int32Array} ends interval j is [ends[j], ends[j + 1])
   * @returns {number} a symbol
   */
  symbol(ends) {
    const q = this.quantile();
    let low = 0;
    let high = ends.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (ends[middle] <= q) low = middle;
      else high = middle;
    }
    this.take(ends[low], ends[low + 1]);
    return low;
  }

  /** @returns {number} a number of so many bits, all equally probable */
  equiprobable(n) {
    const size = 2 ** (24 - n);
    const value = Math.floor(this.quantile() / size);
    this.take(value * size, (value + 1) * size);
    return value;
  }

  /** @returns {boolean} a flag that is true with so many counts of 2^24 (section 6) */
  flag(ones) {
    const set = this.quantile() >= TOTAL - ones;
    if (set) this.take(TOTAL - ones, TOTAL);
    else this.take(0, TOTAL - ones);
    return set;
  }
}
