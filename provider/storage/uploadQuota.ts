import type { Root } from "../../sdk/ids.ts";
import { quotaExceeded } from "./uploadRefusals.ts";

interface Claim {
  readonly address: string;
  readonly size: number;
}

/** Whom an upload from this address counts for: nobody when it is this machine's own, which has no quota. */
export function uploaderAt(ip: string): string | null {
  return /^(::ffff:)?127\.|^::1$/.test(ip) ? null : ip;
}

/**
 * How much of the store each address has taken for contents that no task refers to. Uploads need no account, so the
 * address is all there is to know an uploader by; what was uploaded before the node started counts for nobody.
 */
export class UploadQuota {
  readonly #limit: number;
  readonly #claims = new Map<Root, Claim>();

  /** @param limit bytes per address */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts a content for the address that uploads it first. @throws StorageRefusal 429 when that is too much. */
  claim(
    address: string,
    { root, size }: { root: Root; size: number },
    references: ReadonlySet<string> | null,
  ): void {
    let held = size;
    for (const [other, claim] of this.#claims) {
      if (claim.address !== address || other === root || references?.has(other)) continue;
      held += claim.size;
    }
    if (held > this.#limit) throw quotaExceeded(held, this.#limit);
    if (!this.#claims.has(root)) this.#claims.set(root, { address, size });
  }

  /** Forgets a content that is gone. */
  release(root: Root): void {
    this.#claims.delete(root);
  }
}
