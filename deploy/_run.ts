import { rm } from "node:fs/promises";
import type { TaskOverrideActionFunction } from "hardhat/types/tasks";
import { ProtocolError } from "../sdk/errors.ts";
import { formatOg } from "../sdk/units.ts";
import type { Environment } from "../tasks/Environment.ts";
import { readTimeout } from "../tasks/flags/readFlags.ts";
import { reportError } from "../tasks/terminal/reportError.ts";
import { createTerminal, type Terminal } from "../tasks/terminal/Terminal.ts";
import { answeringEndpoint } from "./_endpoint.ts";
import { explainError } from "./_errors.ts";
import { deploymentFolder, deploymentsFolder } from "./_folder.ts";
import { chosenNetwork, requireDeployerKey } from "./_network.ts";
import { parametersOf } from "./_parameters.ts";
import { forgetLost, watchReceipts } from "./_pending.ts";
import { PUBLISHED, publish } from "./_publish.ts";
import {
  compareWithChain,
  LOCAL_CHAIN,
  readRecorded,
  refuseReplacing,
  withRecordedGenesis,
} from "./_recorded.ts";
import { type Plan, rehearse } from "./_rehearse.ts";
import { runScripts, type Stage } from "./_runScripts.ts";

/** How long to wait for a transaction to get into a block, unless --timeout is set. */
const TIMEOUT_MS = 300_000;

/**
 * `npx hardhat deploy`: builds, rehearses the numbered scripts of this folder on an in-memory chain, then runs them
 * against the chosen network, writes `deployments/<network>` and shows the addresses. If the rehearsal or the
 * verification fails, it exits with code 1. With --dry-run it ends after the rehearsal and shows what would be sent.
 * hardhat-deploy's own action does not build, and always prompts.
 */
const deploy: TaskOverrideActionFunction = async ({ tags, dryRun, timeout }, hre) => {
  const terminal = createTerminal({ json: false });
  let environment: Environment | undefined;
  try {
    environment = chosenNetwork(hre);
    await requireDeployerKey(environment);
    const connection = await hre.network.create(await answeringEndpoint(hre));
    const { networkName } = connection;
    const chainId = Number(await connection.provider.request({ method: "eth_chainId" }));
    parametersOf(chainId);
    const timeoutMs = readTimeout(timeout) ?? TIMEOUT_MS;
    const folder = deploymentFolder(networkName);
    const found = await readRecorded(folder);
    const isStale =
      found && (await compareWithChain(found, connection.provider, chainId)) === "stale";
    const recorded = isStale ? null : found;
    if (isStale)
      terminal.note(`None of the contracts in ${folder} exists on this chain: it was restarted.`);
    const provider = withRecordedGenesis(connection.provider, recorded);
    const stage: Stage = {
      provider,
      network: networkName,
      deployments: deploymentsFolder(networkName),
      save: true,
      tags: tags === "" ? [] : tags.split(","),
    };
    await hre.tasks.getTask("build").run({ quiet: true, noTests: true });
    const plan = await rehearse(hre, stage, recorded);
    const names = plan.contracts.map(({ name }) => name);
    refuseReplacing(recorded, names);
    if (dryRun) return show(plan, terminal);
    checkBalance(plan);
    if (isStale) await rm(folder, { recursive: true });
    for (const hash of await forgetLost(recorded, provider)) {
      terminal.note(`Transaction ${hash} of an interrupted deployment was lost. Sending it again.`);
    }
    const watched = watchReceipts(provider, timeoutMs);
    await Promise.race([runScripts({ ...stage, provider: watched.provider }), watched.failure]);
    await showDeployed(folder, stage, terminal);
    if (isPublic(chainId, stage) && (await publish(folder))) {
      terminal.note(`Added to ${PUBLISHED}: commit it together with ${folder}.`);
      terminal.next(`npx hardhat verify deployment --network ${networkName}`);
    }
  } catch (error) {
    const { network = "", showStackTraces } = hre.globalOptions;
    reportError(terminal, explainError(error, network), showStackTraces, environment);
    process.exitCode = 1;
  }
};

/** Whether a deployment is for everybody: complete, on a chain that everybody can reach, and not in a chosen folder. */
const isPublic = (chainId: number, { tags }: Stage): boolean =>
  tags.length === 0 && chainId !== LOCAL_CHAIN && !process.env.ANNEAL_DEPLOYMENTS;

/** @throws ProtocolError "usage" if the tags excluded every contract. */
async function showDeployed(
  folder: string,
  { network, tags }: Stage,
  terminal: Terminal,
): Promise<void> {
  const { chainId, addresses } = (await readRecorded(folder)) ?? { addresses: {} };
  const contracts = Object.entries(addresses);
  if (contracts.length === 0) {
    throw new ProtocolError(
      "usage",
      `No contract has the tag ${tags.join(" or ")}.`,
      "Omit --tags to deploy all contracts.",
    );
  }
  terminal.table({
    title: `Deployed on ${network} (chain ${chainId})`,
    widths: [30, 46],
    rows: [["Contract", "Address"], ...contracts],
  });
  terminal.say("Verified: each address has the code and the parameters of this version.");
}

function show({ deployer, balance, gasPrice, contracts }: Plan, terminal: Terminal): void {
  for (const { name, address, args, gas } of contracts) {
    terminal.table({
      title: `Would deploy ${name}`,
      widths: [30, 60],
      rows: [
        ["Field", "Value"],
        ["Deployer", deployer],
        ["Expected address", address],
        ...args,
        ["Gas", gas.toString()],
        ["Cost (OG)", formatOg(gas * gasPrice)],
      ],
    });
  }
  if (contracts.length === 0) terminal.say("Everything is deployed already and verified.");
  else {
    const cost = formatOg(costOf({ gasPrice, contracts }));
    terminal.say(
      `Total: ${cost} OG at ${gasPrice} neuron per gas; the deployer has ${formatOg(balance)} OG.`,
    );
  }
  terminal.say("Nothing was sent.");
}

function checkBalance({ deployer, balance, ...rest }: Plan): void {
  const cost = costOf(rest);
  if (balance >= cost) return;
  throw new ProtocolError(
    "insufficient-funds",
    `The deployment costs about ${formatOg(cost)} OG, but the deployer ${deployer} has ${formatOg(balance)} OG.`,
    "Send the difference to the deployer, then deploy again.",
  );
}

const costOf = ({ gasPrice, contracts }: Pick<Plan, "gasPrice" | "contracts">): bigint =>
  contracts.reduce((sum, { gas }) => sum + gas, 0n) * gasPrice;

export default deploy;
