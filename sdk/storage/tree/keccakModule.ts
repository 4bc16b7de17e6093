/**
 * Writes the WebAssembly module that hashes two inputs at once with keccak256 (FIPS 202's permutation, the original
 * padding): lane 0 of every 128-bit word belongs to the first, lane 1 to the second. It exports three functions:
 *
 *   leaves(input, count, output)  count chunks of 256 bytes → count digests of 32 bytes
 *   parents(input, count, output) count pairs of 64 bytes → count digests of 32 bytes
 *   root(input, count, output)    count chunks of 256 bytes → the root of their tree, 32 bytes
 *
 * The first two read and write a whole pair of lanes, so an odd count reads one extra input and writes one extra
 * digest: that memory must exist. `output` may equal `input`. `root` needs room for the leaves at `output`.
 */

/** Bytes of the memory that the module asks for, in pages of 64 KiB. */
const MEMORY_PAGES = 8;

/** Bytes of a leaf, and of the two nodes under a parent. */
const CHUNK = 256;
const NODES = 64;

const RATE_WORDS = 17;
const BLOCK_BYTES = 8 * RATE_WORDS;
const ROUNDS = 24;

// Opcodes of the WebAssembly core specification, appendix "Index of Instructions".
const I32 = 0x7f;
const V128 = 0x7b;
const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const BR = 0x0c;
const BR_IF = 0x0d;
const CALL = 0x10;
const EMPTY = 0x40;
const I32_CONST = 0x41;
const I32_LT_S = 0x48;
const I32_GT_S = 0x4a;
const I32_ADD = 0x6a;
const I32_AND = 0x71;
const I32_SHL = 0x74;
const I32_SHR_U = 0x76;
const MEMORY_COPY = [0xfc, 0x0a, 0, 0];
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const SIMD = 0xfd;
const V128_LOAD64_SPLAT = 0x0a;
const V128_CONST = 0x0c;
const V128_ANDNOT = 0x4f;
const V128_OR = 0x50;
const V128_XOR = 0x51;
const V128_LOAD64_LANE = 0x57;
const V128_STORE64_LANE = 0x5b;
const V128_LOAD64_ZERO = 0x5d;
const I64X2_SHL = 0xcb;
const I64X2_SHR_U = 0xcd;

/** Opcodes and their operands, in order, arbitrarily nested. */
type Code = readonly (number | Code)[];

const flatten = (code: readonly unknown[]) => code.flat(Number.POSITIVE_INFINITY) as number[];

/** LEB128, the encoding of every integer in a module. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    bytes.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return bytes;
}

function signed(value: number): Code {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    const done = (value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const simd = (code: number): Code => [SIMD, unsigned(code)];
const get = (local: number): Code => [LOCAL_GET, unsigned(local)];
const set = (local: number): Code => [LOCAL_SET, unsigned(local)];
const tee = (local: number): Code => [LOCAL_TEE, unsigned(local)];
const i32 = (value: number): Code => [I32_CONST, signed(value)];
const add = (value: number): Code => [i32(value), I32_ADD];
/** Alignment hint (none) and offset of a memory access. */
const at = (offset: number): Code => [0, unsigned(offset)];
const xor = simd(V128_XOR);

/** Local variables: four parameters, then two counters, the state and its scratch. */
const INPUT = 0;
const COUNT = 1;
const OUTPUT = 2;
const LENGTH = 3;
const ROUND = 4;
/** Number of input bytes not absorbed yet. */
const LEFT = 5;
const STATE = 6;
const NEXT = STATE + 25;
const PARITY = NEXT + 25;
const DELTA = PARITY + 5;
const LANE = DELTA + 5;
const VECTORS = 25 + 25 + 5 + 5 + 5;

/** Rotation offsets of rho and places of pi, by walking (x, y) → (y, 2x + 3y) from (1, 0): FIPS 202, 3.2.2 and 3.2.3. */
const ROTATION = new Array<number>(25).fill(0);
const PLACE = new Array<number>(25).fill(0);
for (let t = 0, x = 1, y = 0; t < 24; t++) {
  ROTATION[x + 5 * y] = (((t + 1) * (t + 2)) / 2) % 64;
  [x, y] = [y, (2 * x + 3 * y) % 5];
}
for (let x = 0; x < 5; x++) {
  for (let y = 0; y < 5; y++) PLACE[x + 5 * y] = y + 5 * ((2 * x + 3 * y) % 5);
}

