/**
 * An assembler for the part of WebAssembly's text format that the kernels need, so that the page holds their source and
 * needs no build step: functions without results, folded instructions, named locals and labels, one imported memory.
 */

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const TYPES = { i32: I32, f32: F32, v128: V128 };

/** Opcodes: plain, or of the vector prefix 0xfd; `memory` ones have an alignment (log2) and an offset. */
const PLAIN = {
  "i32.eqz": 0x45, "i32.eq": 0x46, "i32.lt_u": 0x49, "i32.add": 0x6a, "i32.sub": 0x6b, "i32.mul": 0x6c,
  "i32.and": 0x71, "i32.shl": 0x74, "f32.add": 0x92, "f32.mul": 0x94,
};
const VECTOR = {
  "i32x4.splat": 0x11, "f32x4.splat": 0x13, "v128.and": 0x4e, "v128.xor": 0x51, "f32x4.floor": 0x68,
  "f32x4.nearest": 0x6a, "i32x4.shl": 0xab, "i32x4.add": 0xae, "f32x4.add": 0xe4, "f32x4.sub": 0xe5,
  "f32x4.mul": 0xe6, "f32x4.min": 0xe8, "f32x4.max": 0xe9, "i32x4.trunc_sat_f32x4_s": 0xf8,
};
const MEMORY = {
  "i32.load": [[0x28], 2], "f32.load": [[0x2a], 2], "v128.load": [[0xfd, 0], 2], "v128.load32_splat": [[0xfd, 9], 2],
  "v128.store": [[0xfd, 11], 2],
};

/**
 * @param {string} source functions as (func $name (param $x i32) ... (local $y v128) ... instructions)
 * @returns {Uint8Array} a module that imports memory from "env" "memory" and exports its functions
 */
export function assemble(source) {
  const functions = parse(source).map(compile);
  const types = functions.map(({ parameters }) => [0x60, ...vector(parameters.map((type) => [type])), 0]);
  const indices = functions.map((_, i) => [i]);
  const exported = functions.map(({ name }, i) => [...text(name), 0, i]);
  const bodies = functions.map(({ body }) => [...unsigned(body.length), ...body]);
  const memory = [...text("env"), ...text("memory"), 2, 0, 1];
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, vector(types)),
    ...section(2, vector([memory])),
    ...section(3, vector(indices)),
    ...section(7, vector(exported)),
    ...section(10, vector(bodies)),
  ]);
}

/** Lists of tokens and lists, from the text of nested parentheses; ;; begins a comment. */
function parse(source) {
  const stack = [[]];
  for (const token of source.replace(/;;.*/g, "").match(/[()]|[^\s()]+/g)) {
    if (token === "(") stack.push([]);
    else if (token === ")") {
      const list = stack.pop();
      stack[stack.length - 1].push(list);
    } else stack[stack.length - 1].push(token);
  }
  return stack[0];
}

function compile([, name, ...items]) {
  const locals = new Map();
  const parameters = [];
  const own = [];
  const code = [];
  for (const item of items) {
    if (item[0] === "param" || item[0] === "local") {
      locals.set(item[1], locals.size);
      (item[0] === "param" ? parameters : own).push(TYPES[item[2]]);
    } else code.push(...instruction(item, locals, []));
  }
  const body = [...vector(own.map((type) => [1, type])), ...code, 0x0b];
  return { name: name.slice(1), parameters, body };
}

function instruction([op, ...rest], locals, labels) {
  const all = (items, inner = labels) => items.flatMap((item) => instruction(item, locals, inner));
  const local = () => unsigned(known(locals.get(rest[0]), rest[0]));
  switch (op) {
    case "local.get":
      return [0x20, ...local()];
    case "local.set":
      return [...all(rest.slice(1)), 0x21, ...local()];
    case "i32.const":
      return [0x41, ...signed(Number(rest[0]))];
    case "f32.const":
      return [0x43, ...new Uint8Array(Float32Array.of(Number(rest[0])).buffer)];
    case "loop":
      return [0x03, 0x40, ...all(rest.slice(1), [rest[0], ...labels]), 0x0b];
    case "if":
      return [...all([rest[0]]), 0x04, 0x40, ...all(rest[1].slice(1), ["", ...labels]), 0x0b];
    case "br_if":
      return [...all(rest.slice(1)), 0x0d, known(labels.indexOf(rest[0]), rest[0])];
  }
  if (op in MEMORY) {
    const offset = typeof rest[0] === "string" ? Number(rest.shift().replace("offset=", "")) : 0;
    return [...all(rest), ...MEMORY[op][0], MEMORY[op][1], ...unsigned(offset)];
  }
  if (op in PLAIN) return [...all(rest), PLAIN[op]];
  return [...all(rest), 0xfd, ...unsigned(known(VECTOR[op], op))];
}

function known(value, name) {
  if (value === undefined || value < 0) throw new Error(`the assembler does not know ${name}`);
  return value;
}

function section(id, content) {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items) {
  return [...unsigned(items.length), ...items.flat()];
}

function text(string) {
  return vector(Array.from(string, (letter) => [letter.charCodeAt(0)]));
}

function unsigned(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

function signed(value) {
  const bytes = [];
  while (value < -64 || value > 63) {
    bytes.push((value & 127) | 128);
    value >>= 7;
  }
  return [...bytes, value & 127];
}
