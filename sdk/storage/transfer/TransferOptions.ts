import type { Provider } from "ethers";
import type { Root } from "../../ids.ts";
import type { Call } from "../../transaction/Call.ts";
import type { OnProgress } from "../files/rootOfContent.ts";

/** Of every transfer. */
export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Told how many bytes are across, those of earlier attempts included. */
  readonly onProgress?: OnProgress;
}

/** Of an upload. */
export interface UploadOptions extends TransferOptions {
  /** Told how many bytes are hashed: that comes first, because the root decides what is sent at all. */
  readonly onHashed?: OnProgress;
  /** Asked for only where the file has to be paid for: in 0G's network, unless somebody has. */
  readonly payer?: (() => Promise<Payer>) | undefined;
  /** Signs a request, as signRequest does. Asked for only where the storage takes no more from strangers. */
  readonly sign?: Sign | undefined;
}

/** Signs a request, and returns the headers that say so. */
export type Sign = (request: { method: string; path: string }) => Promise<Record<string, string>>;

/** The root, the size and the bytes sent by this call. */
export interface Uploaded {
  readonly root: Root;
  readonly size: number;
  readonly sent: number;
}

/** Who pays for an upload to 0G's network, and sends the transaction that says so. */
export interface Payer {
  readonly chainId: number;
  readonly provider: Provider;
  readonly address: string;
  /** Sends the call and waits until it is in a block. */
  submit(call: Call): Promise<unknown>;
}
