import { fetchCatalogue } from "../sdk/service/fetchCatalogue.ts";
import { fetchUsage } from "../sdk/service/fetchUsage.ts";
import { findModel } from "../sdk/service/findModel.ts";
import { getService } from "../sdk/service/getService.ts";
import { required, requireZip } from "./flags.ts";
import { readAddress } from "./readAddress.ts";
import { run } from "./run.ts";
import { fileIn } from "./transfer.ts";

interface Flags {
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly output: string | undefined;
  readonly json: boolean;
}

/** Saves a model's instructions: how to build the dataset, and a configuration to start from. */
export default run<Flags>(async (flags, terminal, environment) => {
  const provider = readAddress(flags.provider);
  const name = required(flags.model, "--model", "the name of a model; list-models shows them");
  const output = required(flags.output, "--output", "the path to save the archive at");
  const client = await environment.reader();
  const service = await getService(client, { provider });
  const model = findModel(await fetchCatalogue(service), name);
  const path = requireZip(await fileIn(output, `${model.name}.zip`), "--output");
  const { size } = await fetchUsage(service, { model, targetPath: path });
  terminal.say(`Usage of ${model.name} saved to ${path}.`);
  terminal.next(
    environment.command(
      `check-data --data-path <PATH_TO_DATASET> --model ${model.name} --provider ${provider}`,
    ),
  );
  return { provider, model: model.name, path, size };
});
