import { ProtocolError } from "../../errors.ts";

/** The error for a server that sends something other than the content of the root. */
export function rootMismatchError(what: string): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The storage sent ${what} that does not match the root hash.`,
    "The wrong bytes were discarded: use another storage server.",
    { next: { setting: "storageUrl" } },
  );
}
