import type { Root } from "../../sdk/ids.ts";
import { claimNeededError, quotaExceededError, tooManyUploadsError } from "./uploadErrors.ts";
import type { Uploader } from "./uploader.ts";

/** Most pending uploads of one account: each takes two files on the node. */
const MAX_PENDING = 64;

export interface QuotaLimits {
  /** Bytes that one address may store without a claim and without a task. Default: no limit. */
  readonly addressBytes?: number;
  /** Bytes that all addresses together may store in this way. Default: no limit. */
  readonly unclaimedBytes?: number;
  /** Bytes that one wallet may store without a task. Default: no limit. */
  readonly walletBytes?: number;
  /** Files larger than this count even if a task refers to them. Default: no limit. */
  readonly taskBytes?: number;
}

interface Claim {
  readonly account: string;
  readonly isWallet: boolean;
  readonly root: Root;
  readonly size: number;
  isPending: boolean;
}

interface Held {
  bytes: number;
  pending: number;
  readonly claims: Map<Root, Claim[]>;
}

/**
 * Limits the storage of each account for files that no task refers to. An account is a wallet that signed its claim,
 * else a network address. Files uploaded before the node started count for no account.
 */
export class UploadQuota {
  readonly #limits: QuotaLimits;
  readonly #claims = new Map<string, Claim>();
  readonly #held = new Map<string, Held>();
  #unclaimed = 0;

  constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  /**
   * Counts a file for the first account that uploads it.
   * @param key identifies root and size
   * @throws StorageError 401 if a signed claim would help, 429 if the limit is exceeded.
   */
  claim(
    key: string,
    uploader: Uploader,
    { root, size }: { root: Root; size: number },
    references: ReadonlySet<string> | null,
  ): void {
    if (uploader.kind === "own" || uploader.kind === "machine" || this.#claims.has(key)) return;
    const { account } = uploader;
    const isWallet = uploader.kind === "wallet";
    const held = this.#held.get(account) ?? { bytes: 0, pending: 0, claims: new Map() };
    if (held.pending >= MAX_PENDING) throw tooManyUploadsError(MAX_PENDING);
    const isPaid = references?.has(root) && size <= (this.#limits.taskBytes ?? Infinity);
    if (!isPaid) this.#requireQuota(held, isWallet, size, references);
    const claim = { account, isWallet, root, size, isPending: true };
    this.#claims.set(key, claim);
    this.#held.set(account, held);
    held.bytes += size;
    held.pending++;
    held.claims.set(root, [...(held.claims.get(root) ?? []), claim]);
    if (!isWallet) this.#unclaimed += size;
  }

  /** Marks a file as published: it still counts, but is no longer pending. */
  published(key: string): void {
    const claim = this.#claims.get(key);
    if (!claim?.isPending) return;
    claim.isPending = false;
    this.#held.get(claim.account)!.pending--;
  }

  /** Stops counting a deleted file. */
  release(key: string): void {
    const claim = this.#claims.get(key);
    if (!claim) return;
    this.published(key);
    this.#claims.delete(key);
    const held = this.#held.get(claim.account)!;
    held.bytes -= claim.size;
    if (!claim.isWallet) this.#unclaimed -= claim.size;
    const others = held.claims.get(claim.root)!.filter((other) => other !== claim);
    if (others.length > 0) held.claims.set(claim.root, others);
    else held.claims.delete(claim.root);
    if (held.claims.size === 0) this.#held.delete(claim.account);
  }

  #requireQuota(
    held: Held,
    isWallet: boolean,
    size: number,
    references: ReadonlySet<string> | null,
  ): void {
    const {
      addressBytes = Infinity,
      walletBytes = Infinity,
      unclaimedBytes = Infinity,
    } = this.#limits;
    const limit = isWallet ? walletBytes : addressBytes;
    // Referenced bytes are only computed if they matter.
    const exceeds =
      held.bytes + size > limit && held.bytes - referenced(held, references) + size > limit;
    if (isWallet && exceeds) throw quotaExceededError(size, limit);
    if (!isWallet && (exceeds || this.#unclaimed + size > unclaimedBytes))
      throw claimNeededError(size, limit);
  }
}

function referenced({ claims }: Held, references: ReadonlySet<string> | null): number {
  let bytes = 0;
  for (const root of references ?? [])
    for (const { size } of claims.get(root as Root) ?? []) bytes += size;
  return bytes;
}
