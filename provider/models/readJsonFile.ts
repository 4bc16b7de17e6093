import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { didYouMean } from "../../sdk/didYouMean.ts";

/**
 * Reads a JSON file of a model.
 * @throws Error with one sentence that names the file and the wrong key; the file system's error if there is no file.
 */
export async function readJsonFile<T extends z.ZodObject>(
  directory: string,
  name: string,
  schema: T,
): Promise<z.output<T>> {
  const value = parseJson(name, await readFile(join(directory, name), "utf8"));
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(describe(name, parsed.error.issues[0]!, Object.keys(schema.shape)));
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${(error as Error).message}`);
  }
}

/** @param known the keys of the whole document */
function describe(name: string, issue: z.core.$ZodIssue, known: readonly string[]): string {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const closest = path === "" ? didYouMean(key, known) : undefined;
    const meant = closest ? `: did you mean "${closest}"?` : "";
    return `${name} has the unknown key "${path === "" ? key : `${path}.${key}`}"${meant}`;
  }
  const problem = issue.message.replace(/^Invalid (input|option): /, "");
  return path === "" ? `${name}: ${problem}` : `${name}: the key "${path}" is wrong: ${problem}`;
}
