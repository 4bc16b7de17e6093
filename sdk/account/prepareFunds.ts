import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import type { Call } from "../transaction/Call.ts";
import { firstDeposit } from "../transaction/firstDeposit.ts";
import { readChain } from "../transaction/readChain.ts";
import { formatOg } from "../units.ts";
import { authorize, transfer } from "./calls.ts";
import { type AccountSummary, getAccount } from "./getAccount.ts";

export interface PrepareFundsParameters {
  /** Address of the provider that the money is for. */
  readonly provider: string;
  /** Neuron that the serving contract is to reserve in the sub-account for that provider. */
  readonly amount: bigint;
}

/** A call that has to be sent before an amount can be reserved, and what it does. Amounts in neuron. */
export type FundingStep =
  | {
      readonly call: Call;
      readonly name: "transfer";
      readonly from: string;
      readonly amount: bigint;
    }
  | { readonly call: Call; readonly name: "authorize"; readonly allowance: bigint };

/**
 * The calls that have to be sent, in order, before the serving contract can reserve an amount of the signer's account:
 * transfers from the free balance of other sub-accounts if the account is short, and the allowance. None if nothing is
 * missing.
 * @throws ProtocolError "insufficient-funds" if the account and its sub-accounts have too little.
 * @example for (const { call } of await prepareFunds(client, { provider, amount: order.maxFee })) await send(client, call);
 */
export async function prepareFunds(
  client: Client,
  { provider, amount }: PrepareFundsParameters,
): Promise<FundingStep[]> {
  const account = await requireSigner(client).getAddress();
  const { reservable, allowance } = await readReservable(client, account, provider);
  const steps = reservable >= amount ? [] : await fromOthers(client, account, provider, amount);
  if (allowance >= amount) return steps;
  const call = authorize(client, { allowance: amount });
  return [...steps, { name: "authorize", call, allowance: amount }];
}

/** Neuron that can be reserved without a transfer, and how much may be. */
async function readReservable(client: Client, account: string, provider: string) {
  const { ledger, servingAddress } = client;
  const [{ available }, { balance, reserved }, allowance] = await readChain(client, () =>
    Promise.all([
      ledger.accountOf(account),
      ledger.subAccountOf(account, servingAddress, provider),
      ledger.allowanceOf(account, servingAddress),
    ]),
  );
  return { reservable: available + balance - reserved, allowance };
}

async function fromOthers(
  client: Client,
  account: string,
  provider: string,
  amount: bigint,
): Promise<FundingStep[]> {
  const planned = planTransfers(await getAccount(client, { account }), provider, amount);
  return planned.map((step) => ({
    name: "transfer",
    call: transfer(client, { ...step, to: provider }),
    ...step,
  }));
}

/** Takes what the main account and the provider's sub-account lack from the others, the largest free balance first. */
function planTransfers(account: AccountSummary, provider: string, amount: bigint) {
  const own = account.subAccounts.find((sub) => sub.provider === provider);
  const here = account.available + (own ? own.free + own.returning : 0n);
  const others = account.subAccounts
    .filter((sub) => sub.provider !== provider && sub.free > 0n)
    .toSorted((a, b) => (a.free < b.free ? 1 : -1));
  let missing = amount > here ? amount - here : 0n;
  const total = here + others.reduce((sum, { free }) => sum + free, 0n);
  if (total < amount) throw insufficientFundsError(account, total, amount);
  const transfers: { from: string; amount: bigint }[] = [];
  for (const { provider: from, free } of others) {
    if (missing === 0n) break;
    const part = free < missing ? free : missing;
    transfers.push({ from, amount: part });
    missing -= part;
  }
  return transfers;
}

function insufficientFundsError(
  { total: balance, subAccounts }: AccountSummary,
  total: bigint,
  amount: bigint,
): ProtocolError {
  const isNew = balance === 0n && subAccounts.length === 0;
  const next = isNew
    ? ({ verb: "openAccount", parameters: { amount: firstDeposit(amount) } } as const)
    : ({ verb: "deposit", parameters: { amount: amount - total } } as const);
  return new ProtocolError(
    "insufficient-funds",
    `The account has ${formatOg(total)} OG available and ${formatOg(amount)} OG are needed.`,
    isNew ? "Open an account." : "Add funds.",
    { next },
  );
}
