import { ProtocolError } from "../errors.ts";

/** What a model is written as. */
export type ModelFormat = ".tar.zst" | ".zip";

const FORMATS: readonly ModelFormat[] = [".tar.zst", ".zip"];

/** @throws ProtocolError "usage" for another ending. */
export function modelFormat(path: string): ModelFormat {
  const found = FORMATS.find((ending) => path.toLowerCase().endsWith(ending));
  if (found) return found;
  throw new ProtocolError(
    "usage",
    `${path} ends neither in .tar.zst nor in .zip.`,
    "Choose one of the two by the ending of the path.",
  );
}
