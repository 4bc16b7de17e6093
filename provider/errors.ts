import { ProtocolError } from "../sdk/errors.ts";
import type { Setting } from "../sdk/NextAction.ts";
import type { FailReason } from "../sdk/task/FailReason.ts";

/**
 * The daemon's error family: `retryable` is the one distinction it acts on. A retryable error is tried again after a
 * pause; any other needs the operator.
 */
export class ProviderError extends Error {
  override readonly name: string = "ProviderError";
  readonly retryable: boolean;
  readonly hint: string;
  /** The operator was told already, and is not told again at every try. */
  readonly isReported: boolean;
  /** Times in a row, with this one, that a step ended in a way that speaks against its task; null if this does not. */
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

/** The state database cannot be read or written: the daemon stops before it decides anything on a guess. */
export class StateUnusableError extends ProviderError {
  override readonly name = "StateUnusableError";

  constructor(message: string, hint: string, cause: unknown) {
    super(message, { retryable: false, hint, cause });
  }
}

/**
 * A task that can never succeed. Once accepted it is given up on chain with `reason`, and the fee goes back; an order
 * that is not accepted yet is refused without a transaction, and its user is told so.
 */
export class TaskRefusedError extends ProviderError {
  override readonly name = "TaskRefusedError";
  readonly reason: FailReason;

  constructor(reason: FailReason, message: string, hint: string, cause?: unknown) {
    super(message, { retryable: false, hint, cause });
    this.reason = reason;
  }
}

/** Everything else that is thrown counts as a passing fault: a full disk, a chain or a storage that does not answer. */
export function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof ProtocolError ? hintFor(error) : "It is tried again after a pause.";
  return new ProviderError(message, { retryable: true, hint, cause: error });
}

/** The variables of the daemon's environment for each setting of its client. */
const VARIABLES: Readonly<Record<Setting, string>> = {
  rpcUrl: "RPC_ENDPOINT",
  chain: "RPC_ENDPOINT and DEPLOYMENT_DIR",
  certificate: "RPC_ENDPOINT and NODE_EXTRA_CA_CERTS",
  deployment: "RPC_ENDPOINT and DEPLOYMENT_DIR",
  privateKey: "PROVIDER_KEYSTORE or PROVIDER_PRIVATE_KEY",
  storageUrl: "STORAGE_ENDPOINT",
};

/** What the operator does about an error of the SDK. */
export function hintFor({ hint, next }: ProtocolError): string {
  if (!next || !("setting" in next)) return hint;
  return `${hint.replace(/\.$/, "")} (${VARIABLES[next.setting]}).`;
}
