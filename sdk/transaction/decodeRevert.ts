import { type ErrorDescription, Interface, isCallException, isError } from "ethers";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatOg } from "../units.ts";
import { formatTaskId, type TaskId } from "../ids.ts";

type Explanation = readonly [code: ProtocolError["code"], message: string, hint: string];

/** The contracts' errors that users meet, in words. Others keep their Solidity name and numbers. */
const EXPLANATIONS: Record<string, (args: Record<string, unknown>) => Explanation> = {
  LedgerInsufficientBalance: (a) => [
    "insufficient-funds",
    `The account has ${og(a.available)} OG available and ${og(a.required)} OG are needed.`,
    `Add funds: npx hardhat deposit --amount ${missing(a.required, a.available)}`,
  ],
  LedgerNotAuthorized: () => [
    "insufficient-funds",
    "This wallet has no account for fine-tuning yet.",
    "Open one: npx hardhat add-account --amount 0.1",
  ],
  ServingUnknownService: (a) => [
    "not-found",
    `${a.provider} is not a registered provider.`,
    "See who is: npx hardhat list-providers",
  ],
  ServingNotAccepting: (a) => [
    "declined",
    `${a.provider} does not accept tasks at the moment.`,
    "Choose another provider: npx hardhat list-providers",
  ],
  ServingOpenTaskLimit: (a) => [
    "declined",
    `You have an open task at ${a.provider}, which allows ${a.limit} at a time.`,
    "Wait until it is Finished, or cancel it: npx hardhat cancel-task",
  ],
  ServingFeeTooHigh: (a) => [
    "declined",
    `The fee is ${og(a.fee)} OG now, more than the ${og(a.maxFee)} OG of the quote.`,
    "Run the command again to see the new quote.",
  ],
  ServingWrongState: (a) => [
    "reverted",
    `Task ${uuid(a.id)} is not in a state that allows this.`,
    "See where it stands: npx hardhat get-task",
  ],
  ServingDeadlinePassed: (a) => [
    "reverted",
    `The deadline of task ${uuid(a.id)} has passed (${time(a.deadline)}).`,
    "See where it stands: npx hardhat get-task",
  ],
  ServingDeadlineNotPassed: (a) => [
    "too-early",
    `Task ${uuid(a.id)} has until ${time(a.deadline)}.`,
    "Try again after that time.",
  ],
  ServingSelfService: () => [
    "usage",
    "A provider cannot order from himself.",
    "Use another wallet or another provider.",
  ],
};

/**
 * Turns whatever ethers threw into a ProtocolError: reverts carry the Solidity error's name and numbers, a node that
 * does not answer is "network", a wallet without gas is "insufficient-funds".
 */
export function decodeRevert(client: Client, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (isCallException(error)) {
    const revert = error.data ? parseRevert(client, error.data) : undefined;
    if (revert) return explain(revert, error);
    return new ProtocolError(
      "reverted",
      `The contract refused the call${error.reason ? `: ${error.reason}` : "."}`,
      "Check the network and the arguments.",
      { cause: error },
    );
  }
  if (isError(error, "INSUFFICIENT_FUNDS")) {
    return new ProtocolError(
      "insufficient-funds",
      "The wallet holds too little OG for the amount and the gas of this transaction.",
      "Send OG to the wallet, or use a smaller amount.",
      { cause: error },
    );
  }
  if (isUnreachable(error)) {
    return new ProtocolError(
      "network",
      "The chain's RPC endpoint does not answer.",
      "Check RPC_ENDPOINT, or start a local network: npm start -- --keep",
      { cause: error },
    );
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ProtocolError("unexpected", message, "Run again with --show-stack-traces.", {
    cause: error,
  });
}

function parseRevert(client: Client, data: string): ErrorDescription | null {
  for (const contract of [client.serving, client.ledger]) {
    const parsed = (contract.interface as unknown as Interface).parseError(data);
    if (parsed) return parsed;
  }
  return null;
}

function explain(revert: ErrorDescription, cause: unknown): ProtocolError {
  const args = revert.args.toObject();
  const known = EXPLANATIONS[revert.name];
  if (known) return new ProtocolError(...known(args), { cause });
  const numbers = Object.entries(args)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
  return new ProtocolError(
    "reverted",
    `The contract refused the call: ${revert.name}(${numbers}).`,
    "docs/protocol.md says when this error is raised.",
    { cause },
  );
}

function isUnreachable(error: unknown): boolean {
  const codes = ["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "ETIMEDOUT", "EAI_AGAIN"];
  const code = (error as { code?: unknown } | null)?.code;
  return (
    codes.includes(String(code)) ||
    ["NETWORK_ERROR", "TIMEOUT", "SERVER_ERROR"].includes(String(code))
  );
}

const og = (neuron: unknown) => formatOg(BigInt(neuron as bigint));
const missing = (required: unknown, available: unknown) =>
  og((required as bigint) - (available as bigint)).replace(/\.?0+$/, "");
const uuid = (id: unknown) => formatTaskId(id as TaskId);
const time = (seconds: unknown) => new Date(Number(seconds) * 1000).toISOString();
