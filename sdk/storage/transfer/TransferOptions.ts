import type { Provider } from "ethers";
import type { Root } from "../../ids.ts";
import type { Call } from "../../transaction/Call.ts";
import type { OnProgress } from "../files/rootOfContent.ts";

/** Options of all transfers. */
export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Called with the number of transferred bytes, including those of earlier attempts. */
  readonly onProgress?: OnProgress;
}

/** Options of an upload. */
export interface UploadOptions extends TransferOptions {
  /** Called with the number of hashed bytes: hashing comes first, as the root determines what has to be sent. */
  readonly onHashed?: OnProgress;
  /** Called only if the file has to be paid for: in 0G's network, unless it is already paid. */
  readonly payer?: (() => Promise<Payer>) | undefined;
  /** Signs a request, like signRequest. Called only if the storage requires a signature. */
  readonly sign?: Sign | undefined;
}

/** Signs a request and returns the headers with the signature. */
export type Sign = (request: { method: string; path: string }) => Promise<Record<string, string>>;

/** The root, the size and the bytes sent by this call. */
export interface Uploaded {
  readonly root: Root;
  readonly size: number;
  readonly sent: number;
}

/** The wallet that pays for an upload to 0G's network. */
export interface Payer {
  readonly chainId: number;
  readonly provider: Provider;
  readonly address: string;
  /** Sends the call and waits until it is in a block. */
  submit(call: Call): Promise<unknown>;
}
