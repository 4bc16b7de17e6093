import { basename } from "node:path";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import type { Uploaded, UploadOptions } from "../../../sdk/storage/transfer/TransferOptions.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import type { Command } from "../../definition.ts";
import type { Environment } from "../../Environment.ts";
import { transfer } from "../../flows/transfer.ts";
import { remember } from "../../memory.ts";
import { shellWord } from "../../terminal/shellWord.ts";

interface Flags {
  readonly dataPath: string;
  readonly provider: string | undefined;
  readonly json: boolean;
}

/** Uploads a dataset to storage, encrypted if it is for one provider; stored segments are not sent again. */
export default (async (flags, terminal, environment) => {
  const path = flags.dataPath;
  const provider = flags.provider === undefined ? null : parseAddress(flags.provider);
  const url = environment.storageUrl();
  const payer = async () => {
    const { payerOf } = await import("../../../sdk/storage/zerog/payerOf.ts");
    return payerOf(await environment.signer("user"));
  };
  const sign = async (request: { method: string; path: string }) => {
    const { signRequest } = await import("../../../sdk/service/signedRequest.ts");
    return signRequest(await environment.signer("user"), request);
  };
  const send = (options: UploadOptions): Promise<Uploaded> =>
    provider ? uploadFor(provider, path, environment, options) : upload(url, path, options);
  const result = await transfer(terminal, "Upload", (options) => send({ payer, sign, ...options }));
  if (result.sent === 0) terminal.note("Storage already has this file: nothing was sent.");
  await remember("names", result.root, basename(path));
  terminal.say(`Root hash: ${result.root}`);
  if (provider) terminal.say(`Encrypted: only ${provider} can read it.`);
  else terminal.note("Not encrypted: everybody can read it. With --provider, only a provider can.");
  const count = `calculate-token --dataset-path ${shellWord(path)} --model <MODEL_NAME> --provider ${provider ?? "<PROVIDER_ADDRESS>"}`;
  terminal.next(environment.command(count));
  if (provider) {
    const order = `create-task --provider ${provider} --model <MODEL_NAME> --dataset ${result.root} --config-path <PATH_TO_CONFIG_FILE> --data-size <DATASET_SIZE>`;
    terminal.next(environment.command(order), "with the printed size and this root hash");
  }
  return { ...(provider && { provider }), ...result };
}) satisfies Command<Flags>;

async function uploadFor(
  provider: string,
  path: string,
  environment: Environment,
  options: UploadOptions,
): Promise<Uploaded> {
  const { fetchCatalogue } = await import("../../../sdk/service/fetchCatalogue.ts");
  const { getService } = await import("../../../sdk/service/getService.ts");
  const { checkDatasetBytes, datasetBytes } = await import(
    "../../../sdk/task/checkDatasetBytes.ts"
  );
  const { uploadDataset } = await import("../../../sdk/task/uploadDataset.ts");
  const client = await environment.signer("user");
  const service = await getService(client, { provider });
  const catalogue = await fetchCatalogue(service);
  checkDatasetBytes({ service, catalogue, bytes: await datasetBytes(path), path });
  return uploadDataset(client, { service, path, ...options });
}
