/** An archive that cannot be read on; the message is a sentence. */
export class DamagedArchiveError extends Error {
  override readonly name = "DamagedArchiveError";
}
