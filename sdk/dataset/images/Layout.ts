import { quote } from "../formats/checkText.ts";

/**
 * The places of an archive's images: class/image, or top/class/image with the same top folder for all of them. The
 * first image that has no problem decides.
 */
export class Layout {
  /** The folders of the first image. */
  #first: readonly string[] | undefined;

  /**
   * @param folders The folders around an image, from the top.
   * @returns what is wrong with them, as a sentence.
   */
  problemOf(folders: readonly string[]): string | undefined {
    if (folders.length === 0) return "The file is not in a class folder.";
    const first = this.#first;
    if (!first) {
      return folders.length > 2
        ? "The path is neither class/image nor top/class/image."
        : undefined;
    }
    const top = first.length === 2 ? first[0] : undefined;
    if (folders.length === first.length && (top === undefined || folders[0] === top)) {
      return undefined;
    }
    const place = top === undefined ? "at the top level" : `in ${quote(top)}`;
    return `The first image is in a class folder ${place}, this file is not.`;
  }

  /** Notes an image without a problem. */
  settle(folders: readonly string[]): void {
    this.#first ??= folders;
  }
}
