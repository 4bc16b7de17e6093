import type { FastifyRequest } from "fastify";
import { getAccount } from "../../sdk/account/getAccount.ts";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { verifyRequest } from "../../sdk/service/signedRequest.ts";
import type { SigningScope } from "../../sdk/service/typedData.ts";
import { cachedByKey } from "../cached.ts";
import type { Clock } from "../clock.ts";
import { StorageError } from "./StorageError.ts";
import { type Uploader, uploaderAt } from "./uploader.ts";

export interface ClaimCheck extends SigningScope {
  /** Whether a wallet has money in the Ledger; false if that cannot be determined. */
  hasAccount(wallet: string): Promise<boolean>;
}

/**
 * The account that an upload counts for: the wallet that signed it, if it has an account in the Ledger, else the
 * network address. The signature covers root and size, and the root determines the segment list. A signature may be
 * reused: the same upload is not counted twice.
 * @param path the signed path below the storage's URL, with its query
 * @throws StorageError 401 for a malformed or expired signature.
 */
export async function claimant(
  check: ClaimCheck,
  request: FastifyRequest,
  path: string,
): Promise<Uploader> {
  const atAddress = uploaderAt(request.ip);
  const header = request.headers.authorization;
  if (header === undefined || atAddress.kind === "machine") return atAddress;
  const { chainId, servingAddress: serving } = check;
  const { method } = request;
  try {
    const { user } = verifyRequest({ chainId, serving, method, path, header, now: new Date() });
    return (await check.hasAccount(user)) ? { kind: "wallet", account: user } : atAddress;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new StorageError(401, "bad-claim", error.message, error.hint);
  }
}

/** Milliseconds for which it is cached whether a wallet has an account. */
const ACCOUNT_AGE = 60_000;

/** Checks wallets in the Ledger, and caches the results. */
export function claimCheck(client: Client, clock: Pick<Clock, "now">): ClaimCheck {
  const ask = (account: string) =>
    getAccount(client, { account }).then(
      ({ total }) => total > 0n,
      () => false,
    );
  return {
    chainId: client.chainId,
    servingAddress: client.servingAddress,
    hasAccount: cachedByKey(ask, ACCOUNT_AGE, clock),
  };
}
