import type { Client } from "../client.ts";
import { ledgerCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Verbs that are a single contract call. */

export interface AmountParameters {
  /** Neuron. */
  readonly amount: bigint;
}

export interface AuthorizeParameters {
  readonly authorized: boolean;
}

export interface SubAccountParameters {
  /** Address of the provider. */
  readonly provider: string;
}

export interface RetrieveParameters {
  /** Addresses of the providers. */
  readonly providers: readonly string[];
}

/**
 * Deposits into the signer's account and lets the serving contract act on it.
 * @example await send(client, openAccount(client, { amount: parseOg("1") }));
 */
export function openAccount(client: Client, { amount }: AmountParameters): Call {
  return ledgerCall(client, "openAccount", [client.servingAddress], amount);
}

/**
 * Adds to the signer's account.
 * @example await send(client, deposit(client, { amount: parseOg("0.1") }));
 */
export function deposit(client: Client, { amount }: AmountParameters): Call {
  return ledgerCall(client, "deposit", [], amount);
}

/**
 * Pays from the signer's available balance to their wallet.
 * @example await send(client, withdraw(client, { amount: parseOg("0.1") }));
 */
export function withdraw(client: Client, { amount }: AmountParameters): Call {
  return ledgerCall(client, "withdraw", [amount]);
}

/**
 * Lets the serving contract act on the signer's account, or withdraws that permission for new reservations.
 * @example await send(client, authorize(client, { authorized: false }));
 */
export function authorize(client: Client, { authorized }: AuthorizeParameters): Call {
  return ledgerCall(client, "authorize", [client.servingAddress, authorized]);
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
