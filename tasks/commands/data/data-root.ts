import { rootOfFile } from "../../../sdk/storage/root.ts";
import type { Command } from "../../definition.ts";
import { transfer } from "../../flows/transfer.ts";

interface Flags {
  readonly dataPath: string;
  readonly json: boolean;
}

/** Computes the storage root of a file, offline. */
export default (async (flags, terminal) => {
  const path = flags.dataPath;
  const { root, size } = await transfer(terminal, "Hash", ({ signal, onHashed }) =>
    rootOfFile(path, signal, onHashed),
  );
  terminal.say(`Root hash: ${root}`);
  return { root, size };
}) satisfies Command<Flags>;
