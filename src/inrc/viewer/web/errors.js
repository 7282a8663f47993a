/** Kinds of failures; the page shows another headline for each. */
export const Kind = Object.freeze({
  NOT_INR: "not-inr",
  UNSUPPORTED: "unsupported",
  TRUNCATED: "truncated",
  CORRUPT: "corrupt",
  LIMIT: "limit",
  INIT: "init",
});

/** A file that cannot be decoded. Its message is one line: the value, the limit and the remedy. */
export class DecodeError extends Error {
  /**
   * @param {string} kind one of `Kind`
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "DecodeError";
    this.kind = kind;
  }
}

/** @returns {DecodeError} of a file that contradicts itself */
export function corrupt(message) {
  return new DecodeError(Kind.CORRUPT, `${message}; get the file again`);
}

/**
 * Refuses a file that asks for more than a limit.
 * @param {string} what is counted
 */
export function checkLimit(what, value, limit) {
  if (!(value <= limit)) {
    throw new DecodeError(Kind.LIMIT, `the file asks for ${value} ${what}; the limit is ${limit}: open a smaller file`);
  }
}

/** What a decoder accepts (FORMAT.md, section 11). */
export const LIMITS = Object.freeze({
  pixels: 2 ** 28,
  weights: 2 ** 19,
  sectionBytes: 2 ** 24,
  multiplications: 2 ** 45,
  latents: 2 ** 26,
  contextMultiplications: 2 ** 36,
  wavefronts: 2 ** 20,
});
