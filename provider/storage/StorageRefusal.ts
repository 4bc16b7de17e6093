/** A request that the storage node refuses; the client gets {code, message, hint} as JSON. */
export class StorageRefusal extends Error {
  override readonly name = "StorageRefusal";
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
