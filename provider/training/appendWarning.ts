import { appendFile, open, truncate } from "node:fs/promises";
import { parseEvent } from "./trainerEvents.ts";

const TAIL_BYTES = 1024 * 1024;

/** Adds a warning to a journal that no trainer is writing to, with the number that is next. */
export async function appendWarning(path: string, message: string): Promise<void> {
  const seq = (await repair(path)) + 1;
  const event = { seq, time: new Date().toISOString(), type: "warning", message };
  await appendFile(path, `${JSON.stringify(event)}\n`);
}

/** Cuts off a line that a crash has torn. @returns the number of the last whole one, 0 for none. */
async function repair(path: string): Promise<number> {
  const file = await open(path).catch(() => null);
  if (!file) return 0;
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(size - start),
      0,
      size - start,
      start,
    );
    const text = buffer.subarray(0, bytesRead);
    const end = text.lastIndexOf(10) + 1;
    if (end < bytesRead) await truncate(path, start + end);
    const lines = text.subarray(0, end).toString("utf8").trimEnd().split("\n");
    return parseEvent(lines.at(-1) ?? "")?.seq ?? 0;
  } finally {
    await file.close();
  }
}
