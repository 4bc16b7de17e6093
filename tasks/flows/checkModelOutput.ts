import { modelFormat } from "../../sdk/deliverable/modelFormat.ts";
import { checkOutput } from "../../sdk/storage/files/checkOutput.ts";
import { fileIn } from "../flags/fileIn.ts";

interface OutputFlags {
  /** A file, a directory, or undefined for the current directory. */
  readonly output: string | undefined;
  readonly force: boolean;
}

/**
 * Checks, before anything is ordered, the path for the model. In a directory, an unused name will be chosen.
 * @throws ProtocolError "usage" if a model could not be written there.
 */
export async function checkModelOutput({ output, force }: OutputFlags): Promise<void> {
  const path = await fileIn(output ?? ".", "model.tar.zst");
  modelFormat(path);
  await checkOutput(path, { force: force || path !== output });
}
