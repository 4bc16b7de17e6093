import type { Root } from "../../sdk/ids.ts";
import { claimNeededError, quotaExceededError, tooManyUploadsError } from "./uploadErrors.ts";
import type { Uploader } from "./uploader.ts";

/** Uploads that one account may have under way: each costs the node two files. */
const MAX_PENDING = 64;

export interface QuotaLimits {
  /** Bytes that one address may hold without a claim and without a task. Without it, any number. */
  readonly addressBytes?: number;
  /** Bytes that all addresses together may hold in this way. Without it, any number. */
  readonly unclaimedBytes?: number;
  /** Bytes that one wallet may hold without a task. Without it, any number. */
  readonly walletBytes?: number;
  /** A larger content counts, although a task refers to it. Without it, none does. */
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
 * How much of the store each account has taken for contents that no task refers to: a wallet that signed its claim,
 * else a network address. What was uploaded before the node started counts for nobody.
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
   * Counts a content for the account that uploads it first.
   * @param key names content and size
   * @throws StorageError 401 when a signed claim would do, 429 when it is too much.
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

  /** The content is published: it still counts, but is no longer under way. */
  published(key: string): void {
    const claim = this.#claims.get(key);
    if (!claim?.isPending) return;
    claim.isPending = false;
    this.#held.get(claim.account)!.pending--;
  }

  /** Forgets a content that is gone. */
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
    // What tasks refer to is looked for only when it matters.
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
