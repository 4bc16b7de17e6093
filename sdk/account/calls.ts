import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Verbs that are a single contract call. */

export interface AmountParameters {
  /** Neuron. */
  readonly amount: bigint;
}

export interface AuthorizeParameters {
  /** Neuron, or UNLIMITED. */
  readonly allowance: bigint;
}

export interface WithdrawParameters extends AmountParameters {
  /** Address of the receiver; default: the signer's wallet. */
  readonly to?: string | undefined;
}

export interface TransferParameters extends AmountParameters {
  /** Address of the provider whose sub-account gives. */
  readonly from: string;
  /** Address of the provider whose sub-account gets. */
  readonly to: string;
}

/** The allowance that reservations do not use up. */
export const UNLIMITED = 2n ** 256n - 1n;

export interface SubAccountParameters {
  /** Address of the provider. */
  readonly provider: string;
}

export interface RetrieveParameters {
  /** Addresses of the providers. */
  readonly providers: readonly string[];
}

/**
 * Deposits into the signer's account and sets how much of it the serving contract may reserve.
 * @example await send(client, openAccount(client, { amount: parseOg("1"), allowance: parseOg("1") }));
 */
export function openAccount(
  client: Client,
  { amount, allowance }: AmountParameters & AuthorizeParameters,
): Call {
  return ledgerCall(client, "openAccount", [client.servingAddress, allowance], amount);
}

/**
 * Adds to the signer's account.
 * @example await send(client, deposit(client, { amount: parseOg("0.1") }));
 */
export function deposit(client: Client, { amount }: AmountParameters): Call {
  return ledgerCall(client, "deposit", [], amount);
}

/**
 * Pays out of the signer's available balance, to their wallet or to another address.
 * @example await send(client, withdraw(client, { amount: parseOg("0.1") }));
 */
export function withdraw(client: Client, { amount, to }: WithdrawParameters): Call {
  return to === undefined
    ? ledgerCall(client, "withdraw", [amount])
    : ledgerCall(client, "withdrawTo", [to, amount]);
}

/**
 * Sets how much of the signer's account the serving contract may reserve from now on. Each reservation uses it up.
 * @example await send(client, authorize(client, { allowance: parseOg("1") }));
 */
export function authorize(client: Client, { allowance }: AuthorizeParameters): Call {
  return ledgerCall(client, "authorize", [client.servingAddress, allowance]);
}

/**
 * Moves free balance from one of the signer's sub-accounts to another, at once.
 * @example await send(client, transfer(client, { from: "0x…", to: provider, amount: parseOg("0.1") }));
 */
export function transfer(client: Client, { from, to, amount }: TransferParameters): Call {
  return ledgerCall(client, "transfer", [client.servingAddress, from, to, amount]);
}

/**
 * Moves an amount from the signer's account into their sub-account for a provider.
 * @example await send(client, fund(client, { provider, amount: parseOg("0.1") }));
 */
export function fund(
  client: Client,
  { provider, amount }: SubAccountParameters & AmountParameters,
): Call {
  return ledgerCall(client, "fund", [client.servingAddress, provider, amount]);
}

/**
 * Requests the return of an amount from a sub-account's free balance; it unlocks after the lock period.
 * @example await send(client, requestReturn(client, { provider, amount: parseOg("0.1") }));
 */
export function requestReturn(
  client: Client,
  { provider, amount }: SubAccountParameters & AmountParameters,
): Call {
  return ledgerCall(client, "requestReturn", [client.servingAddress, provider, amount]);
}

/**
 * Moves the matured return requests of a sub-account to the signer's account.
 * @example await send(client, claimReturn(client, { provider }));
 */
export function claimReturn(client: Client, { provider }: SubAccountParameters): Call {
  return ledgerCall(client, "claimReturn", [client.servingAddress, provider]);
}

/**
 * For each provider: claims what has matured and requests the return of what is free.
 * @example await send(client, retrieve(client, { providers: [provider] }));
 */
export function retrieve(client: Client, { providers }: RetrieveParameters): Call {
  return ledgerCall(client, "retrieve", [client.servingAddress, providers]);
}
