import { dirname, join } from "node:path";
import { readProvenance } from "../../sdk/deliverable/readProvenance.ts";
import { pathExists } from "../../sdk/storage/files/pathExists.ts";
import { fileIn } from "./fileIn.ts";

/** A model to write. */
interface NamedModel {
  readonly name: string;
  /** UUID of its task. */
  readonly id: string;
  /** Step of a checkpoint; null for the latest weights. */
  readonly step: number | null;
  /** The stamp in its file. */
  readonly stamp: string;
}

/**
 * The path for a model: the given file, or a file in the given or the current directory. A chosen name is unused, or
 * already is this model.
 */
export async function outputPath(output: string | undefined, model: NamedModel): Promise<string> {
  const name = `${model.name}.tar.zst`;
  const path = await fileIn(output ?? name, name);
  const isChosen = path === output;
  if (isChosen || !(await pathExists(path)) || (await readProvenance(path)) === model.stamp)
    return path;
  const step = model.step === null ? "" : `-step-${model.step}`;
  return join(dirname(path), `${model.name}-${model.id.slice(0, 8)}${step}.tar.zst`);
}
