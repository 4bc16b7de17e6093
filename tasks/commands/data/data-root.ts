import { rootOfFile } from "../../../sdk/storage/root.ts";
import type { Command } from "../../definition.ts";
import { required } from "../../flags/readFlags.ts";
import { transfer } from "../../flows/transfer.ts";

interface Flags {
  readonly dataPath: string | undefined;
  readonly json: boolean;
}

/** Computes the storage root of a file, offline. */
export default (async (flags, terminal) => {
  const path = required(flags.dataPath, "--data-path", "the path of a file");
  const { root, size } = await transfer(terminal, "Hash", ({ signal, onHashed }) =>
    rootOfFile(path, signal, onHashed),
  );
  terminal.say(`Root hash: ${root}`);
  return { root, size };
}) satisfies Command<Flags>;
