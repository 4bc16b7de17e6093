import type { ErrorDescription } from "ethers";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import type { NextAction } from "../NextAction.ts";
import { TASK_STATES } from "../taskStates.ts";
import { formatOg } from "../units.ts";
import { firstDeposit } from "./firstDeposit.ts";

type Arguments = Record<string, unknown>;
type Explanation = readonly [
  code: ProtocolError["code"],
  message: string,
  hint: string,
  next?: NextAction,
];

/**
 * Explanations of the contracts' errors that users and providers can cause. Others keep their Solidity name and
 * arguments.
 */
const EXPLANATIONS: Record<string, (args: Arguments) => Explanation> = {
  LedgerInsufficientBalance: (a) => [
    "insufficient-funds",
    `The account has ${og(a.available)} OG available and ${og(a.required)} OG are needed.`,
    "Add funds.",
    { verb: "deposit", parameters: { amount: (a.required as bigint) - (a.available as bigint) } },
  ],
  LedgerInsufficientFree: (a) => [
    "insufficient-funds",
    `The sub-account for ${a.provider} has ${og(a.free)} OG free and ${og(a.required)} OG are needed.`,
    "See what is reserved or returning.",
    { verb: "getSubAccount", parameters: { provider: a.provider as string } },
  ],
  LedgerInsufficientAllowance: (a) =>
    a.allowance === 0n
      ? [
          "insufficient-funds",
          `The contract may reserve nothing of this wallet's account and ${og(a.required)} OG are needed.`,
          "Open an account, or allow that much.",
          { verb: "openAccount", parameters: { amount: firstDeposit(a.required as bigint) } },
        ]
      : [
          "insufficient-funds",
          `The contract may reserve ${og(a.allowance)} OG of the account and ${og(a.required)} OG are needed.`,
          "Allow that much.",
          { verb: "authorize", parameters: { allowance: a.required as bigint } },
        ],
  LedgerNotContract: (a) => [
    "usage",
    `There is no contract at ${a.serving}.`,
    "Check the deployment.",
    { setting: "deployment" },
  ],
  LedgerZeroAmount: () => [
    "usage",
    "The amount is zero.",
    "Give an amount above zero, for example 0.1.",
  ],
  LedgerZeroAddress: () => ["usage", "The address is zero.", "Give the address of a provider."],
  LedgerAmountTooLarge: (a) => [
    "usage",
    `${og(a.amount)} OG are more than an account can hold.`,
    "Give a smaller amount.",
  ],
  LedgerTransferFailed: (a) => [
    "reverted",
    `The wallet ${a.to} did not accept the ${og(a.amount)} OG.`,
    "A contract wallet must be able to receive OG; the money is still in the account.",
  ],
  ServingUnknownService: (a) => [
    "not-found",
    `${a.provider} is not a registered provider.`,
    "Choose a registered provider.",
    { verb: "listServices" },
  ],
  ServingServiceExists: (a) => [
    "usage",
    `${a.provider} already offers a service.`,
    "Update it.",
    { verb: "updateService", parameters: {} },
  ],
  ServingNotAccepting: (a) => [
    "declined",
    `${a.provider} does not accept tasks at the moment.`,
    "Choose another provider.",
    { verb: "listServices" },
  ],
  ServingTasksOpen: (a) => [
    "declined",
    `${a.provider} still has open tasks: ${a.open}.`,
    "Finish them first, and accept no new ones.",
    { verb: "updateService", parameters: { accepting: false } },
  ],
  ServingInvalidTerms: (a) => [
    "usage",
    `The terms of the service are not valid: ${a.field}.`,
    "Correct it and try again.",
  ],
  ServingSelfService: () => [
    "usage",
    "A provider cannot order from itself.",
    "Use another wallet or another provider.",
  ],
  ServingOpenTaskLimit: (a) => [
    "declined",
    `You have an open task at ${a.provider}, which allows ${a.limit} at a time.`,
    "Wait until it is Finished, or cancel it.",
    { verb: "cancelTask", parameters: { provider: a.provider as string } },
  ],
  ServingWrongNonce: (a) => [
    "reverted",
    `You created another task meanwhile: this order has number ${a.given}, but ${a.expected} is next.`,
    "Try again if the order is not among your tasks.",
    { verb: "listTasks", parameters: {} },
  ],
  ServingOfferChanged: () => [
    "declined",
    "The provider has changed its terms since the quote.",
    "Ask for a new quote.",
  ],
  ServingOrderExpired: () => ["declined", "The order is no longer valid.", "Order again."],
  ServingTaskExists: () => [
    "reverted",
    "There is a task with this id already.",
    "Order again from another account.",
  ],
  ServingFeeTooHigh: (a) => [
    "declined",
    `The fee is ${og(a.fee)} OG now, more than the ${og(a.maxFee)} OG of the quote.`,
    "Ask for a new quote.",
  ],
  ServingTooFewUnits: (a) => [
    "usage",
    `The order has ${a.units} units of work, and the provider takes at least ${a.minimum}.`,
    "Order the minimum, or choose another provider.",
    { verb: "listServices" },
  ],
  ServingInvalidPublicKey: () => [
    "usage",
    "The public key is not a compressed point of 33 bytes.",
    "Give 0x02 or 0x03 and 64 hex digits.",
  ],
  ServingConfigTooLarge: (a) => [
    "usage",
    `The configuration has ${a.length} bytes, and ${a.maximum} are allowed.`,
    "Remove what is not needed.",
  ],
  ServingNotUser: (a) => [
    "reverted",
    `Task ${uuid(a.id)} was not ordered by ${a.caller}.`,
    "Use the key of the wallet that ordered it.",
    { setting: "privateKey" },
  ],
  ServingNotOperator: (a) => [
    "reverted",
    `${a.caller} is not the operator of the provider of task ${uuid(a.id)}.`,
    "Use the key of the operator that the provider has registered.",
  ],
  ServingWrongState: explainState,
  ServingDeadlinePassed: (a) => [
    "reverted",
    `The deadline of task ${uuid(a.id)} has passed (${time(a.deadline)}).`,
    "See the state of the task.",
    { verb: "getTask", parameters: { id: a.id as TaskId } },
  ],
  ServingDeadlineNotPassed: (a) => [
    "too-early",
    `Task ${uuid(a.id)} has until ${time(a.deadline)}.`,
    "Try again after that time.",
  ],
  ServingInvalidDelivery: (a) => [
    "usage",
    `The delivery of task ${uuid(a.id)} has an impossible size, or an empty root or commitment.`,
    "Seal the model first.",
  ],
  ServingWrongRoot: (a) => [
    "integrity",
    `The model of task ${uuid(a.id)} has the root ${a.root}, not ${a.given}.`,
    "Download it again and acknowledge what arrives.",
    { verb: "downloadDeliverable", parameters: { id: a.id as TaskId } },
  ],
  ServingWrongKey: (a) => [
    "integrity",
    `The key is not the one that the delivery of task ${uuid(a.id)} committed to.`,
    "Reveal the key that the model was sealed with.",
  ],
  ServingDemandLimit: (a) => [
    "declined",
    `The provider of task ${uuid(a.id)} has shown ${a.maximum} chunks of the model, and no more can be demanded.`,
    "Download the model from another storage endpoint.",
    { setting: "storageUrl" },
  ],
  ServingUnknownChunk: (a) => [
    "usage",
    `The model of task ${uuid(a.id)} has no chunk ${a.index}.`,
    "Choose a smaller number.",
  ],
  ServingNoMisbehaviour: (a) => [
    "declined",
    `The page in the proof is what the provider of task ${uuid(a.id)} committed to.`,
    "Decrypt the model again.",
    { verb: "openDeliverable", parameters: { id: a.id as TaskId } },
  ],
  ServingInvalidProof: (a) => [
    "integrity",
    `The proof does not show the bytes of the model of task ${uuid(a.id)} that it should.`,
    "Download the model again and decrypt it.",
    { verb: "downloadDeliverable", parameters: { id: a.id as TaskId } },
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
    `The user's consent was valid until ${time(a.deadline)}.`,
    "Ask the user for a new one.",
  ],
};

/** The error for a revert that one of the contracts declares. */
export function explainRevert(revert: ErrorDescription, cause: unknown): ProtocolError {
  const args = revert.args.toObject();
  const known = EXPLANATIONS[revert.name];
  if (known) {
    const [code, message, hint, next] = known(args);
    return new ProtocolError(code, message, hint, { cause, next });
  }
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
      "See your tasks.",
      { verb: "listTasks", parameters: {} },
    ];
  }
  return [
    "reverted",
    `Task ${uuid(id)} is ${name}, which does not allow this.`,
    "See the state of the task.",
    { verb: "getTask", parameters: { id: id as TaskId } },
  ];
}

const og = (neuron: unknown) => formatOg(BigInt(neuron as bigint));
const uuid = (id: unknown) => formatTaskId(id as TaskId);
const time = (seconds: unknown) => new Date(Number(seconds) * 1_000).toISOString();