/** Constants of iota, from the LFSR x^8 + x^6 + x^5 + x^4 + 1: FIPS 202, 3.2.5. */
export function roundConstants(): BigUint64Array {
  const constants = new BigUint64Array(ROUNDS);
  for (let round = 0, lfsr = 1; round < ROUNDS; round++) {
    for (let j = 0; j <= 6; j++) {
      if (lfsr & 1) constants[round]! |= 1n << BigInt(2 ** j - 1);
      lfsr = lfsr & 0x80 ? ((lfsr << 1) ^ 0x171) & 0xff : lfsr << 1;
    }
  }
  return constants;
}

const WORDS = [...Array(25).keys()];
const COLUMNS = [...Array(5).keys()];

/** Leaves `local` rotated left on the stack. */
function rotated(local: number, bits: number): Code {
  if (bits === 0) return get(local);
  const left = [get(local), i32(bits), simd(I64X2_SHL)];
  const right = [get(local), i32(64 - bits), simd(I64X2_SHR_U)];
  return [left, right, simd(V128_OR)];
}

/** The rest of theta, rho, pi and chi for one row: five words at a time fit in registers, twenty-five do not. */
function nextRow(row: number, state: number, next: number): Code {
  const moved = COLUMNS.map((x) => {
    const from = PLACE.indexOf(row + x);
    const mixed = [get(state + from), get(DELTA + (from % 5)), xor, set(LANE + x)];
    return [mixed, rotated(LANE + x, ROTATION[from]!), set(LANE + x)];
  });
  // a ^ (~b & c): andnot inverts its second operand
  const chi = COLUMNS.map((x) => [
    [get(LANE + x), get(LANE + ((x + 2) % 5)), get(LANE + ((x + 1) % 5))],
    [simd(V128_ANDNOT), xor, set(next + row + x)],
  ]);
  return [moved, chi];
}

/** theta, rho, pi, chi and iota from one state to the next; its constant is in memory at ROUND + `constant`. */
function round(state: number, next: number, constant: number): Code {
  const parities = COLUMNS.map((x) => [
    get(state + x),
    [1, 2, 3, 4].map((y) => [get(state + x + 5 * y), xor]),
    set(PARITY + x),
  ]);
  const deltas = COLUMNS.map((x) => [
    [get(PARITY + ((x + 4) % 5)), rotated(PARITY + ((x + 1) % 5), 1), xor],
    set(DELTA + x),
  ]);
  const rows = [0, 5, 10, 15, 20].map((row) => nextRow(row, state, next));
  const iota = [get(ROUND), simd(V128_LOAD64_SPLAT), at(constant)];
  return [parities, deltas, rows, get(next), iota, xor, set(next)];
}

/** Two rounds at a time, there and back, so that nothing is copied between them, which saves some 6 % of the time. */
function permutation(): Code {
  const rounds = [round(STATE, NEXT, 0), round(NEXT, STATE, 8)];
  const next = [get(ROUND), add(16), tee(ROUND), i32(8 * ROUNDS), I32_LT_S];
  return [i32(0), set(ROUND), LOOP, EMPTY, rounds, next, BR_IF, 0, END];
}

/** Leaves the words at `offset` of both inputs on the stack; the second input is LENGTH bytes after the first. */
function pair(offset: number): Code {
  const first = [get(INPUT), simd(V128_LOAD64_ZERO), at(offset)];
  const second = [get(INPUT), get(LENGTH), I32_ADD];
  return [
    [second, first],
    [simd(V128_LOAD64_LANE), at(offset), 1],
  ];
}

/** A 64-bit constant in both lanes. */
function constant(value: bigint): Code {
  return [simd(V128_CONST), [...new Uint8Array(new BigUint64Array([value, value]).buffer)]];
}

/** XORs what `code` leaves on the stack into a word of the state. */
const mix = (word: number, code: Code): Code => [get(STATE + word), code, xor, set(STATE + word)];

/** Absorbs bytes `start` to `end` of both inputs, with the padding if they are not a whole block. */
function absorb(start: number, end: number): Code {
  const words = (end - start) / 8;
  const content = WORDS.slice(0, words).map((w) => mix(w, pair(start + 8 * w)));
  if (words === RATE_WORDS) return content;
  return [content, mix(words, constant(1n)), mix(RATE_WORDS - 1, constant(1n << 63n))];
}

const isMore = (bytes: number): Code => [get(LEFT), i32(bytes), I32_GT_S];

