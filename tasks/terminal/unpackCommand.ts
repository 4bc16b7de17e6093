import { modelFormat } from "../../sdk/deliverable/modelFormat.ts";
import { pathExists } from "../../sdk/storage/files/pathExists.ts";
import { shellWord } from "./shellWord.ts";

/**
 * The command that unpacks a model into a new folder beside its file, with the same name: never over existing files,
 * whatever the file contains.
 */
export async function unpackCommand(path: string): Promise<string> {
  const format = modelFormat(path);
  const folder = shellWord(await unusedPath(path.slice(0, -format.length)));
  const file = shellWord(path);
  return format === ".zip"
    ? `unzip ${file} -d ${folder}`
    : `mkdir ${folder} && tar -xf ${file} -C ${folder}`;
}

async function unusedPath(path: string): Promise<string> {
  let unused = path;
  for (let number = 2; await pathExists(unused); number++) unused = `${path}-${number}`;
  return unused;
}
