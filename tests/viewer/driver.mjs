/** Runs the viewer's decoder for the tests: one JSON request on stdin, one JSON answer on stdout. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const request = JSON.parse(readFileSync(0, "utf-8"));
const load = (name) => import(pathToFileURL(join(request.web, name)).href);
const { openFile } = await load("file.js");
const { Kernels } = await load("kernels.js");
const { Renderer } = await load("render.js");
const { crc32 } = await load("bytes.js");
const { DecodeError, LIMITS } = await load("errors.js");
const { readInit } = await load("shared_init.js");
const { sha256 } = await load("sha256.js");
const weightTables = await load("weight_tables.js");
const latentTables = await load("latent_tables.js");
const { priorOf } = await load("weights.js");
const { RangeDecoder } = await load("range_coder.js");

const bytesOf = (path) => new Uint8Array(readFileSync(path));
const inits = request.init ? [await readInit(bytesOf(request.init))] : [];

function digest(arrays, type = Int32Array) {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(new Uint8Array(type.from(array).buffer));
  return hash.digest("hex");
}

/** Integers and pixels of every view of files, the pixels written to request.out. */
async function decode() {
  const answers = {};
  for (const [name, { path, views }] of Object.entries(request.files)) {
    const kernels = new Kernels(request.vectors);
    const model = await openFile(bytesOf(path), { inits, kernels });
    const { steps, matrices, powers, tails } = model.coded;
    const renderer = new Renderer(model, kernels);
    views.forEach((view, i) => writeFileSync(join(request.out, `${name}.${i}`), renderer.samples(view)));
    answers[name] = {
      integers: digest([steps, ...matrices, ...model.grids.map(({ values }) => values), powers, ...tails]),
      weightBytes: model.weightBytes,
      latentBytes: model.grids.reduce((sum, { bits }) => sum + bits / 8, 0),
      iccProfileBytes: model.iccProfileBytes,
      vectors: kernels.vectors !== null,
    };
  }
  return answers;
}

/** What damaged files lead to: the kind of their error, "decoded", or any other exception. */
async function damage() {
  const limits = { ...LIMITS, pixels: 2 ** 16, latents: 2 ** 17, weights: 2 ** 15 };
  const kernels = new Kernels();
  const outcomes = [];
  for (const hexadecimal of request.inputs) {
    const data = Uint8Array.from(Buffer.from(hexadecimal, "hex"));
    const mark = kernels.mark();
    const began = performance.now();
    let outcome = "decoded";
    try {
      const model = await openFile(data, { inits, limits, kernels });
      const { height, width } = model.header;
      new Renderer(model, kernels).samples({ height: 5, width: 7, top: 0, left: 0, bottom: height, right: width });
    } catch (error) {
      outcome = error instanceof DecodeError ? error.kind : `${error.stack}`;
      if (error.message.includes("\n")) outcome = `a message of several lines: ${error.message}`;
    }
    kernels.release(mark);
    outcomes.push([outcome, performance.now() - began]);
  }
  return outcomes;
}

/** What archives lead to: the init's id, or the kind of their error. */
async function archives() {
  const outcomes = [];
  for (const hexadecimal of request.inputs) {
    try {
      outcomes.push((await readInit(Uint8Array.from(Buffer.from(hexadecimal, "hex")))).id);
    } catch (error) {
      outcomes.push(error instanceof DecodeError ? error.kind : `${error.stack}`);
    }
  }
  return outcomes;
}

function range(n, valueOf) {
  return Array.from({ length: n }, (_, i) => valueOf(i));
}

/** Symbols of streams with given ends of intervals, to compare with another range decoder; -1 ends a corrupt one. */
function symbols() {
  return request.streams.map(({ stream, tables }) => {
    const decoder = new RangeDecoder(Uint8Array.from(Buffer.from(stream, "hex")));
    const found = [];
    for (const ends of tables) {
      try {
        found.push(decoder.symbol(Int32Array.from(ends)));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        found.push(-1);
        break;
      }
    }
    return found;
  });
}

/** Whether the kernels in WebAssembly and in JavaScript agree on random matrices, and how exact sines are. */
function kernels() {
  const results = [true, false].map((vectors) => {
    const kernel = new Kernels(vectors);
    let state = 1;
    const random = () => ((state = Math.imul(state, 1103515245) + 12345) >>> 8) / 2 ** 24 - 0.5;
    const values = range(5 * 40, random);
    const x = kernel.allocate(values.length);
    kernel.heap.set(values, x);
    const matrix = { rows: 6, columns: 5, weight: random, bias: random };
    const weights = range(6, () => range(5, random));
    const packed = kernel.pack({ ...matrix, weight: (i, j) => weights[i][j] * 3000 });
    const inputs = kernel.rowsOf(5);
    kernel.point(inputs, range(5, (k) => x + 40 * k));
    const out = kernel.allocate(8 * 40);
    const found = [];
    for (const mode of [0, 1, 2, 3]) {
      kernel.dense(packed, inputs, out, 40, 37, mode);
      for (let i = 0; i < 6; i++) found.push(...kernel.heap.subarray(out + 40 * i, out + 40 * i + 37));
    }
    kernel.filter(x, out, 40, x + 60, 5, 7);
    found.push(...kernel.heap.subarray(out, out + 40));
    kernel.shift(x, out, 40, 1.5);
    found.push(...kernel.heap.subarray(out, out + 40));
    const z = kernel.allocate(4096);
    const factors = kernel.allocate(4096);
    kernel.heap.fill(30, factors, factors + 4096);
    for (let i = 0; i < 4096; i++) kernel.heap[z + i] = (i - 2048) * 1.37;
    kernel.sines(z, factors, 4096, 1.125, 0.75);
    return { vectors: kernel.vectors !== null, found, sines: [...kernel.heap.subarray(z, z + 4096)] };
  });
  const furthest = (name) => Math.max(...results[0][name].map((x, i) => Math.abs(x - results[1][name][i])));
  return { vectors: results.map((r) => r.vectors), linear: furthest("found"), sines: furthest("sines") };
}

const tables = () => ({
  weights: digest(range(64, weightTables.weightCounts), Uint32Array),
  latents: digest(
    [
      ...range(161 * 32, (i) => latentTables.differenceCounts(i >> 5, i & 31)),
      ...range(161, latentTables.highCounts),
      ...range(161, latentTables.lowCounts),
      latentTables.digitCounts(),
      latentTables.flagCounts(),
    ],
    Uint32Array,
  ),
  priors: [-64, -9, 0, 13, 64].map((g) => Object.values(priorOf(g)).map(Number)),
  crc32: crc32(new TextEncoder().encode("123456789")),
  sha256: Buffer.from(sha256(new TextEncoder().encode("abc".repeat(100)))).toString("hex"),
});

const jobs = { decode, damage, archives, tables, symbols, kernels };
process.stdout.write(`${JSON.stringify(await jobs[request.job]())}\n`);
