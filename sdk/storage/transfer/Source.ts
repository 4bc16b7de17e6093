import { ProtocolError } from "../../errors.ts";
import { StorageConnection } from "./StorageConnection.ts";

/** One of the servers of a download, used until it fails. */
export class Source {
  readonly connection: StorageConnection;
  /** Aborted when the download ends or the source fails. */
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #onFailed: (reason: ProtocolError) => void;
  #failure: ProtocolError | null = null;

  /** @throws ProtocolError "usage" if the URL is invalid. */
  constructor(url: string, signal: AbortSignal, onFailed: (reason: ProtocolError) => void) {
    this.connection = new StorageConnection(url);
    this.#onFailed = onFailed;
    this.signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Why it is no longer used; null if it is. */
  get failure(): ProtocolError | null {
    return this.#failure;
  }

  /** Aborts all its requests. Only the first failure counts: later ones are its consequences. */
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
