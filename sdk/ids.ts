import { ProtocolError } from "./errors.ts";

/** 16 bytes as 0x-hex, the id of a task on chain; shown to people as a UUID. */
export type TaskId = `0x${string}` & { readonly __brand: "TaskId" };

/** 32 bytes as 0x-hex: a 0G-compatible content address. */
export type Root = `0x${string}` & { readonly __brand: "Root" };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Parses a task id in either form: a UUID, or 0x and 32 hex digits.
 * @throws ProtocolError "usage" for anything else.
 * @example const id = parseTaskId("01234567-89ab-cdef-0123-456789abcdef");
 */
export function parseTaskId(text: string): TaskId {
  if (UUID.test(text)) return `0x${text.replaceAll("-", "").toLowerCase()}` as TaskId;
  if (/^0x[0-9a-f]{32}$/i.test(text)) return text.toLowerCase() as TaskId;
  throw new ProtocolError(
    "usage",
    `"${text}" is not a task id.`,
    "Give the UUID of one of your tasks.",
    { next: { verb: "listTasks", parameters: {} } },
  );
}

/**
 * Formats a task id as a UUID in lower case.
 * @example console.log(`Task ${formatTaskId(id)}`);
 */
export function formatTaskId(id: TaskId): string {
  const hex = id.slice(2);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/**
 * Parses a root hash: 0x and 64 hex digits.
 * @throws ProtocolError "usage" for anything else.
 * @example const root = parseRoot(`0x${"ab".repeat(32)}`);
 */
export function parseRoot(text: string): Root {
  if (/^0x[0-9a-f]{64}$/i.test(text)) return text.toLowerCase() as Root;
  throw new ProtocolError(
    "usage",
    `"${text}" is not a root hash.`,
    "Give 0x and 64 hex digits, as returned by the upload of the file.",
  );
}
