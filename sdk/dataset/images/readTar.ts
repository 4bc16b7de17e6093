import { DamagedArchiveError } from "./DamagedArchiveError.ts";

/** An entry of a tar; its content can be read until the next entry is requested. */
export interface TarEntry {
  readonly name: Buffer;
  /** Bytes of its content. */
  readonly size: number;
  /** "other": links, devices and anything else that is not a regular file. */
  readonly kind: "file" | "directory" | "other";
  read(): Promise<Buffer>;
}

const BLOCK = 512;
/** Maximum size of an extended header, which contains names. */
const MAX_META_BYTES = 2 ** 20;
/** Maximum total of all extended headers: 2 KiB for each of a million entries. */
const MAX_META_TOTAL = 2 ** 31;
/** Zero bytes after the end mark. */
const MAX_PADDING = 2 ** 20;
const KINDS: Record<string, TarEntry["kind"]> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "5": "directory",
};

/**
 * Reads the entries of a tar (POSIX ustar, with pax and GNU long names) with constant memory use, by the trainer's
 * rules: a damaged header does not count as the end of the archive, and nothing may follow the end.
 * @throws DamagedArchiveError
 */
export async function* readTar(chunks: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const reader = new BlockReader(chunks);
  const extended = new ExtendedHeaders(reader);
  while (true) {
    const header = await reader.header();
    if (isZero(header)) return await reader.finish();
    const declared = checkHeader(header);
    const type = header.toString("latin1", 156, 157);
    if ("xgLK".includes(type)) {
      await extended.read(type, declared);
      continue;
    }
    const named = extended.take();
    const size = named.size ?? declared;
    reader.enter(size);
    const name = named.path?.length ? named.path : nameOf(header);
    yield { name, size, kind: KINDS[type] ?? "other", read: () => reader.take(size) };
  }
}

interface PaxFields {
  readonly path?: Buffer;
  readonly size?: number;
}

/** Extended headers before an entry, which override the entry's own header. */
class ExtendedHeaders {
  readonly #reader: BlockReader;
  #fields: PaxFields = {};
  #bytes = 0;

  constructor(reader: BlockReader) {
    this.#reader = reader;
  }

  async read(type: string, size: number): Promise<void> {
    if (size > MAX_META_BYTES) throw damagedTarError("an extended header is too long");
    this.#bytes += BLOCK + size;
    if (this.#bytes > MAX_META_TOTAL) throw damagedTarError("it has too many extended headers");
    this.#reader.enter(size);
    const content = await this.#reader.take(size);
    if (type === "x") this.#fields = { ...this.#fields, ...paxFields(content) };
    else if (type === "L") this.#fields = { ...this.#fields, path: cutAtZero(content) };
  }

  /** The fields read since the last entry. */
  take(): PaxFields {
    const fields = this.#fields;
    this.#fields = {};
    return fields;
  }
}

/** Reads blocks and contents from chunks of any size, and keeps track of the next header. */
class BlockReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Starts an entry's content, which is padded to whole blocks. */
  enter(size: number): void {
    this.#left = Math.ceil(size / BLOCK) * BLOCK;
  }

  /** Reads from the current entry's content. */
  async take(size: number): Promise<Buffer> {
    this.#left -= size;
    return this.#read(size);
  }

  /** Skips the rest of the current entry and reads the block after it. */
  async header(): Promise<Buffer> {
    while (this.#left > 0) await this.take(Math.min(this.#left, 2 ** 20));
    return this.#read(BLOCK);
  }

  /** Checks that only zeros come after the end mark. */
  async finish(): Promise<void> {
    let padding = 0;
    do {
      padding += this.#rest.length;
      if (padding > MAX_PADDING || !isZero(this.#rest)) {
        throw damagedTarError("data follows its end mark");
      }
    } while (await this.#fill());
  }

  async #read(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#fill()))
        throw damagedTarError("it ends too early");
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Reads the next chunk; false at the end. */
  async #fill(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    this.#rest = done ? Buffer.alloc(0) : value;
    return !done;
  }
}

/** Verifies the header's checksum and returns the size of the content. */
function checkHeader(header: Buffer): number {
  const sum = (bytes: Buffer) => bytes.reduce((total, byte) => total + byte, 0);
  const checksum = header.subarray(148, 156);
  if (numberIn(checksum) !== sum(header) - sum(checksum) + 8 * 0x20) {
    throw damagedTarError("a header's checksum is wrong");
  }
  return numberIn(header.subarray(124, 136));
}

/** An octal number, or a binary one if it does not fit. */
function numberIn(field: Buffer): number {
  if (field[0] === 0x80) {
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, 0);
  }
  const digits = field.toString("latin1").replace(/^[ \0]+|[ \0]+$/g, "");
  if (!/^[0-7]*$/.test(digits)) throw damagedTarError("a header field is not a number");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

function nameOf(header: Buffer): Buffer {
  const name = cutAtZero(header.subarray(0, 100));
  const prefix = cutAtZero(header.subarray(345, 500));
  const isPosix = header.toString("latin1", 257, 263) === "ustar\0";
  return isPosix && prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), name]) : name;
}

/** Reads records of the form "length key=value"; only path and size are used. */
function paxFields(content: Buffer): PaxFields {
  const fields: { path?: Buffer; size?: number } = {};
  let rest = content;
  while (rest.length > 0) {
    const digits = /^\d{1,7}(?= )/.exec(rest.toString("latin1", 0, 8))?.[0] ?? "0";
    const record = rest.subarray(digits.length + 1, Number(digits));
    const equals = record.indexOf("=");
    if (equals < 0 || record.at(-1) !== 10)
      throw damagedTarError("an extended header cannot be read");
    const key = record.toString("latin1", 0, equals);
    const value = record.subarray(equals + 1, -1);
    if (key === "path") fields.path = cutAtZero(value);
    if (key === "size") fields.size = decimal(value.toString("latin1"));
    rest = rest.subarray(Number(digits));
  }
  return fields;
}

function decimal(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw damagedTarError("an extended header field is not a number");
  }
  return Number(text);
}

function cutAtZero(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function damagedTarError(reason: string): DamagedArchiveError {
  return new DamagedArchiveError(`The tar cannot be read (${reason}).`);
}
