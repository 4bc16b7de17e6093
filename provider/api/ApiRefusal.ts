/** A request that is refused: an HTTP status, and {code, message, hint} as the SDK reads them. */
export class ApiRefusal extends Error {
  override readonly name = "ApiRefusal";
  readonly status: number;
  readonly code: "usage" | "declined" | "not-found" | "too-early";
  readonly hint: string;

  constructor(status: number, code: ApiRefusal["code"], message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}
