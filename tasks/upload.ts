import { upload } from "../sdk/storage/upload.ts";
import { required } from "./flags.ts";
import { run } from "./run.ts";
import { shellWord } from "./shellWord.ts";
import { transfer } from "./transfer.ts";

interface Flags {
  readonly dataPath: string | undefined;
  readonly json: boolean;
}

/** Uploads a dataset to storage; what storage already has is not sent again. */
export default run<Flags>(async (flags, terminal, environment) => {
  const path = required(flags.dataPath, "--data-path", "the path of the dataset");
  const url = environment.storageUrl();
  const result = await transfer(terminal, "Upload", (options) => upload(url, path, options));
  if (result.sent === 0) terminal.note("Storage has this file already: nothing was sent.");
  terminal.say(`Root hash: ${result.root}`);
  terminal.next(
    environment.command(
      `calculate-token --dataset-path ${shellWord(path)} --model <MODEL_NAME> --provider <PROVIDER_ADDRESS>`,
    ),
  );
  return result;
});
