/** A refused request: the HTTP status, and {code, message, hint} as the SDK reads them. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: "usage" | "declined" | "not-found" | "too-early";
  readonly hint: string;

  constructor(status: number, code: ApiError["code"], message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}
