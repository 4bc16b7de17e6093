import {
  type ConvertedDataset,
  convertDataset,
} from "../../../sdk/dataset/conversion/convertDataset.ts";
import type { FieldSources } from "../../../sdk/dataset/conversion/planConversion.ts";
import type { Command } from "../../definition.ts";
import { readColumns, readFormat } from "../../flags/readConversion.ts";
import { readInteger } from "../../flags/readFlags.ts";
import { counted } from "../../terminal/counted.ts";
import { shellWord } from "../../terminal/shellWord.ts";

interface Flags {
  readonly dataPath: string;
  readonly output: string;
  readonly from: string | undefined;
  readonly columns: string | undefined;
  readonly limit: string | undefined;
  readonly offset: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

/** Writes a file in another format as a .jsonl dataset, offline. */
export default (async (flags, terminal, environment) => {
  const input = flags.dataPath;
  const path = flags.output;
  const from = readFormat(flags.from);
  const columns = readColumns(flags.columns);
  const limit = readCount(flags.limit, "--limit", 1n);
  const offset = readCount(flags.offset, "--offset", 0n);
  const result = await convertDataset(input, path, {
    ...(from && { from }),
    ...(columns && { columns }),
    ...(limit !== undefined && { limit }),
    ...(offset !== undefined && { offset }),
    force: flags.force,
  });
  terminal.say(`${counted(result.rows, "row")} written to ${path}${describe(result)}.`);
  if (result.dropped.length > 0) terminal.say(`Left out: ${result.dropped.join(", ")}.`);
  terminal.next(environment.command(`check-data --data-path ${shellWord(path)}`));
  return { path, ...result };
}) satisfies Command<Flags>;

function readCount(value: string | undefined, flag: string, minimum: bigint): number | undefined {
  return value === undefined ? undefined : Number(readInteger(value, flag, minimum));
}

/** How the rows were converted, as the end of a sentence. */
function describe(result: ConvertedDataset): string {
  switch (result.from) {
    case "sharegpt":
      return ", as messages from conversations of ShareGPT";
    case "alpaca":
      return ", as messages from instructions of Alpaca";
    case "columns":
      return describeColumns(result.columns);
    case "array":
      return "";
  }
}

function describeColumns(columns: FieldSources): string {
  const renamed = Object.entries(columns).filter(([field, source]) => field !== source);
  if (renamed.length === 0) return ` with ${Object.keys(columns).join(", ")}`;
  const pairs = renamed.map(([field, source]) =>
    typeof source === "number" ? `${field} from column ${source}` : `${field} from ${source}`,
  );
  return `, ${pairs.join(", ")}`;
}
