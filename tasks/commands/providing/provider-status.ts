import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { type Catalogue, fetchCatalogue } from "../../../sdk/service/fetchCatalogue.ts";
import { fetchQueue } from "../../../sdk/service/fetchQueue.ts";
import { getGasMoney } from "../../../sdk/service/getGasMoney.ts";
import { getService } from "../../../sdk/service/getService.ts";
import type { Service } from "../../../sdk/service/Service.ts";
import { GAS_PER_TASK } from "../../../sdk/service/taskGas.ts";
import { verifyProvider } from "../../../sdk/service/verifyProvider.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import type { Environment } from "../../Environment.ts";
import { formatDuration } from "../../terminal/formatDuration.ts";
import { hintWithNext } from "../../terminal/hintWithNext.ts";
import { pricePerMillion, pricePerMillionTitle } from "../../terminal/pricePerMillion.ts";
import { lastFailure } from "../../terminal/recordRows.ts";
import { typeOf } from "../../terminal/typeOf.ts";

interface Flags {
  readonly provider: string | undefined;
  readonly json: boolean;
}

/** Milliseconds within which a daemon must report its load and its models. */
const TIMEOUT_MS = 10_000;

/** Shows a provider's offer and models, whether users can verify it, how its tasks ended, and its balances. */
export default (async (flags, terminal, environment) => {
  const { client, provider } = await chooseProvider(flags, environment);
  const service = await getService(client, { provider });
  const [account, gasMoney, problem, { queue, catalogue }] = await Promise.all([
    getAccount(client, { account: provider }),
    getGasMoney(client, { operator: service.operator }),
    verify(client, provider),
    askDaemon(service),
  ]);
  const { counters } = service;
  const reserved = account.subAccounts.find((entry) => entry.provider === provider)?.reserved ?? 0n;
  // In the provider's sub-account for itself, stake and bonds are reserved, and nothing else.
  const bonds = reserved - service.stake;
  const gasReserve = (BigInt(counters.open) + 1n) * GAS_PER_TASK * gasMoney.gasPrice;
  terminal.table({
    widths: [50, 50],
    rows: [
      ["Provider", provider],
      ["Operator", service.operator],
      ["URL", service.url],
      ["Verified", problem === null ? "✓" : `✗ ${problem.message}`],
      ["Accepting", service.accepting ? "✓" : "✗"],
      [pricePerMillionTitle(service), formatOg(pricePerMillion(service))],
      ["Minimum Units of Work", service.minimumUnits.toString()],
      ["Maximum Training Time", formatDuration(service.maxTrainingTime)],
      ["Trains On", queue?.device ?? "unknown"],
      ["Models", catalogue ? listModels(catalogue) : ""],
      ["Largest Dataset (Bytes)", catalogue?.maxDatasetBytes?.toLocaleString("en") ?? "unknown"],
      ["Queue", queue ? `${queue.running} running, ${queue.waiting} waiting` : ""],
      ["Tasks Open", String(counters.open)],
      ["Tasks Confirmed by Their Users", String(counters.confirmed)],
      ["Tasks Finalized without Confirmation", String(counters.finalized)],
      ["Tasks Never Acknowledged", String(counters.lapsed)],
      ["Tasks Refused before Acceptance", String(counters.refused)],
      ["Tasks Failed after Acceptance", String(counters.failed)],
      ["Tasks Expired", String(counters.expired)],
      ["Tasks Slashed", String(counters.slashed)],
      ["Last Failure", lastFailure(service.failedAt)],
      ["Earned (OG)", formatOg(service.earned)],
      ["Registration Deposit (OG)", formatOg(service.stake)],
      ["Bonds of Open Tasks, at Risk (OG)", formatOg(bonds)],
      ["Account Balance (OG)", formatOg(account.available)],
      ["Operator's Wallet, for Gas (OG)", formatOg(gasMoney.balance)],
      ["Gas for Open Tasks and One More, at Most (OG)", formatOg(gasReserve)],
      ["Tasks That Gas Lasts for Now", gasMoney.tasks === null ? "" : String(gasMoney.tasks)],
    ],
  });
  if (problem) terminal.note(hintFor(problem, flags, environment));
  else terminal.next(environment.command("list-providers"));
  return {
    ...service,
    verified: problem === null,
    problem: problem?.message ?? null,
    queue,
    models: catalogue?.models ?? null,
    maxDatasetBytes: catalogue?.maxDatasetBytes ?? null,
    reserved,
    bonds,
    gasReserve,
    available: account.available,
    gasMoney,
  };
}) satisfies Command<Flags>;

/** The provider of --provider; default: the caller. */
async function chooseProvider(
  flags: Flags,
  environment: Environment,
): Promise<{ client: Client; provider: string }> {
  if (flags.provider === undefined) {
    const client = await environment.signer("provider");
    return { client, provider: client.address };
  }
  const provider = parseAddress(flags.provider);
  return { client: await environment.reader(), provider };
}

/** The hints of the checks are for users; the provider itself needs another one. */
function hintFor(error: ProtocolError, flags: Flags, environment: Environment): string {
  if (flags.provider !== undefined) return hintWithNext(error, environment);
  const update = environment.command("update-provider --url <URL>");
  return `Users cannot order from you in this state. Check that your daemon runs; register a new URL, operator, key or catalogue with: ${update}`;
}

/** The checks of create-task. @returns the finding; null if users can order. */
async function verify(client: Client, provider: string): Promise<ProtocolError | null> {
  try {
    await verifyProvider(client, { provider });
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}

/** What the daemon says about itself, even if users cannot order; null where it does not answer. */
async function askDaemon(service: Service) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const [queue, catalogue] = await Promise.all([
    fetchQueue(service, signal).catch(() => null),
    fetchCatalogue(service, signal).catch(() => null),
  ]);
  return { queue, catalogue };
}

const listModels = ({ models }: Catalogue): string =>
  models.map((model) => `${model.name} (${typeOf(model)})`).join(", ") || "none";
