import type { ErrorDescription } from "ethers";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { TASK_STATES } from "../taskStates.ts";
import { formatOg } from "../units.ts";

type Arguments = Record<string, unknown>;
type Explanation = readonly [code: ProtocolError["code"], message: string, hint: string];

/** The contracts' errors that users and providers meet, in words. Others keep their Solidity name and numbers. */
const EXPLANATIONS: Record<string, (args: Arguments) => Explanation> = {
  LedgerInsufficientBalance: (a) => [
    "insufficient-funds",
    `The account has ${og(a.available)} OG available and ${og(a.required)} OG are needed.`,
    `Add funds: npx hardhat deposit --amount ${missing(a.required, a.available)}`,
  ],
  LedgerInsufficientFree: (a) => [
    "insufficient-funds",
    `The sub-account for ${a.provider} has ${og(a.free)} OG free and ${og(a.required)} OG are needed.`,
    `See what is reserved or returning: npx hardhat get-sub-account --provider ${a.provider}`,
  ],
  LedgerNotAuthorized: () => [
    "insufficient-funds",
    "This wallet has no account for fine-tuning yet.",
    "Open one: npx hardhat add-account --amount 0.1",
  ],
  LedgerZeroAmount: () => [
    "usage",
    "The amount is zero.",
    "Give an amount above zero: --amount 0.1",
  ],
  LedgerZeroAddress: () => ["usage", "The address is zero.", "Give the address of a provider."],
  LedgerAmountTooLarge: (a) => [
    "usage",
    `${og(a.amount)} OG are more than an account can hold.`,
    "Give a smaller amount.",
  ],
  LedgerTransferFailed: (a) => [
    "reverted",
    `The wallet ${a.to} did not take the ${og(a.amount)} OG.`,
    "A contract wallet must be able to receive OG; the money is still in the account.",
  ],
  ServingUnknownService: (a) => [
    "not-found",
    `${a.provider} is not a registered provider.`,
    "See who is: npx hardhat list-providers",
  ],
  ServingServiceExists: (a) => [
    "usage",
    `${a.provider} offers a service already.`,
    "Change it: npx hardhat update-provider",
  ],
  ServingNotAccepting: (a) => [
    "declined",
    `${a.provider} does not accept tasks at the moment.`,
    "Choose another provider: npx hardhat list-providers",
  ],
  ServingTasksOpen: (a) => [
    "declined",
    `${a.provider} still has open tasks: ${a.open}.`,
    "Finish them first; stop new ones with: npx hardhat update-provider --accepting false",
  ],
  ServingInvalidTerms: (a) => [
    "usage",
    `The terms of the service are not valid: ${a.field}.`,
    "Correct it and run the command again.",
  ],
  ServingSelfService: () => [
    "usage",
    "A provider cannot order from itself.",
    "Use another wallet or another provider.",
  ],
  ServingOpenTaskLimit: (a) => [
    "declined",
    `You have an open task at ${a.provider}, which allows ${a.limit} at a time.`,
    `Wait until it is Finished, or cancel it: npx hardhat cancel-task --provider ${a.provider}`,
  ],
  ServingWrongNonce: (a) => [
    "reverted",
    `Another task of yours got in between: this order is number ${a.given}, and ${a.expected} is next.`,
    "See whether it is the same one: npx hardhat list-tasks; if not, run the command again.",
  ],
  ServingFeeTooHigh: (a) => [
    "declined",
    `The fee is ${og(a.fee)} OG now, more than the ${og(a.maxFee)} OG of the quote.`,
    "Run the command again to see the new quote.",
  ],
  ServingZeroUnits: () => [
    "usage",
    "The dataset is declared to be empty.",
    "Give its size: npx hardhat calculate-token",
  ],
  ServingInvalidPublicKey: () => [
    "usage",
    "The public key is not a compressed point of 33 bytes.",
    "Give 0x02 or 0x03 and 64 hex digits.",
  ],
  ServingConfigTooLarge: (a) => [
    "usage",
    `The configuration has ${a.length} bytes, and ${a.maximum} are allowed.`,
    "Take out what is not needed.",
  ],
  ServingNotUser: (a) => [
    "reverted",
    `Task ${uuid(a.id)} was not ordered by ${a.caller}.`,
    "Set ZG_PRIVATE_KEY to the key of the wallet that ordered it.",
  ],
  ServingNotProvider: (a) => [
    "reverted",
    `Task ${uuid(a.id)} was not ordered from ${a.caller}.`,
    "Use the key of the provider that the task was ordered from.",
  ],
  ServingWrongState: explainState,
  ServingDeadlinePassed: (a) => [
    "reverted",
    `The deadline of task ${uuid(a.id)} has passed (${time(a.deadline)}).`,
    `See where it stands: npx hardhat get-task --task ${uuid(a.id)}`,
  ],
  ServingDeadlineNotPassed: (a) => [
    "too-early",
    `Task ${uuid(a.id)} has until ${time(a.deadline)}.`,
    "Try again after that time.",
  ],
  ServingInvalidDelivery: (a) => [
    "usage",
    `The delivery of task ${uuid(a.id)} has no possible size, or an empty root or commitment.`,
    "Seal the model first.",
  ],
  ServingWrongRoot: (a) => [
    "integrity",
    `The model of task ${uuid(a.id)} has the root ${a.root}, not ${a.given}.`,
    "Download it again and acknowledge what arrives: npx hardhat acknowledge-model",
  ],
  ServingWrongKey: (a) => [
    "integrity",
    `The key is not the one that the delivery of task ${uuid(a.id)} committed to.`,
    "Reveal the key that the model was sealed with.",
  ],
  ServingNoMisbehaviour: (a) => [
    "declined",
    `The page that was shown is what the provider of task ${uuid(a.id)} committed to.`,
    "Decrypt the model again: npx hardhat decrypt-model",
  ],
  ServingInvalidProof: (a) => [
    "integrity",
    `The proof does not show a page of the model of task ${uuid(a.id)}.`,
    "Download the model again and decrypt it: npx hardhat acknowledge-model",
  ],
  ServingAmountTooLarge: (a) => [
    "usage",
    `${og(a.amount)} OG are more than the fee of ${og(a.maximum)} OG.`,
    "Agree on at most the fee.",
  ],
  ServingInvalidConsent: (a) => [
    "integrity",
    `The consent for task ${uuid(a.id)} is not signed by its user.`,
    "Ask the user for a new signature over the same amount and deadline.",
  ],
  ServingConsentExpired: (a) => [
    "reverted",
    `The user's consent was good until ${time(a.deadline)}.`,
    "Ask the user for a new one.",
  ],
};

/** The error of a revert that one of the contracts declares. */
export function explainRevert(revert: ErrorDescription, cause: unknown): ProtocolError {
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

function explainState({ id, state }: Arguments): Explanation {
  const name = TASK_STATES[Number(state) - 1];
  if (!name) {
    return [
      "not-found",
      `There is no task ${uuid(id)} on this network.`,
      "See your tasks: npx hardhat list-tasks",
    ];
  }
  return [
    "reverted",
    `Task ${uuid(id)} is ${name}, which does not allow this.`,
    `See where it stands: npx hardhat get-task --task ${uuid(id)}`,
  ];
}

const og = (neuron: unknown) => formatOg(BigInt(neuron as bigint));
const missing = (required: unknown, available: unknown) =>
  og((required as bigint) - (available as bigint)).replace(/\.?0+$/, "");
const uuid = (id: unknown) => formatTaskId(id as TaskId);
const time = (seconds: unknown) => new Date(Number(seconds) * 1_000).toISOString();
