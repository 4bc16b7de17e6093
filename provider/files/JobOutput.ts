import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, opendir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { TaskRefusedError } from "../errors.ts";

/**
 * The only way in which the daemon reads the output of a training run. A training run can be compromised by its data:
 * it may write anything below its directory, and change it at any time. Therefore every name is opened relative to the
 * handle of its directory, and links are never followed; an opened file must be a regular file with a single name and
 * the directory's owner; opening never blocks on a pipe or a device; and published files are copies.
 *
 * Node has no openat. On Linux, the only system with a sandbox, `/proc/self/fd/<handle>/<name>` is equivalent.
 */

/** A regular file that a training run wrote. */
export interface OutputFile {
  /** Relative to the training run's directory, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Errors for names that cannot be opened: missing, a link, a socket, no permission, or too long. */
const UNREADABLE = ["ENOENT", "ELOOP", "ENOTDIR", "EMLINK", "ENXIO", "EACCES", "ENAMETOOLONG"];

/** Most names in all folders of an output; a normal model has dozens. */
const MAX_ENTRIES = 10_000;
const MAX_DEPTH = 8;

/** Names that are portable: no control characters, no backslash, valid UTF-8. */
const NAME = /^[^\p{Cc}\p{Cs}\\/\ufffd]+$/u;

/**
 * Opens a file that a training run wrote.
 * @param directory the directory that the training run may write to
 * @param path relative to it, with slashes
 * @returns null if there is no such file, or if it must not be read.
 */
export async function openOutput(directory: string, path: string): Promise<FileHandle | null> {
  const names = path.split("/");
  if (!names.every(isPlain)) return null;
  const root = await openUnlessUnreadable(directory, FOLDER);
  let folder = root;
  try {
    const owner = (await root?.stat())?.uid;
    for (const name of names.slice(0, -1)) {
      const next = folder && (await openUnlessUnreadable(below(folder, name), FOLDER));
      if (folder !== root) await folder?.close();
      folder = next;
    }
    const file = folder && (await openUnlessUnreadable(below(folder, names.at(-1)!), FILE));
    if (!file || isReadable(await file.stat(), owner)) return file;
    await file.close();
    return null;
  } finally {
    if (folder !== root) await folder?.close();
    await root?.close();
  }
}

/** The bytes of a small file; null if it cannot be opened or is larger than `maxBytes`. */
export async function readOutput(
  directory: string,
  path: string,
  maxBytes: number,
): Promise<Buffer | null> {
  const file = await openOutput(directory, path);
  if (!file) return null;
  try {
    // One byte more than allowed: the file can grow while it is read.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
    return bytesRead > maxBytes ? null : buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * The files in a folder that a training run wrote, and in all folders below it, sorted by code point. Links, files with
 * several names and anything but regular files are omitted.
 * @param maxBytes limit for their total size: a sparse file may claim any size
 * @throws TaskRefusedError "TrainingError" if there are too many names, folder levels or bytes.
 */
export async function listOutput(
  directory: string,
  folder: string,
  maxBytes: number,
): Promise<OutputFile[]> {
  const files: OutputFile[] = [];
  const root = await openUnlessUnreadable(directory, FOLDER);
  if (!root) return files;
  const walk = { owner: (await root.stat()).uid, files, entries: 0, bytes: 0, maxBytes };
  try {
    const first = await openUnlessUnreadable(below(root, folder), FOLDER);
    if (first) await listFolder(walk, first, folder, 1);
  } finally {
    await root.close();
  }
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/**
 * Copies a file that a training run wrote to a path of the daemon's own, which must not exist yet.
 * @throws if the file has changed since `listOutput`.
 */
export async function copyOutput(
  directory: string,
  file: OutputFile,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const source = await openListed(directory, file);
  try {
    const copy = await open(target, "wx", 0o600);
    const reading = source.createReadStream({ start: 0, end: file.size });
    await pipeline(reading, exactly(file), copy.createWriteStream({ flush: true }), { signal });
  } finally {
    await source.close(); // if there is a file at the target, nothing has read it to its end
  }
}

/** Opens a listed file. @throws if it has changed. */
export async function openListed(directory: string, file: OutputFile): Promise<FileHandle> {
  const handle = await openOutput(directory, file.path);
  const found = await handle?.stat().catch(() => undefined);
  if (handle && found?.size === file.size) return handle;
  await handle?.close();
  throw fileChangedError(file);
}

/** Passes a file's bytes through. @throws if their number differs from the listed size. */
function exactly(file: OutputFile) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > file.size) throw fileChangedError(file);
      yield chunk;
    }
    if (size < file.size) throw fileChangedError(file);
  };
}

interface Walk {
  readonly owner: number;
  readonly files: OutputFile[];
  readonly maxBytes: number;
  entries: number;
  bytes: number;
}

/** Lists one folder recursively, and closes it. */
async function listFolder(walk: Walk, folder: FileHandle, path: string, depth: number) {
  try {
    if (depth > MAX_DEPTH) throw outputLimitError(`folders more than ${MAX_DEPTH} deep`);
    for await (const { name } of await opendir(handlePath(folder))) {
      if (++walk.entries > MAX_ENTRIES) throw outputLimitError(`more than ${MAX_ENTRIES} names`);
      if (isPlain(name)) await listEntry(walk, below(folder, name), join(path, name), depth);
    }
  } finally {
    await folder.close();
  }
}

/** @param place path of the entry, below the handle of its folder */
async function listEntry(walk: Walk, place: string, path: string, depth: number) {
  const stats = await lstat(place).catch(nullIfUnreadable);
  if (stats?.isDirectory()) {
    const folder = await openUnlessUnreadable(place, FOLDER);
    if (folder) await listFolder(walk, folder, path, depth + 1);
  } else if (stats && isReadable(stats, walk.owner)) {
    walk.bytes += stats.size;
    if (walk.bytes > walk.maxBytes) throw outputLimitError(`more than ${walk.maxBytes} bytes`);
    walk.files.push({ path, size: stats.size });
  }
}

function isReadable(stats: Stats, owner: number | undefined): boolean {
  return stats.isFile() && stats.nlink <= 1 && stats.uid === owner;
}

function isPlain(name: string): boolean {
  return name !== "." && name !== ".." && NAME.test(name);
}

const handlePath = (folder: FileHandle) => `/proc/self/fd/${folder.fd}`;
const below = (folder: FileHandle, name: string) => `${handlePath(folder)}/${name}`;

function openUnlessUnreadable(path: string, flags: number): Promise<FileHandle | null> {
  return open(path, flags).catch(nullIfUnreadable);
}

function nullIfUnreadable(error: NodeJS.ErrnoException): null {
  if (UNREADABLE.includes(error.code ?? "")) return null;
  throw error;
}

function fileChangedError({ path }: OutputFile): Error {
  return new Error(`${path} changed while it was read.`);
}

function outputLimitError(what: string): TaskRefusedError {
  return new TaskRefusedError(
    "TrainingError",
    `The training's output has ${what}.`,
    "Order again, or choose another provider; the fee was returned.",
  );
}
