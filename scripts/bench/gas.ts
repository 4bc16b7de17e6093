/**
 * The gas costs of the protocol, measured with real transactions on a local chain, compared with those of 0G's
 * production contracts:
 *
 *   npm run bench:gas               prints the table
 *   npm run bench:gas -- --json     prints one JSON document
 *   npm run bench:gas -- --update   writes gas-snapshot.json, which the tests compare every change with
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import hre from "hardhat";
import { type GasReport, measureGas } from "./measureGas.ts";

/** Gas of 0G's production contracts, measured through their proxies, and their corresponding verb. */
const REFERENCE: Record<string, readonly [gas: number, verb: string]> = {
  openAccount: [171_877, "addLedger"],
  deposit: [53_752, "depositFund"],
  "fund: new provider": [448_547, "transferFund, new sub-account"],
  "fund: top-up": [93_318, "transferFund, top-up"],
  requestReturn: [194_733, "retrieveFund, request"],
  claimReturn: [105_171, "retrieveFund, pay"],
  withdraw: [59_428, "refund"],
  "retrieve: 20 requests": [2_728_345, "retrieveFund, 20 requests"],
  "retrieve: 20 claims": [794_724, "retrieveFund, 20 paid"],
  registerService: [426_433, "addOrUpdateService, first"],
  deliver: [263_970, "addDeliverable, 32-byte root"],
  acknowledge: [49_263, "acknowledgeDeliverable"],
  confirm: [289_924, "settleFees"],
  finalize: [289_924, "settleFees"],
};
/** Their protocol has no disputes. */
const REFERENCE_SUMS: Record<keyof GasReport["sums"], readonly [gas: number | null, what: string]> =
  {
    deliverToPaid: [648_853, "deliver to paid"],
    createToPaid: [825_083, "create to paid (theirs: with both `occupied` toggles)"],
    demand: [null, "demand and answer"],
    dispute: [null, "dearest dispute"],
    deployment: [9_337_461, "deployment of everything"],
  };

const { values: options } = parseArgs({
  options: { json: { type: "boolean" }, update: { type: "boolean" } },
});

await hre.tasks.getTask("build").run({ quiet: true });
const report = await measureGas();
const json = `${JSON.stringify(report, null, 2)}\n`;
if (options.update) writeFileSync(new URL("../../gas-snapshot.json", import.meta.url), json);
if (options.json) process.stdout.write(json);
else printTable(report);

function printTable({ verbs, sums, sizes }: GasReport): void {
  for (const [verb, gas] of Object.entries(verbs)) printRow(verb, gas, REFERENCE[verb]);
  console.log();
  for (const [name, [theirs, what]] of Object.entries(REFERENCE_SUMS)) {
    printRow(what, sums[name as keyof GasReport["sums"]], [theirs, ""]);
  }
  console.log();
  for (const [contract, size] of Object.entries(sizes)) {
    console.log(`${contract.padEnd(56)} ${number(size)} bytes of at most 24,576`);
  }
}

function printRow(
  name: string,
  gas: number,
  reference?: readonly [gas: number | null, verb: string],
) {
  const [theirs, verb] = reference ?? [];
  const comparison = theirs
    ? `${number(theirs)}  ${`${((100 * gas) / theirs).toFixed(1)} %`.padStart(7)}  ${verb}`
    : "";
  console.log(`${name.padEnd(56)} ${number(gas)}  ${comparison}`.trimEnd());
}

function number(value: number): string {
  return value.toLocaleString("en").padStart(10);
}
