import { ProtocolError } from "../../errors.ts";
import { StorageConnection } from "./StorageConnection.ts";

/** One of the servers that a download asks, until it fails. */
export class Source {
  readonly connection: StorageConnection;
  /** Aborted when the download ends or the source has failed. */
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #onFailed: (reason: ProtocolError) => void;
  #failure: ProtocolError | null = null;

  /** @throws ProtocolError "usage" when the address is not one. */
  constructor(url: string, signal: AbortSignal, onFailed: (reason: ProtocolError) => void) {
    this.connection = new StorageConnection(url);
    this.#onFailed = onFailed;
    this.signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Why it is asked no more. */
  get failure(): ProtocolError | null {
    return this.#failure;
  }

  /** Ends all its requests. The first failure counts: those after it are but its echo. */
  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = error instanceof ProtocolError ? error : this.connection.unreachable(error);
    this.#stop.abort(this.#failure);
    this.#onFailed(this.#failure);
  }

  close(): void {
    this.connection.close();
  }
}
