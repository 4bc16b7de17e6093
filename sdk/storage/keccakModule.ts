/**
 * Writes the WebAssembly module that hashes two inputs at once with keccak256 (FIPS 202's permutation, the original
 * padding): lane 0 of every 128-bit word belongs to the first, lane 1 to the second. Three functions come out of it:
 *
 *   leaves(input, count, output)  count chunks of 256 bytes → count digests of 32 bytes
 *   parents(input, count, output) count pairs of 64 bytes → count digests of 32 bytes
 *   root(input, count, output)    count chunks of 256 bytes → the root of their tree, 32 bytes
 *
 * The first two read and write a whole pair of lanes, so that an odd count reads one input and writes one digest too
 * many: the memory has to be there. `output` may equal `input`. `root` needs room for the leaves at `output`.
 */

/** Bytes of the memory that the module asks for, in pages of 64 KiB. */
const MEMORY_PAGES = 8;

const RATE_WORDS = 17;
const ROUNDS = 24;

// Opcodes of the WebAssembly core specification, appendix "Index of Instructions".
const I32 = 0x7f;
const V128 = 0x7b;
const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const END = 0x0b;
const BR = 0x0c;
const BR_IF = 0x0d;
const CALL = 0x10;
const EMPTY = 0x40;
const I32_CONST = 0x41;
const I32_LT_S = 0x48;
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

type Code = number[];

/** LEB128, the encoding of every integer in a module. */
function unsigned(value: number): Code {
  const bytes: Code = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    bytes.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return bytes;
}

