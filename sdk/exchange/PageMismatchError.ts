import { ProtocolError } from "../errors.ts";

/**
 * A page is not what the provider committed to: its digest differs from its entry in the page above, which was already
 * verified. A proof of misbehaviour starts from the page's number.
 */
export class PageMismatchError extends ProtocolError {
  /** Number of the page in the encrypted file. */
  readonly page: number;
  /** 0 for a data page; the top page is the last level, and is compared with contentRoot. */
  readonly level: number;

  constructor(page: number, level: number) {
    super(
      "integrity",
      `Page ${page} of the deliverable is not what the provider committed to.`,
      "If the file still has the deliverable's root, prove the misbehaviour on chain and get the fee back; if not, download it again.",
    );
    this.page = page;
    this.level = level;
  }
}
