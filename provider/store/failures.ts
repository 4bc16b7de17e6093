import { ProviderError, StateUnusableError } from "../errors.ts";

/** SQLite's result codes (sqlite3.h) for problems with the file, as opposed to the statement. */
const SQLITE = {
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
  readOnly: 8,
};

/** Converts errors of the file into errors for the operator; returns others unchanged. */
export function asStateUnusableError(error: unknown): unknown {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  if (typeof code !== "number" || error instanceof StateUnusableError) return error;
  switch (code & 0xff) {
    case SQLITE.full:
      return new StateUnusableError(
        "The disk that holds the state database is full.",
        "Free space and start the daemon again; nothing was lost.",
        error,
      );
    case SQLITE.ioError:
    case SQLITE.cannotOpen:
    case SQLITE.readOnly:
      return new StateUnusableError(
        "The state database cannot be written.",
        "Check the disk and the permissions of PROVIDER_DIR, then start the daemon again.",
        error,
      );
    case SQLITE.corrupt:
    case SQLITE.notADatabase:
      return damagedError(error);
    default:
      return error;
  }
}

export function damagedError(cause: unknown): StateUnusableError {
  return new StateUnusableError(
    "The state database is damaged.",
    "Restore state.db from the newest backup and start again: later changes are read from the chain.",
    cause,
  );
}

export function isLocked(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}

export function inUseError(directory: string): ProviderError {
  return new ProviderError(`Another provider daemon is using ${directory}.`, {
    retryable: false,
    hint: "Stop it first, or use another PROVIDER_DIR for this one.",
  });
}

export function otherVersionError(directory: string, version: number): ProviderError {
  return new ProviderError(
    `${directory} was written by another version of the daemon (${version}).`,
    {
      retryable: false,
      hint: "Use that version, or another PROVIDER_DIR.",
    },
  );
}

export function otherIdentityError(directory: string, what: string): ProviderError {
  return new ProviderError(`The state in ${directory} belongs to another ${what}.`, {
    retryable: false,
    hint: "Use another PROVIDER_DIR for this daemon; for a restarted local network, delete the old one.",
  });
}
