/**
 * Simulates the market with fixed seeds, and exits with code 1 if it does not keep what docs/decisions promise:
 *
 *   npm run test:economics              prints a sentence per measure
 *   npm run test:economics -- --json    prints one JSON document
 */
import { parseArgs } from "node:util";
import { measureAttacks } from "./economics/attacks.ts";
import { measureFeeSpread } from "./economics/feeSpread.ts";
import { measureSybilRank } from "./economics/sybilRank.ts";

const { values: options } = parseArgs({ options: { json: { type: "boolean" } } });

/** One module in economics/ for each. */
const measures = {
  feeSpread: measureFeeSpread(),
  sybilRank: measureSybilRank(1_000),
  attacks: measureAttacks(),
};

const results = Object.entries(measures);
if (options.json) {
  console.log(
    JSON.stringify(Object.fromEntries(results.map(([name, { value }]) => [name, value]))),
  );
} else {
  for (const [name, { summary }] of results) console.log(`${name}: ${summary}`);
}
process.exitCode = results.every(([, { holds }]) => holds) ? 0 : 1;
