/**
 * Rewrites a dataset of another make with the field names that training reads:
 *
 *   npm run convert-data -- IN OUT.jsonl prompt=question completion=answer [limit=500] [offset=0]
 *
 * A number names a column of a file without a header: label=0 text=1.
 */

import { convertDataset } from "../sdk/dataset/convertDataset.ts";
import { ProtocolError } from "../sdk/errors.ts";

const [input, output, ...pairs] = process.argv.slice(2);
const given = new Map(pairs.map((pair) => pair.split("=", 2) as [string, string]));
const { limit, offset, ...fields } = Object.fromEntries(
  [...given].map(([name, value]) => [name, /^\d+$/.test(value) ? Number(value) : value]),
);

if (!input || !output || Object.keys(fields).length === 0) {
  console.error("Usage: npm run convert-data -- IN OUT.jsonl FIELD=SOURCE … [limit=N] [offset=N]");
  process.exit(2);
}
try {
  const { rows } = await convertDataset(input, output, {
    fields,
    ...(limit === undefined ? {} : { limit: Number(limit) }),
    ...(offset === undefined ? {} : { offset: Number(offset) }),
  });
  console.log(`${rows} rows written to ${output}`);
} catch (error) {
  if (!(error instanceof ProtocolError)) throw error;
  console.error(`Error: ${error.message}\n${error.hint}`);
  process.exit(error.exitCode);
}
