import { modelFormat } from "../sdk/deliverable/modelFormat.ts";
import { checkOutput } from "../sdk/storage/checkOutput.ts";
import { fileIn } from "./transfer.ts";

/**
 * Looks, before anything is ordered, at the place where the model will be written. A name that no flag gives is chosen
 * so that it is free.
 * @param output a file, a directory, or undefined for the current directory
 * @param force whether another file may be replaced
 * @throws ProtocolError "usage" if a model could not be written there.
 */
export async function checkModelOutput(output: string | undefined, force: boolean): Promise<void> {
  const path = await fileIn(output ?? ".", "model.tar.zst");
  modelFormat(path);
  const isNamed = path === output;
  await checkOutput(path, { force: force || !isNamed });
}
