import { type ErrorCode, ProtocolError } from "../../errors.ts";
import type { StorageAnswer } from "./StorageConnection.ts";

const CODES: Record<number, ErrorCode> = {
  401: "declined",
  404: "not-found",
  413: "usage",
  422: "integrity",
};

/** The error for an answer that is not the one hoped for; `what` names what was asked. */
export function refusal(
  answer: Pick<StorageAnswer, "status" | "body">,
  what: string,
): ProtocolError {
  const { message, hint } = readReason(answer.body);
  return new ProtocolError(
    CODES[answer.status] ?? "network",
    `The storage refused ${what} (status ${answer.status}${message ? `: ${message}` : ""}).`,
    hint || "Check the address of the storage, or try again later.",
  );
}

/** What the server says about it, if it says it as {message, hint}. */
function readReason(body: Buffer): { message: string; hint: string } {
  try {
    const { message, hint } = JSON.parse(body.toString());
    return { message: asOneLine(message), hint: asOneLine(hint) };
  } catch {
    return { message: "", hint: "" };
  }
}

/** A stranger's text for a terminal: short, and without control characters. */
function asOneLine(text: unknown): string {
  if (typeof text !== "string") return "";
  return text
    .replace(/[\p{C}\s]+/gu, " ")
    .slice(0, 300)
    .trim();
}
