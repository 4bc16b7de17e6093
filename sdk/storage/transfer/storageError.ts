import { type ErrorCode, ProtocolError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import type { StorageAnswer } from "./StorageConnection.ts";

/** Maximum number of characters of a server's message that are shown. */
const MAX_TEXT = 300;

const CODES: Record<number, ErrorCode> = {
  401: "declined",
  404: "not-found",
  413: "usage",
  422: "integrity",
};

/** The error for an unsuccessful answer; `what` names the request. */
export function storageError(
  answer: Pick<StorageAnswer, "status" | "body">,
  what: string,
): ProtocolError {
  const { message, hint } = readReason(answer.body);
  return new ProtocolError(
    CODES[answer.status] ?? "network",
    `The storage refused ${what} (status ${answer.status}${message ? `: ${message}` : ""}).`,
    hint || "Check the URL of the storage, or try again later.",
    hint ? {} : { next: { setting: "storageUrl" } },
  );
}

/** The server's reason, if the body is {message, hint}. */
function readReason(body: Buffer): { message: string; hint: string } {
  try {
    const { message, hint } = JSON.parse(body.toString());
    return { message: shortText(message), hint: shortText(hint) };
  } catch {
    return { message: "", hint: "" };
  }
}

function shortText(text: unknown): string {
  return typeof text === "string" ? printable(text, MAX_TEXT).trim() : "";
}
