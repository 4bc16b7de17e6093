import { exists } from "../../../sdk/storage/exists.ts";
import { rootOfFile } from "../../../sdk/storage/root.ts";
import { describeWork, sizeUnit } from "../../../sdk/task/workUnits.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { type DatasetFlags, measureDataset, readDatasetFlags } from "../../flows/measureDataset.ts";
import { counted, sized } from "../../terminal/counted.ts";

interface Flags extends DatasetFlags {
  readonly json: boolean;
}

/** Checks a dataset and prints its size in the provider's unit, and the fee with the default hyper-parameters. */
export default (async (flags, terminal, environment) => {
  const wanted = readDatasetFlags(flags);
  const client = await environment.reader();
  const { service, model, path, rows, bytes, offer } = await measureDataset(
    client,
    wanted,
    terminal,
  );
  const { root } = await rootOfFile(path);
  // A dataset that was encrypted for one provider has a different root.
  const isStored = await exists(client.storageUrl, root).catch(() => false);
  const dataset = isStored ? root : "<ROOT_HASH_THAT_UPLOAD_PRINTED>";
  const unit = sizeUnit(service.unit, model.kind);
  const { size } = offer.work.training;
  terminal.say(`Dataset size: ${sized(size, unit)} in ${counted(rows, "row")}`);
  terminal.say(`Work by default: ${describeWork(offer.work, { unit, model: model.name })}`);
  terminal.say(`Fee by default: ${formatOg(offer.fee)} OG`);
  terminal.next(
    environment.command(
      `create-task --provider ${service.provider} --model ${model.name} --dataset ${dataset} --config-path <PATH_TO_CONFIG_FILE> --data-size ${size}`,
    ),
  );
  return {
    provider: service.provider,
    model: model.name,
    unit: service.unit,
    rows,
    bytes,
    dataSize: size,
    root,
    ...offer,
  };
}) satisfies Command<Flags>;
