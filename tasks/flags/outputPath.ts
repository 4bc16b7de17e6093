import { dirname, join } from "node:path";
import { readProvenance } from "../../sdk/deliverable/readProvenance.ts";
import { pathExists } from "../../sdk/storage/files/pathExists.ts";
import { fileIn } from "./fileIn.ts";

/** A model that is to be written. */
interface NamedModel {
  readonly name: string;
  /** UUID of its task. */
  readonly id: string;
  /** Of a checkpoint; null for the latest weights. */
  readonly step: number | null;
  /** What its file says of itself. */
  readonly stamp: string;
}

/**
 * The path to write a model to: the file that is named, or a file in the directory that is named, or in the current
 * one. The name that is chosen then is free, or that of this very model.
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
