import { modelFormat } from "../../sdk/deliverable/modelFormat.ts";
import { checkOutput } from "../../sdk/storage/files/checkOutput.ts";
import { fileIn } from "../flags/fileIn.ts";

interface OutputFlags {
  /** A file, a directory, or undefined for the current directory. */
  readonly output: string | undefined;
  readonly force: boolean;
}

/**
 * Looks, before anything is ordered, at the place where the model will be written. In a directory its name will be one
 * that is free.
 * @throws ProtocolError "usage" when a model could not be written there.
 */
export async function checkModelOutput({ output, force }: OutputFlags): Promise<void> {
  const path = await fileIn(output ?? ".", "model.tar.zst");
  modelFormat(path);
  await checkOutput(path, { force: force || path !== output });
}
