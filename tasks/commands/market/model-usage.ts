import { readFile, writeFile } from "node:fs/promises";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { fetchCatalogue } from "../../../sdk/service/fetchCatalogue.ts";
import { fetchUsage } from "../../../sdk/service/fetchUsage.ts";
import { findModel } from "../../../sdk/service/findModel.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { checkOutput } from "../../../sdk/storage/files/checkOutput.ts";
import { writeAtomically } from "../../../sdk/storage/files/publishFile.ts";
import type { Command } from "../../definition.ts";
import { fileIn } from "../../flags/fileIn.ts";
import { requireZip } from "../../flags/readFlags.ts";

interface Flags {
  readonly provider: string;
  readonly model: string;
  readonly output: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** Saves a model's instructions: how to build the dataset, and a configuration template. */
export default (async (flags, terminal, environment) => {
  const provider = parseAddress(flags.provider);
  const name = flags.model;
  const output = flags.output;
  const client = await environment.reader();
  const service = await getService(client, { provider });
  const model = findModel(await fetchCatalogue(service), name);
  const wanted = requireZip(await fileIn(output, `${model.name}.zip`), "--output");
  let archive: Uint8Array | undefined;
  const fetch = async () => (archive ??= await fetchUsage(service, { model }));
  const { path, isDone } = await checkOutput(wanted, {
    force: flags.force,
    isResult: async (place) => (await readFile(place)).equals(await fetch()),
  });
  const bytes = await fetch();
  if (!isDone) await writeAtomically(path, (temporary) => writeFile(temporary, bytes));
  terminal.say(
    isDone ? `${path} already contains this archive.` : `Usage of ${model.name} saved to ${path}.`,
  );
  terminal.next(
    environment.command(
      `check-data --data-path <PATH_TO_DATASET> --model ${model.name} --provider ${provider}`,
    ),
  );
  return { provider, model: model.name, path, size: bytes.length };
}) satisfies Command<Flags>;
