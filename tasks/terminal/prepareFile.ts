import { existsSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import type { ForeignFile } from "../../sdk/ForeignFile.ts";
import type { Environment } from "../Environment.ts";
import { shellWord } from "./shellWord.ts";

/** Programs that unpack a file to their output, and the extensions of what they unpack. */
const UNPACKERS = {
  gzip: ["gunzip -c", ".gz"],
  zstd: ["zstd -dc", ".zst"],
  bzip2: ["bunzip2 -c", ".bz2"],
  xz: ["xz -dc", ".xz"],
} as const;

/** The command that makes a dataset from a foreign file; it writes a file that does not exist yet. */
export function prepareFile(
  path: string,
  foreign: ForeignFile,
  environment: Pick<Environment, "command">,
): string {
  const ending = extname(path);
  const stem = path.slice(0, path.length - ending.length);
  const [input, to] = [shellWord(path), (output: string) => `> ${shellWord(output)}`];
  switch (foreign.what) {
    case "compressed": {
      const [program, packed] = UNPACKERS[foreign.method];
      const output = ending === packed ? unused(stem) : unused(`${stem}-unpacked${ending}`);
      return `${program} ${input} ${to(output)}`;
    }
    case "zip": {
      const output = unused(join(dirname(path), basename(foreign.entry)));
      return `unzip -p ${input} ${shellWord(foreign.entry)} ${to(output)}`;
    }
    case "utf-16":
      return `iconv -f ${foreign.encoding} -t UTF-8 ${input} ${to(unused(`${stem}-utf-8${ending}`))}`;
    case "misnamed":
      return `mv -n ${input} ${shellWord(unused(`${stem}.${foreign.ending}`))}`;
    case "nested":
      return `jq -c '.${foreign.key}[]' ${input} ${to(unused(`${stem}-${foreign.key}.jsonl`))}`;
    case "workbook":
      return environment.command(convert(`${stem}.csv`, unused(`${stem}.jsonl`)));
    case "convertible":
      return environment.command(convert(path, converted(path), columnsOf(foreign)));
  }
}

/** Where the converted dataset goes. */
function converted(path: string): string {
  const stem = path.slice(0, path.length - extname(path).length);
  const output = `${stem}.jsonl`;
  return existsSync(output) ? unused(`${stem}-converted.jsonl`) : output;
}

function convert(input: string, output: string, columns = ""): string {
  return `convert-data --data-path ${shellWord(input)} --output ${shellWord(output)}${columns}`;
}

/** The flag with the columns, if the file has some that are not known by their names alone. */
function columnsOf({ conversion }: ForeignFile & { readonly what: "convertible" }): string {
  if (conversion.from !== "columns") return "";
  const pairs = Object.entries(conversion.columns ?? UNKNOWN_COLUMNS);
  const list = pairs.map(([field, column]) => `${field}=${column}`).join(",");
  return ` --columns ${conversion.columns ? shellWord(list) : list}`;
}

const UNKNOWN_COLUMNS = { prompt: "<COLUMN>", completion: "<COLUMN>" };

/** The path, or the path with a number if it exists. */
function unused(path: string): string {
  const ending = extname(path);
  const stem = path.slice(0, path.length - ending.length);
  let result = path;
  for (let n = 2; existsSync(result); n++) result = `${stem}-${n}${ending}`;
  return result;
}
