import type { Stats } from "node:fs";
import { access, constants, lstat, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ProtocolError } from "../../errors.ts";
import { unwritableError } from "../../fileErrors.ts";
import { ensureDiskSpace } from "./ensureDiskSpace.ts";
import { partPathOf } from "./publishFile.ts";

export interface OutputOptions {
  /** Replace an existing file. */
  readonly force?: boolean;
  /** Files that the result is made from: never overwritten, not even with `force`. */
  readonly inputs?: readonly string[];
  /** Number of bytes to be written, if known. */
  readonly size?: number;
  /** Whether the regular file at `path` is exactly the result. Default: no file is. */
  readonly isResult?: (path: string) => Promise<boolean>;
}

export interface CheckedOutput {
  /** Path to write to: the target if the given path is a link. */
  readonly path: string;
  /** Whether the file already is the result, so that nothing has to be written. */
  readonly isDone: boolean;
}

/**
 * Checks the path for a result before any work for it starts. Changes nothing. Write the result with
 * `writeAtomically(checked.path, …)`, or by a verb that publishes a file with `publishFile`.
 *
 *     const output = await checkOutput("model.zip", { force, inputs: [encryptedPath], size });
 *     if (!output.isDone) await work(output.path);
 *
 * @throws ProtocolError "usage" if the path is a directory, a device, a pipe, a socket, a dangling link or one of the
 * inputs; if another file exists and `force` is not given; if its folder is missing or not writable. "unexpected" if
 * the disk has no room for `size` bytes.
 */
export async function checkOutput(
  given: string,
  { force = false, inputs = [], size, isResult }: OutputOptions = {},
): Promise<CheckedOutput> {
  const path = await followLink(given);
  const part = partPathOf(path);
  for (const place of [path, part]) {
    refuseOtherKinds(place === path ? given : part, await find(place));
    await refuseInputs(place, inputs);
  }
  await requireWritable(dirname(path));
  const found = await find(path);
  if (found && (await isResult?.(path))) return { path, isDone: true };
  if (found && !force) throw outputExistsError(given, isResult !== undefined);
  if (size !== undefined) await ensureDiskSpace(dirname(path), size, [part]);
  return { path, isDone: false };
}

const find = (path: string): Promise<Stats | undefined> => lstat(path).catch(() => undefined);

/** A link is kept, and its target is written. */
async function followLink(path: string): Promise<string> {
  if (!(await find(path))?.isSymbolicLink()) return path;
  return realpath(path).catch((cause) => {
    throw new ProtocolError(
      "usage",
      `${path} is a link to a file that does not exist.`,
      "Remove the link, or give another path.",
      { cause },
    );
  });
}

function refuseOtherKinds(path: string, found: Stats | undefined): void {
  if (!found || found.isFile()) return;
  const kind = KINDS.find(([is]) => is(found))?.[1] ?? "something else";
  throw new ProtocolError(
    "usage",
    `${path} is ${kind}, not a file.`,
    "Give the path of a new file.",
  );
}

const KINDS: readonly (readonly [(found: Stats) => boolean, string])[] = [
  [(found) => found.isDirectory(), "a directory"],
  [(found) => found.isCharacterDevice() || found.isBlockDevice(), "a device"],
  [(found) => found.isFIFO(), "a pipe"],
  [(found) => found.isSocket(), "a socket"],
  [(found) => found.isSymbolicLink(), "a link"],
];

async function refuseInputs(path: string, inputs: readonly string[]): Promise<void> {
  const output = await find(path);
  if (!output) return;
  for (const input of inputs) {
    const found = await stat(input).catch(() => undefined);
    if (found?.ino !== output.ino || found.dev !== output.dev) continue;
    throw new ProtocolError(
      "usage",
      `${input} is an input of the result: writing ${path} would destroy it.`,
      "Give another path for the result.",
    );
  }
}

async function requireWritable(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new ProtocolError(
      "usage",
      `The directory ${directory} does not exist.`,
      "Create it first, or give a path in a directory that exists.",
    );
  }
  await access(directory, constants.W_OK | constants.X_OK).catch((cause) => {
    throw unwritableError(directory, cause);
  });
}

function outputExistsError(path: string, wasCompared: boolean): ProtocolError {
  return new ProtocolError(
    "usage",
    `${path} already exists${wasCompared ? " and holds something else" : ""}.`,
    "Give another path, or allow that file to be replaced.",
    { next: { parameter: "force" } },
  );
}