function signed(value: number): Code {
  const bytes: Code = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    const done = (value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const simd = (code: number): Code => [SIMD, ...unsigned(code)];
const get = (local: number): Code => [LOCAL_GET, ...unsigned(local)];
const set = (local: number): Code => [LOCAL_SET, ...unsigned(local)];
const tee = (local: number): Code => [LOCAL_TEE, ...unsigned(local)];
const i32 = (value: number): Code => [I32_CONST, ...signed(value)];
const add = (value: number): Code => [...i32(value), I32_ADD];
/** Alignment hint (none) and offset of a memory access. */
const at = (offset: number): Code => [0, ...unsigned(offset)];
const xor = simd(V128_XOR);

/** Local variables: three parameters, then the round counter, the state and its scratch. */
const INPUT = 0;
const COUNT = 1;
const OUTPUT = 2;
const ROUND = 3;
const STATE = 4;
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

/** Leaves `local` rotated left on the stack. */
function rotated(local: number, bits: number): Code {
  if (bits === 0) return get(local);
  const left = [...get(local), ...i32(bits), ...simd(I64X2_SHL)];
  const right = [...get(local), ...i32(64 - bits), ...simd(I64X2_SHR_U)];
  return [...left, ...right, ...simd(V128_OR)];
}

/** The rest of theta, rho, pi and chi for one row: five words at a time stay in registers, twenty-five would not. */
function nextRow(row: number): Code {
  const code: Code = [];
  for (let x = 0; x < 5; x++) {
    const from = PLACE.indexOf(row + x);
    code.push(...get(STATE + from), ...get(DELTA + (from % 5)), ...xor, ...set(LANE + x));
    code.push(...rotated(LANE + x, ROTATION[from]!), ...set(LANE + x));
  }
  for (let x = 0; x < 5; x++) {
    // a ^ (~b & c): andnot takes the one to be inverted second
    code.push(...get(LANE + x), ...get(LANE + ((x + 2) % 5)), ...get(LANE + ((x + 1) % 5)));
    code.push(...simd(V128_ANDNOT), ...xor, ...set(NEXT + row + x));
  }
  return code;
}

/** theta, rho, pi, chi and iota on the state; the constant comes from memory at 8 × round. */
function round(): Code {
  const code: Code = [];
  for (let x = 0; x < 5; x++) {
    code.push(...get(STATE + x));
    for (let y = 1; y < 5; y++) code.push(...get(STATE + x + 5 * y), ...xor);
    code.push(...set(PARITY + x));
  }
  for (let x = 0; x < 5; x++) {
    code.push(...get(PARITY + ((x + 4) % 5)), ...rotated(PARITY + ((x + 1) % 5), 1), ...xor);
    code.push(...set(DELTA + x));
  }
  for (let row = 0; row < 25; row += 5) code.push(...nextRow(row));
  for (let i = 0; i < 25; i++) code.push(...get(NEXT + i), ...set(STATE + i));
  code.push(...get(STATE), ...get(ROUND), ...simd(V128_LOAD64_SPLAT), ...at(0));
  code.push(...xor, ...set(STATE));
  return code;
}

function permutation(): Code {
  const next = [...get(ROUND), ...add(8), ...tee(ROUND), ...i32(8 * ROUNDS), I32_LT_S];
  return [...i32(0), ...set(ROUND), LOOP, EMPTY, ...round(), ...next, BR_IF, 0, END];
}

/** Leaves words `word` of both inputs on the stack, the second one `stride` bytes behind the first. */
function pair(offset: number, stride: number): Code {
  const first = [...get(INPUT), ...get(INPUT), ...simd(V128_LOAD64_ZERO), ...at(offset)];
  return [...first, ...simd(V128_LOAD64_LANE), ...at(offset + stride), 1];
}

/** A 64-bit constant in both lanes. */
function constant(value: bigint): Code {
  const bytes = new Uint8Array(new BigUint64Array([value, value]).buffer);
  return [...simd(V128_CONST), ...bytes];
}

/** Sets a state word to zero, or XORs what is on the stack into it. */
const mix = (word: number, code: Code): Code => [
  ...get(STATE + word),
  ...code,
  ...xor,
  ...set(STATE + word),
];

/** keccak256 of two inputs of `length` bytes, `stride` apart: absorbs block by block and writes 32 bytes each. */
function hashPair(length: number, stride: number): Code {
  const words = length / 8;
  const code: Code = [];
  for (let i = 0; i < 25; i++) code.push(...constant(0n), ...set(STATE + i));
  for (let start = 0; start <= words; start += RATE_WORDS) {
    const end = Math.min(start + RATE_WORDS, words);
    for (let w = start; w < end; w++) code.push(...mix(w - start, pair(8 * w, stride)));
    if (end < start + RATE_WORDS) {
      code.push(...mix(end - start, constant(1n)), ...mix(RATE_WORDS - 1, constant(1n << 63n)));
    }
    code.push(...permutation());
  }
  for (let w = 0; w < 4; w++) {
    for (const lane of [0, 1]) {
      code.push(...get(OUTPUT), ...get(STATE + w), ...simd(V128_STORE64_LANE));
      code.push(...at(8 * w + 32 * lane), lane);
    }
  }
  return code;
}

/** while (count > 0) { hash two; input += 2 × length; output += 64; count -= 2 } */
function hashAll(length: number): Code {
  const body = [
    ...[...get(COUNT), ...i32(1), I32_LT_S, BR_IF, 1],
    ...hashPair(length, length),
    ...[...get(INPUT), ...add(2 * length), ...set(INPUT)],
    ...[...get(OUTPUT), ...add(64), ...set(OUTPUT)],
    ...[...get(COUNT), ...add(-2), ...set(COUNT)],
    ...[BR, 0],
  ];
  const locals = [2, 1, I32, ...unsigned(VECTORS), V128];
  const code = [...locals, BLOCK, EMPTY, LOOP, EMPTY, ...body, END, END, END];
  return [...unsigned(code.length), ...code];
}

/**
 * leaves(input, count, output); while (count > 1) { parents(output, count / 2, output), and an odd last node moves up
 * unchanged; count = (count + 1) / 2 }
 */
function foldTree(): Code {
  const half = [...get(COUNT), ...i32(1), I32_SHR_U];
  const node = (index: Code): Code => [...get(OUTPUT), ...index, ...i32(5), I32_SHL, I32_ADD];
  const last = [...get(COUNT), ...add(-1)];
  const body = [
    ...[...get(COUNT), ...i32(2), I32_LT_S, BR_IF, 1],
    ...[...get(OUTPUT), ...half, ...get(OUTPUT), CALL, PARENTS],
    ...[...get(COUNT), ...i32(1), I32_AND, IF, EMPTY],
    ...[...node(half), ...node(last), ...i32(32), ...MEMORY_COPY, END],
    ...[...get(COUNT), ...add(1), ...i32(1), I32_SHR_U, ...set(COUNT)],
    ...[BR, 0],
  ];
  const leaves = [...get(INPUT), ...get(COUNT), ...get(OUTPUT), CALL, LEAVES];
  const code = [0, ...leaves, BLOCK, EMPTY, LOOP, EMPTY, ...body, END, END, END];
  return [...unsigned(code.length), ...code];
}

/** Functions of the module, in the order of its sections. */
const LEAVES = 0;
const PARENTS = 1;
const ROOT = 2;

/** The module's bytes. Memory starts with the round constants (192 bytes). */
export function keccakModule(): Uint8Array<ArrayBuffer> {
  const section = (id: number, content: Code): Code => [
    id,
    ...unsigned(content.length),
    ...content,
  ];
  const name = (text: string): Code => [text.length, ...Buffer.from(text)];
  const entry = (text: string, func: number): Code => [...name(text), 0, func];
  const entries = [
    ...entry("leaves", LEAVES),
    ...entry("parents", PARENTS),
    ...entry("root", ROOT),
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
    ...section(1, [1, 0x60, 3, I32, I32, I32, 0]), // one type: three integers, no result
    ...section(3, [3, 0, 0, 0]),
    ...section(5, [1, 0, MEMORY_PAGES]),
    ...section(7, [4, ...name("memory"), 2, 0, ...entries]),
    ...section(10, [3, ...hashAll(256), ...hashAll(64), ...foldTree()]),
  ]);
}
