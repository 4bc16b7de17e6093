import { ProtocolError } from "../../errors.ts";
import { describeForeign, type ForeignFile, remedyOf } from "../../ForeignFile.ts";

/** The error for a file that has to become a dataset first. */
export function foreignError(path: string, foreign: ForeignFile): ProtocolError {
  return new ProtocolError(
    "dataset-invalid",
    `${path} ${describeForeign(foreign)}.`,
    remedyOf(foreign),
    { next: { prepare: { path, foreign } } },
  );
}
