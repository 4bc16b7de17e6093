import { ProtocolError } from "./errors.ts";

/** What is wrong with a file, by the code of the operating system. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "does not exist",
  EISDIR: "is a folder, not a file",
  EACCES: "is not accessible to this user",
  EPERM: "is not accessible to this user",
  EROFS: "is on a read-only disk",
  ELOOP: "is a link that leads back to itself",
  ENAMETOOLONG: "has too long a name",
  EEXIST: "already exists",
};

/** What to give in place of a dataset. */
const HINTS: Readonly<Record<string, string>> = {
  EISDIR: "Give the path of a file; pack class folders of images with zip or tar.",
  EACCES: "Allow it to be read, or give the path of another file.",
};

const FULL_DISK = ["ENOSPC", "EDQUOT", "EFBIG"];

/**
 * The error for a file that cannot be opened or read, from the error of the operating system.
 * @param wanted what to give instead
 */
export function unreadableError(
  path: string,
  cause: unknown,
  wanted = HINTS[codeOf(cause)] ?? "Give the path of a readable file.",
): ProtocolError {
  const code = codeOf(cause);
  const reason = REASONS[code] ?? `cannot be read (${code})`;
  return new ProtocolError("usage", `${path} ${reason}.`, wanted, { cause });
}

/**
 * The error for a file that cannot be written, from the error of the operating system: "unexpected" if the disk failed,
 * "usage" if the path is at fault.
 */
export function unwritableError(path: string, cause: unknown): ProtocolError {
  const code = codeOf(cause);
  if (FULL_DISK.includes(code)) {
    const hint = "Free some space, then try again.";
    return new ProtocolError("unexpected", `The disk is full: ${path} is not complete.`, hint, {
      cause,
    });
  }
  if (code in REASONS) {
    const hint = "Give a path in a folder that exists and that you may write to.";
    const reason = ["ENOENT", "ENOTDIR"].includes(code)
      ? "its folder does not exist"
      : `it ${REASONS[code]}`;
    const message = `${path} cannot be written: ${reason}.`;
    return new ProtocolError("usage", message, hint, { cause });
  }
  const hint = "Check the disk and the permissions, then try again.";
  const message = `${path} cannot be written (${code}).`;
  return new ProtocolError("unexpected", message, hint, { cause });
}

/** The sentence for any other error of the operating system about a file; undefined for other errors. */
export function fileErrorOf(cause: unknown): ProtocolError | undefined {
  if (!(cause instanceof Error)) return undefined;
  const { path, syscall } = cause as NodeJS.ErrnoException;
  if (FULL_DISK.includes(codeOf(cause))) return unwritableError(path ?? "the output", cause);
  if (path === undefined || syscall === undefined) return undefined;
  return unreadableError(path, cause, "Check the path and its permissions.");
}

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? "";
