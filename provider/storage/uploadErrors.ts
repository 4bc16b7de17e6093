import type { Root } from "../../sdk/ids.ts";
import { StorageError } from "./StorageError.ts";

/** Why the store takes a file, or a part of it, not in. */

export function wrongSegmentListError(root: Root): StorageError {
  return new StorageError(
    422,
    "wrong-segment-list",
    `The segment list does not fold to ${root}.`,
    "Compute root and list from the same file.",
  );
}

export function wrongBytesError(root: Root, index: number): StorageError {
  return new StorageError(
    422,
    "wrong-bytes",
    `The bytes are not segment ${index} of ${root}.`,
    "Begin again with the file as it is now: it may have changed since its root was computed.",
  );
}

export function notBegunError(root: Root): StorageError {
  return new StorageError(
    404,
    "not-begun",
    `No upload of ${root} is under way.`,
    "Begin it with PUT /uploads/<root>; what is already here is not sent again.",
  );
}

export function otherSizeError(root: Root, size: number): StorageError {
  return new StorageError(
    409,
    "other-size",
    `${root} is here as a file of ${size} bytes.`,
    "Upload the file with that size: files that differ only in zeros at the end share a root.",
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
    "Begin the upload again to learn which, send them, then finish.",
  );
}

export function tooLargeError(size: number, limit: number): StorageError {
  return new StorageError(
    413,
    "too-large",
    `${size} bytes are more than the ${limit} that one file may have.`,
    "Use a smaller file or another provider.",
  );
}

export function storageFullError(size: number): StorageError {
  return new StorageError(
    507,
    "storage-full",
    `The storage has no room for ${size} bytes.`,
    "Try again later, when abandoned uploads have expired, or use another provider.",
  );
}

export function diskFullError(size: number): StorageError {
  return new StorageError(
    507,
    "disk-full",
    `The disk has no room for ${size} bytes.`,
    "Try again later or use another provider.",
  );
}

export function quotaExceededError(size: number, limit: number): StorageError {
  return new StorageError(
    429,
    "quota-exceeded",
    `With these ${size} bytes, your uploads that no task refers to would exceed the ${limit} allowed.`,
    "Create the tasks for what is here, or try again when older uploads have expired.",
  );
}

export function claimNeededError(size: number, limit: number): StorageError {
  return new StorageError(
    401,
    "claim-needed",
    `${size} bytes need a signed claim: without one, an address may hold ${limit} bytes that no task refers to.`,
    "Upload with the key of a wallet that has an account in the Ledger, or create the task first.",
  );
}

export function tooManyUploadsError(limit: number): StorageError {
  return new StorageError(
    429,
    "too-many-uploads",
    `${limit} uploads of yours are under way.`,
    "Finish them before you begin others.",
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
