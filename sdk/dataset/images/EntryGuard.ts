import type { Finding } from "../formats/Finding.ts";
import { Layout } from "./Layout.ts";

export interface EntryFacts {
  /** The path in the archive, as entryPath returns it. */
  readonly path: string;
  readonly size: number;
  readonly kind: "file" | "directory" | "other";
}

/** A file to read, an entry to skip, or a problem. */
export type Verdict =
  | { readonly folders: readonly string[]; readonly label: string }
  | "skipped"
  | { readonly finding: Finding };

const MAX_ENTRIES = 1_000_000;
/** Total of all entries. */
const MAX_BYTES = 64 * 2 ** 30;
const MAX_FILE_BYTES = 64 * 2 ** 20;
/** Maximum ratio of unpacked to packed size, beyond SMALL bytes. */
const MAX_EXPANSION = 100;
const SMALL = 16 * 2 ** 20;

/** Maximum number of pixels of all images per byte of the archive, beyond FEW_PIXELS: pixels have to be decoded. */
const MAX_PIXELS_PER_BYTE = 500;
const FEW_PIXELS = 2 ** 28;

/** Files and folders that file managers add, in lower case. */
const LEFT_BEHIND = ["__macosx", "thumbs.db", "desktop.ini", "icon\r"];

/** A name that no file system allows: normalizing it would take too long. */
const LONG_NAME = /[^/]{256}/u;

/**
 * The path of an entry. File systems spell letters with accents in one or two characters, so it is normalized: a class
 * has the same name wherever its folder was packed. Bytes that are not UTF-8 become U+FFFD.
 */
export function entryPath(name: Buffer): string {
  const path = name.toString().replace(/^(\.\/)+/, "");
  return LONG_NAME.test(path) ? path : path.normalize("NFC");
}

/** Checks every entry of an archive by the trainer's rules before its content is read. */
export class EntryGuard {
  readonly #weight: number;
  readonly #names = new Set<string>();
  readonly #layout = new Layout();
  #entries = 0;
  #bytes = 0;
  #pixels = 0;

  /** @param weight Size of the archive in bytes. */
  constructor(weight: number) {
    this.#weight = weight;
  }

  admit({ path, size, kind }: EntryFacts): Verdict {
    const excess = this.#count(size);
    if (excess) return broken("archive-too-large", excess);
    const parts = path.replace(/\/+$/, "").split("/");
    if (path === "" || path === "." || parts.some(isLeftBehind)) return "skipped";
    const danger = dangerOf(path, parts);
    if (danger) return broken("unsafe-path", danger);
    if (kind === "other") return broken("not-a-file", "The entry is a link or a device.");
    return kind === "directory" ? "skipped" : this.#admitFile(path, parts.slice(0, -1), size);
  }

  /** Notes the folders of an image without a problem: all others must be in the same place. */
  settle(folders: readonly string[]): void {
    this.#layout.settle(folders);
  }

  /** Counts an image's pixels; returns a finding if all images are too much to decode. */
  admitPixels(pixels: number): Finding | undefined {
    this.#pixels += pixels;
    if (this.#pixels <= Math.max(FEW_PIXELS, MAX_PIXELS_PER_BYTE * this.#weight)) return undefined;
    const message = `The images have more than ${MAX_PIXELS_PER_BYTE} pixels for each byte of the archive.`;
    return { rule: "archive-too-large", message };
  }

  #admitFile(path: string, folders: readonly string[], size: number): Verdict {
    const misplaced = this.#layout.problemOf(folders);
    if (misplaced) return broken("no-class-folder", misplaced);
    if (size > MAX_FILE_BYTES) {
      return broken("image-too-large", "The image has more than 64 MiB.");
    }
    if (this.#names.has(path)) {
      return broken("duplicate-entry", "The archive has this file twice.");
    }
    this.#names.add(path);
    return { folders, label: folders.at(-1)! };
  }

  /** The limit that the archive as a whole exceeds. */
  #count(size: number): string | undefined {
    this.#entries += 1;
    this.#bytes += size;
    if (this.#entries > MAX_ENTRIES) {
      return `The archive has more than ${MAX_ENTRIES.toLocaleString("en")} entries.`;
    }
    if (this.#bytes > MAX_BYTES) return "The archive unpacks to more than 64 GiB.";
    if (this.#bytes > SMALL && this.#bytes > MAX_EXPANSION * this.#weight) {
      return `The archive unpacks to more than ${MAX_EXPANSION} times its size.`;
    }
    return undefined;
  }
}

/** Whether a file manager added a file or folder of this name, or hides it. */
function isLeftBehind(name: string): boolean {
  if (name === "." || name === "..") return false;
  return name.startsWith(".") || LEFT_BEHIND.includes(name.toLowerCase());
}

function dangerOf(path: string, parts: readonly string[]): string | undefined {
  if (LONG_NAME.test(path)) return "A name in the path has more than 255 characters.";
  if (path.includes("\ufffd")) return "The name is not UTF-8.";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f\\]/.test(path)) return "The name has a backslash or a control character.";
  if (/^(\/|[A-Za-z]:)/.test(path) || parts.includes("..")) {
    return "The path leads out of the archive.";
  }
  return parts.includes("") || parts.includes(".") ? "The path has an empty part." : undefined;
}

function broken(rule: Finding["rule"], message: string): Verdict {
  return { finding: { rule, message } };
}