/** keccak256 of two inputs of LENGTH bytes: absorbs block by block and writes 32 bytes each. */
function hashPair(): Code {
  const begin = [WORDS.map((i) => [constant(0n), set(STATE + i)]), get(LENGTH), set(LEFT)];
  const last = [
    [get(LENGTH), i32(NODES), I32_GT_S],
    [IF, EMPTY, absorb(BLOCK_BYTES, CHUNK), ELSE, absorb(0, NODES), END],
    [i32(0), set(LEFT)],
  ];
  const first = [absorb(0, BLOCK_BYTES), get(LEFT), add(-BLOCK_BYTES), set(LEFT)];
  const blocks = [
    [isMore(BLOCK_BYTES), IF, EMPTY, first, ELSE, last, END],
    [permutation(), isMore(0), BR_IF, 0],
  ];
  const squeeze = [0, 1, 2, 3].flatMap((w) =>
    [0, 1].map((lane) => [
      [get(OUTPUT), get(STATE + w), simd(V128_STORE64_LANE)],
      [at(8 * w + 32 * lane), lane],
    ]),
  );
  return [begin, LOOP, EMPTY, blocks, END, squeeze];
}

/** A function as the code section takes it. */
function body(locals: Code, code: Code): Code {
  const flat = flatten([locals, code, END]);
  return [unsigned(flat.length), flat];
}

/** hash(input, count, output, length): while (count > 0) { hash two; input += 2 × length; output += 64; count -= 2 } */
function hashAll(): Code {
  const loop = [
    [get(COUNT), i32(1), I32_LT_S, BR_IF, 1],
    hashPair(),
    [get(INPUT), get(LENGTH), i32(1), I32_SHL, I32_ADD, set(INPUT)],
    [get(OUTPUT), add(64), set(OUTPUT)],
    [get(COUNT), add(-2), set(COUNT)],
    [BR, 0],
  ];
  return body([2, 2, I32, unsigned(VECTORS), V128], [BLOCK, EMPTY, LOOP, EMPTY, loop, END, END]);
}

const call = (length: number): Code => [i32(length), CALL, HASH];

/** leaves and parents: hash of one length. */
const hashOf = (length: number): Code =>
  body([0], [get(INPUT), get(COUNT), get(OUTPUT), call(length)]);

/**
 * leaves(input, count, output); while (count > 1) { parents(output, count / 2, output), and an odd last node moves up
 * unchanged; count = (count + 1) / 2 }
 */
function foldTree(): Code {
  const half = [get(COUNT), i32(1), I32_SHR_U];
  const node = (index: Code): Code => [get(OUTPUT), index, i32(5), I32_SHL, I32_ADD];
  const last = [get(COUNT), add(-1)];
  const loop = [
    [get(COUNT), i32(2), I32_LT_S, BR_IF, 1],
    [get(OUTPUT), half, get(OUTPUT), call(NODES)],
    [get(COUNT), i32(1), I32_AND, IF, EMPTY],
    [node(half), node(last), i32(32), MEMORY_COPY, END],
    [get(COUNT), add(1), i32(1), I32_SHR_U, set(COUNT)],
    [BR, 0],
  ];
  const leaves = [get(INPUT), get(COUNT), get(OUTPUT), call(CHUNK)];
  return body([0], [leaves, BLOCK, EMPTY, LOOP, EMPTY, loop, END, END]);
}

/** Functions of the module, in the order of its sections; all but the first have its first three parameters. */
const HASH = 0;
const LEAVES = 1;
const PARENTS = 2;
const ROOT = 3;

/** The module's bytes. Memory starts with the round constants (192 bytes). */
export function keccakModule(): Uint8Array<ArrayBuffer> {
  const section = (id: number, content: Code): Code => {
    const flat = flatten(content);
    return [id, unsigned(flat.length), flat];
  };
  const name = (text: string): Code => [text.length, [...Buffer.from(text)]];
  const entry = (text: string, func: number): Code => [name(text), 0, func];
  const entries = [entry("leaves", LEAVES), entry("parents", PARENTS), entry("root", ROOT)];
  const types = [
    [0x60, 4, I32, I32, I32, I32, 0],
    [0x60, 3, I32, I32, I32, 0],
  ];
  return Uint8Array.from(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
      section(1, [2, types]),
      section(3, [4, 0, 1, 1, 1]),
      section(5, [1, 0, MEMORY_PAGES]),
      section(7, [4, name("memory"), 2, 0, entries]),
      section(10, [4, hashAll(), hashOf(CHUNK), hashOf(NODES), foldTree()]),
    ]),
  );
}
