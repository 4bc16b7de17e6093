import { ProtocolError } from "../../errors.ts";

/** The error for a file that cannot be opened or read, from the error of the operating system. */
export function unreadableError(path: string, cause: unknown): ProtocolError {
  const { code } = cause as NodeJS.ErrnoException;
  const [what, hint] = REASONS[code ?? ""] ?? [
    `cannot be read (${code})`,
    "Give the path of a readable file.",
  ];
  return new ProtocolError("usage", `${path} ${what}.`, hint, { cause });
}

const REASONS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOENT: ["does not exist", "Give the path of a readable file."],
  ENOTDIR: ["does not exist", "Give the path of a readable file."],
  EISDIR: [
    "is a folder, not a file",
    "Give the path of a file; pack class folders of images with zip or tar.",
  ],
  EACCES: [
    "may not be read by this user",
    "Allow it to be read, or give the path of another file.",
  ],
};
