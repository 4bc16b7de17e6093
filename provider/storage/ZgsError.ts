import { StorageError } from "./StorageError.ts";

/** Error codes of the JSON-RPC 2.0 specification. Clients require integers. */
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const NO_ROOM = -32000;

/** The error of a JSON-RPC call. Clients compare `message` and `data` with texts of 0G's node: do not reword them. */
export class ZgsError extends Error {
  override readonly name = "ZgsError";
  readonly code: number;
  readonly data: string | undefined;

  private constructor(code: number, message: string, data?: string) {
    super(message);
    this.code = code;
    this.data = data;
  }

  /** 0G's format: the parameter in the message, the problem in the data. */
  static invalidParams(parameter: string, what: string): ZgsError {
    return new ZgsError(INVALID_PARAMS, `Invalid params: ${parameter}`, what);
  }

  static readonly notJson = new ZgsError(PARSE_ERROR, "Parse error");
  static readonly invalidRequest = new ZgsError(INVALID_REQUEST, "Invalid request");
  static readonly unknownMethod = new ZgsError(METHOD_NOT_FOUND, "Method not found");

  /** Converts any error, without exposing internal details. */
  static from(error: unknown): ZgsError {
    if (error instanceof ZgsError) return error;
    if (error instanceof StorageError) {
      if (error.status >= 500) return new ZgsError(NO_ROOM, error.message, error.hint);
      return ZgsError.invalidParams(error.code, `${error.message} ${error.hint}`);
    }
    return new ZgsError(INTERNAL_ERROR, "Internal error");
  }
}
