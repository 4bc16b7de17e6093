import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ProtocolError } from "../../sdk/errors.ts";
import { TASK_KEY_BYTES } from "../../sdk/exchange/userKey.ts";
import { unreadableError, unwritableError } from "../../sdk/fileErrors.ts";
import { writeSecretFile } from "../../sdk/storage/files/publishFile.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/**
 * The key file of --task-key, for an order: made if it does not exist, never replaced, never shown.
 * @returns undefined without the flag: the wallet's signature is used then.
 * @throws ProtocolError "usage" if the file is something else, or cannot be read or written.
 */
export async function openTaskKey(
  path: string | undefined,
  { dryRun }: { readonly dryRun: boolean },
  terminal: Terminal,
): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  const known = await readKey(path);
  if (known) return known;
  const key = randomBytes(TASK_KEY_BYTES);
  if (dryRun) return key;
  await writeSecretFile(path, `${key.toString("hex")}\n`).catch((error) => {
    throw unwritableError(path, error);
  });
  terminal.say(
    `Task key written to ${path}. Keep it: without it nobody can decrypt the model, and whoever has it can.`,
  );
  return key;
}

/**
 * The key file of --task-key, for a task that was ordered with it.
 * @throws ProtocolError "usage" if it is missing or something else.
 */
export async function readTaskKey(path: string | undefined): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  const key = await readKey(path);
  if (key) return key;
  throw new ProtocolError(
    "usage",
    `${path} does not exist.`,
    "Give --task-key the file that the task was ordered with.",
  );
}

/** null if there is no file. */
async function readKey(path: string): Promise<Uint8Array | null> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw unreadableError(path, error, "Check the path of --task-key and its permissions.");
  });
  if (text === null) return null;
  if (/^[0-9a-f]{64}\n?$/.test(text)) return Buffer.from(text.trim(), "hex");
  throw new ProtocolError(
    "usage",
    `${path} is not a task key.`,
    "Give --task-key a new path, or a file that create-task or fine-tuning create made for it.",
  );
}
