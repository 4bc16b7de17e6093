import { ProtocolError } from "../sdk/errors.ts";
import type { Setting } from "../sdk/NextAction.ts";
import type { FailReason } from "../sdk/task/FailReason.ts";

/**
 * Base class of the daemon's errors. `retryable` is the only distinction that the daemon acts on: a retryable operation
 * is retried after a pause; any other error needs the operator.
 */
export class ProviderError extends Error {
  override readonly name: string = "ProviderError";
  readonly retryable: boolean;
  readonly hint: string;
  /** Already reported to the operator: not logged again at every attempt. */
  readonly isReported: boolean;
  /** Consecutive failures, including this one, that count against the step's task; null if this one does not count. */
  readonly strikes: number | null;

  constructor(
    message: string,
    options: {
      retryable: boolean;
      hint: string;
      isReported?: boolean;
      cause?: unknown;
      strikes?: number;
    },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryable = options.retryable;
    this.hint = options.hint;
    this.isReported = options.isReported ?? false;
    this.strikes = options.strikes ?? null;
  }
}

/** The state database cannot be read or written. The daemon stops instead of acting on incomplete state. */
export class StateUnusableError extends ProviderError {
  override readonly name = "StateUnusableError";

  constructor(message: string, hint: string, cause: unknown) {
    super(message, { retryable: false, hint, cause });
  }
}

/**
 * A task that can never succeed. An accepted task is failed on chain with `reason`, and the fee is returned; an order
 * that is not accepted yet is refused without a transaction, which the API reports to its user.
 */
export class TaskRefusedError extends ProviderError {
  override readonly name = "TaskRefusedError";
  readonly reason: FailReason;

  constructor(reason: FailReason, message: string, hint: string, cause?: unknown) {
    super(message, { retryable: false, hint, cause });
    this.reason = reason;
  }
}

/** Treats any other error as temporary: a full disk, or a chain or storage that does not respond. */
export function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const hint =
    error instanceof ProtocolError ? hintFor(error) : "It will be retried after a pause.";
  return new ProviderError(message, { retryable: true, hint, cause: error });
}

/** The environment variables for each setting of the client. */
const VARIABLES: Readonly<Record<Setting, string>> = {
  rpcUrl: "RPC_ENDPOINT",
  chain: "RPC_ENDPOINT and DEPLOYMENT_DIR",
  certificate: "RPC_ENDPOINT and NODE_EXTRA_CA_CERTS",
  deployment: "RPC_ENDPOINT and DEPLOYMENT_DIR",
  privateKey: "PROVIDER_KEYSTORE or PROVIDER_PRIVATE_KEY",
  storageUrl: "STORAGE_ENDPOINT",
};

/** The operator's hint for an error of the SDK. */
export function hintFor({ hint, next }: ProtocolError): string {
  if (!next || !("setting" in next)) return hint;
  return `${hint.replace(/\.$/, "")} (${VARIABLES[next.setting]}).`;
}
