import { ProtocolError } from "../errors.ts";

/** Output formats of a model. */
export type ModelFormat = ".tar.zst" | ".zip";

const FORMATS: readonly ModelFormat[] = [".tar.zst", ".zip"];

/**
 * The format for the extension of a path.
 * @throws ProtocolError "usage" for any other extension.
 * @example modelFormat("capitals.zip"); // ".zip"
 */
export function modelFormat(path: string): ModelFormat {
  const found = FORMATS.find((ending) => path.toLowerCase().endsWith(ending));
  if (found) return found;
  throw new ProtocolError(
    "usage",
    `${path} does not end in .tar.zst or .zip.`,
    "Give a path with one of these extensions.",
  );
}
