import type { Root } from "../../sdk/ids.ts";
import { StorageRefusal } from "./StorageRefusal.ts";

/** Why the store takes a file, or a part of it, not in. */

export function wrongSegmentList(root: Root): StorageRefusal {
  return new StorageRefusal(
    422,
    "wrong-segment-list",
    `The segment list does not fold to ${root}.`,
    "Compute root and list from the same file.",
  );
}

export function wrongBytes(root: Root, index: number): StorageRefusal {
  return new StorageRefusal(
    422,
    "wrong-bytes",
    `The bytes are not segment ${index} of ${root}.`,
    "Begin again with the file as it is now: it may have changed since its root was computed.",
  );
}

export function notBegun(root: Root): StorageRefusal {
  return new StorageRefusal(
    404,
    "not-begun",
    `No upload of ${root} is under way.`,
    "Begin it with PUT /uploads/<root>; what is already here is not sent again.",
  );
}

export function otherSize(root: Root, size: number): StorageRefusal {
  return new StorageRefusal(
    409,
    "other-size",
    `${root} is here as a file of ${size} bytes.`,
    "Upload the file with that size: files that differ only in zeros at the end share a root.",
  );
}

export function noSuchSegment(root: Root, index: number, count: number): StorageRefusal {
  return new StorageRefusal(
    404,
    "no-such-segment",
    `${root} has no segment ${index}.`,
    `Send segments 0 to ${count - 1}.`,
  );
}

export function incomplete(root: Root): StorageRefusal {
  return new StorageRefusal(
    409,
    "incomplete",
    `Segments of ${root} are missing.`,
    "Begin the upload again to learn which, send them, then finish.",
  );
}

export function tooLarge(size: number, limit: number): StorageRefusal {
  return new StorageRefusal(
    413,
    "too-large",
    `${size} bytes are more than the ${limit} that one file may have.`,
    "Use a smaller file or another provider.",
  );
}

export function storageFull(size: number): StorageRefusal {
  return new StorageRefusal(
    507,
    "storage-full",
    `The storage has no room for ${size} bytes.`,
    "Try again later, when abandoned uploads have expired, or use another provider.",
  );
}

export function diskFull(size: number): StorageRefusal {
  return new StorageRefusal(
    507,
    "disk-full",
    `The disk has no room for ${size} bytes.`,
    "Try again later or use another provider.",
  );
}

export function quotaExceeded(size: number, limit: number): StorageRefusal {
  return new StorageRefusal(
    429,
    "quota-exceeded",
    `With these ${size} bytes, your uploads that no task refers to would exceed the ${limit} allowed.`,
    "Create the tasks for what is here, or try again when older uploads have expired.",
  );
}

export function claimNeeded(size: number, limit: number): StorageRefusal {
  return new StorageRefusal(
    401,
    "claim-needed",
    `${size} bytes need a signed claim: without one, an address may hold ${limit} bytes that no task refers to.`,
    "Upload with the key of a wallet that has an account in the Ledger, or create the task first.",
  );
}

export function tooManyUploads(limit: number): StorageRefusal {
  return new StorageRefusal(
    429,
    "too-many-uploads",
    `${limit} uploads of yours are under way.`,
    "Finish them before you begin others.",
  );
}

export function wrongListLength(length: number): StorageRefusal {
  return new StorageRefusal(
    422,
    "wrong-segment-list",
    `The segment list of that size has ${length} bytes.`,
    "Send it with its length in Content-Length.",
  );
}
