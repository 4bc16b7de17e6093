import { stat } from "node:fs/promises";
import { parseRoot } from "../../../sdk/ids.ts";
import { download } from "../../../sdk/storage/download.ts";
import { checkOutput } from "../../../sdk/storage/files/checkOutput.ts";
import { rootOfFile } from "../../../sdk/storage/root.ts";
import type { Command } from "../../definition.ts";
import { fileIn } from "../../flags/fileIn.ts";
import { transfer } from "../../flows/transfer.ts";

interface Flags {
  readonly dataPath: string;
  readonly dataRoot: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** Downloads data by its root hash and verifies every byte. */
export default (async (flags, terminal, environment) => {
  const root = parseRoot(flags.dataRoot);
  const wanted = await fileIn(flags.dataPath, root);
  const url = environment.storageUrl();
  const { path, isDone } = await checkOutput(wanted, {
    force: flags.force,
    isResult: async (place) => (await rootOfFile(place)).root === root,
  });
  if (isDone) {
    terminal.say(`${path} already contains this data.`);
    return { root, path, size: (await stat(path)).size };
  }
  const onDropped = ({ message }: Error) =>
    terminal.note(`${message} This source is no longer used.`);
  const { size } = await transfer(terminal, "Download", (options) =>
    download(url, root, path, { ...options, onDropped }),
  );
  terminal.say(`Downloaded ${size} bytes to ${path}; they match the root hash.`);
  return { root, path, size };
}) satisfies Command<Flags>;
