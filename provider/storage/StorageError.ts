/** A request refused by the storage node; the client receives {code, message, hint} as JSON. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  /** HTTP status. */
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}
