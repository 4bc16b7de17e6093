import { ProtocolError } from "../../errors.ts";

/** The error for a server that sends something else than the root stands for. */
export function rootMismatchError(what: string): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The storage sent ${what} that does not match the root hash.`,
    "Nothing wrong was kept: use another storage server.",
    { next: { setting: "storageUrl" } },
  );
}
