import { readFile } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";
import { unreadableError } from "../fileErrors.ts";
import type { Hyperparameters } from "./Hyperparameters.ts";
import { parseHyperparameters } from "./parseHyperparameters.ts";

/**
 * Reads a training configuration from a JSON file.
 * @throws ProtocolError "usage" with the file's name and every problem in it.
 * @example const config = await readConfig("config.json");
 */
export async function readConfig(path: string): Promise<Hyperparameters> {
  const value = parseJson(path, await readText(path));
  try {
    return parseHyperparameters(value);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(error.code, `${path}: ${error.message}`, error.hint, { cause: error });
  }
}

async function readText(path: string): Promise<string> {
  try {
    const text = await readFile(path, "utf8");
    return text.replace(/^\ufeff/, "");
  } catch (error) {
    throw unreadableError(path, error, "Give the path of a JSON file with hyper-parameters.");
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProtocolError(
      "usage",
      `${path} is not JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}.`,
      'Write it like {"n_epochs": 3, "learning_rate": 1e-5}.',
      { cause: error },
    );
  }
}
