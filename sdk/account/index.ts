/** Accounts of users and providers: balances, sub-accounts, lock period. */

export * from "./calls.ts";
export * from "./getAccount.ts";
export * from "./getLockPeriod.ts";
export * from "./getSubAccount.ts";
export * from "./listSubAccounts.ts";
export * from "./prepareFunds.ts";
export type { ReturnRequest } from "./readReturns.ts";
export type { SubAccountSummary } from "./SubAccount.ts";
