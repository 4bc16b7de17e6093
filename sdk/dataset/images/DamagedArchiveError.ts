/** An archive that cannot be read any further; the message is a sentence. */
export class DamagedArchiveError extends Error {
  override readonly name = "DamagedArchiveError";
}
