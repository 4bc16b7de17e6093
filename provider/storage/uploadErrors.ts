import type { Root } from "../../sdk/ids.ts";
import { StorageError } from "./StorageError.ts";

/** Why the store refuses a file, or a part of it. */

export function wrongSegmentListError(root: Root): StorageError {
  return new StorageError(
    422,
    "wrong-segment-list",
    `The segment list does not hash to ${root}.`,
    "Compute root and list from the same file.",
  );
}

export function wrongBytesError(root: Root, index: number): StorageError {
  return new StorageError(
    422,
    "wrong-bytes",
    `The bytes are not segment ${index} of ${root}.`,
    "Start the upload again: the file may have changed since its root was computed.",
  );
}

export function notBegunError(root: Root): StorageError {
  return new StorageError(
    404,
    "not-begun",
    `There is no pending upload of ${root}.`,
    "Begin it with PUT /uploads/<root>; segments that were already uploaded are not needed again.",
  );
}

export function otherSizeError(root: Root, size: number): StorageError {
  return new StorageError(
    409,
    "other-size",
    `${root} is already stored as a file of ${size} bytes.`,
    "Upload the file with that size: files that differ only in trailing zeros have the same root.",
  );
}

export function noSuchSegmentError(root: Root, index: number, count: number): StorageError {
  return new StorageError(
    404,
    "no-such-segment",
    `${root} has no segment ${index}.`,
    `Send segments 0 to ${count - 1}.`,
  );
}

export function incompleteError(root: Root): StorageError {
  return new StorageError(
    409,
    "incomplete",
    `Segments of ${root} are missing.`,
    "Begin the upload again to learn which ones, send them, then finish.",
  );
}

export function tooLargeError(size: number, limit: number): StorageError {
  return new StorageError(
    413,
    "too-large",
    `${size} bytes are more than the ${limit} allowed for one file.`,
    "Use a smaller file or another provider.",
  );
}

export function storageFullError(size: number): StorageError {
  return new StorageError(
    507,
    "storage-full",
    `The storage has no space for ${size} bytes.`,
    "Try again later, when abandoned uploads have expired, or use another provider.",
  );
}

export function diskFullError(size: number): StorageError {
  return new StorageError(
    507,
    "disk-full",
    `The disk has no space for ${size} bytes.`,
    "Try again later or use another provider.",
  );
}

export function quotaExceededError(size: number, limit: number): StorageError {
  return new StorageError(
    429,
    "quota-exceeded",
    `With these ${size} bytes, your uploads without a task would exceed the limit of ${limit}.`,
    "Create tasks for earlier uploads, or try again when they have expired.",
  );
}

export function claimNeededError(size: number, limit: number): StorageError {
  return new StorageError(
    401,
    "claim-needed",
    `${size} bytes need a signed claim: without one, an address may store ${limit} bytes without a task.`,
    "Upload with the key of a wallet that has an account in the Ledger, or create the task first.",
  );
}

export function tooManyUploadsError(limit: number): StorageError {
  return new StorageError(
    429,
    "too-many-uploads",
    `You have ${limit} pending uploads.`,
    "Finish them before beginning others.",
  );
}

export function wrongListLengthError(length: number): StorageError {
  return new StorageError(
    422,
    "wrong-segment-list",
    `The segment list of that size has ${length} bytes.`,
    "Send it with its length in Content-Length.",
  );
}
