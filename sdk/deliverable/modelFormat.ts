import { ProtocolError } from "../errors.ts";

/** What a model is written as. */
export type ModelFormat = ".tar.zst" | ".zip";

const FORMATS: readonly ModelFormat[] = [".tar.zst", ".zip"];

/**
 * The format that the ending of a path asks for.
 * @throws ProtocolError "usage" for another ending.
 * @example modelFormat("capitals.zip"); // ".zip"
 */
export function modelFormat(path: string): ModelFormat {
  const found = FORMATS.find((ending) => path.toLowerCase().endsWith(ending));
  if (found) return found;
  throw new ProtocolError(
    "usage",
    `${path} ends neither in .tar.zst nor in .zip.`,
    "Choose one of the two by the ending of the path.",
  );
}
