/**
 * How many requests to the chain user commands and a returning daemon need on a long chain, through an endpoint that
 * allows 1,000 blocks per request for events:
 *
 *   npm run bench:logs             prints the table
 *   npm run bench:logs -- --json   prints one JSON document
 */
import { parseArgs } from "node:util";
import { type LogsReport, measureLogs } from "./measureLogs.ts";

const { values: options } = parseArgs({ options: { json: { type: "boolean" } } });

const report = await measureLogs({ blocks: 1_000_000, missed: 50_000 });
if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
else print(report);

function print({ blocks, commands, userRange, missedBlocks, catchUpRequests }: LogsReport): void {
  console.log(`On a chain of ${blocks} blocks, requests of`);
  for (const [name, requests] of Object.entries(commands))
    console.log(`  ${name.padEnd(32)} ${requests}`);
  console.log(`  a daemon after ${missedBlocks} blocks`.padEnd(34), catchUpRequests);
  console.log(`Blocks in one request for events of a command: at most ${userRange}`);
}
