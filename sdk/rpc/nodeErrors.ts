import { isHexString } from "ethers";
import { ProtocolError } from "../errors.ts";
import { printable } from "../printable.ts";
import {
  classifyMessage,
  classifyStatus,
  classifySystemCode,
  MEANINGS,
  type NodeErrorKind,
} from "./nodeErrorKinds.ts";

/** Why a node refused a request or could not be reached. */
export interface NodeError {
  readonly kind: NodeErrorKind;
  /** One sentence for a person. */
  readonly message: string;
  /** What to do next, in one sentence. */
  readonly hint: string;
  /** Whether the same request may succeed later without any change. */
  readonly isTransient: boolean;
  /** Milliseconds to wait before the next request, if the node says so. */
  readonly retryAfterMs?: number;
  /** Blocks that one search may span, if the node says so. */
  readonly maxBlocks?: number;
  /** The search has too many events, whatever the number of blocks. */
  readonly tooManyResults?: true;
  /** The node's message, for logs: one line, at most 300 characters, without raw transactions and URLs. */
  readonly words: string;
}

/** The parts of a node's answer that an error carries, wherever ethers, undici or the host put them. */
interface Facts {
  readonly answers: { readonly words: string; readonly code: number | undefined }[];
  readonly systemCodes: string[];
  readonly waits: number[];
  method?: string;
  status?: number;
  origin?: string;
  body?: string;
}

const MAX_DEPTH = 8;
const MAX_WORDS = 300;

/**
 * Extracts a node's refusal from an error of ethers, the HTTP client or the node.
 * @param origin scheme and host of the endpoint, for the message if the error does not contain it
 * @returns null if it is not a node's refusal but a contract's revert or anything unknown
 */
export function readNodeError(error: unknown, origin?: string): NodeError | null {
  const facts: Facts = { answers: [], systemCodes: [], waits: [] };
  collect(error, facts, 0);
  const kind = classify(facts);
  if (kind === null) return null;
  const { message, hint, isTransient } = MEANINGS[kind];
  const words = wordsOf(facts);
  const where = facts.origin ?? origin;
  const [retryAfterMs] = facts.waits;
  const isRange = kind === "range-too-large";
  const maxBlocks = isRange ? readMaxBlocks(words) : undefined;
  return {
    kind,
    message: message(where ? ` at ${where}` : ""),
    hint,
    isTransient,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(maxBlocks !== undefined && { maxBlocks }),
    ...(isRange && RESULTS.test(words) && { tooManyResults: true }),
    words,
  };
}

/** The error for users; its cause is the original. */
export function nodeErrorFor({ kind, message, hint }: NodeError, cause: unknown): ProtocolError {
  const { code, next } = MEANINGS[kind];
  return new ProtocolError(code, message, hint, { cause, next });
}

/** Whether an error is temporary, so that a caller that waits should continue to wait. */
export function isTransientError(error: unknown): boolean {
  return readNodeError(error)?.isTransient ?? false;
}

/** The answer takes precedence over the HTTP status: HTTP 400 with a JSON-RPC error is that error. */
function classify(facts: Facts): NodeErrorKind | null {
  const { answers, systemCodes, method, status, body } = facts;
  const byAnswer = firstKind(answers, ({ words, code }) => classifyMessage(words, code, method));
  if (byAnswer !== null) return byAnswer;
  const byStatus = status === undefined ? null : classifyStatus(status, method);
  if (byStatus !== null || answers.length > 0) return byStatus;
  if (body !== undefined) return "not-json";
  return firstKind(systemCodes, (code) => classifySystemCode(code, method));
}

function firstKind<T>(
  facts: readonly T[],
  classifyOne: (fact: T) => NodeErrorKind | null,
): NodeErrorKind | null {
  for (const fact of facts) {
    const kind = classifyOne(fact);
    if (kind !== null) return kind;
  }
  return null;
}

function collect(value: unknown, facts: Facts, depth: number): void {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return;
  const fields = value as Record<string, unknown>;
  if (!(value instanceof ProtocolError)) collectWords(value, fields, facts);
  if (fields.name === "TimeoutError") facts.systemCodes.push("TIMEOUT");
  collectRequest(fields, facts);
  for (const key of ["info", "error", "data", "cause"] as const) {
    if (key === "error" && typeof fields.error === "string") addAnswer(facts, fields.error);
    else collect(fields[key], facts, depth + 1);
  }
  if (Array.isArray(fields.errors)) {
    for (const one of fields.errors) collect(one, facts, depth + 1);
  }
  if (typeof fields.responseBody === "string") collectBody(fields.responseBody, facts, depth);
}

function collectWords(value: object, fields: Record<string, unknown>, facts: Facts): void {
  if (typeof fields.code === "string") facts.systemCodes.push(fields.code);
  if (typeof fields.message === "string") collectMessage(value, fields, facts);
}

/** A message comes from a node if it has a code or is plain JSON. Messages of other errors may quote the request. */
function collectMessage(value: object, fields: Record<string, unknown>, facts: Facts): void {
  const { code, message, data } = fields;
  if (/unsupported protocol/i.test(message as string)) facts.systemCodes.push("EPROTO");
  if (typeof code !== "number" && value instanceof Error) return;
  const detail = typeof data === "string" && !isHexString(data) ? `; ${data}` : "";
  addAnswer(facts, `${message}${detail}`, typeof code === "number" ? code : undefined);
}

function addAnswer(facts: Facts, words: string, code?: number): void {
  facts.answers.push({ words, code });
  const wait = /(?:retry|try again) (?:in|after) (\d+(?:\.\d+)?) ?(ms|s|m)?\b/i.exec(words);
  if (wait) facts.waits.push(Number(wait[1]) * ({ ms: 1, m: 60_000 }[wait[2] ?? "s"] ?? 1_000));
}

/** Collects the method, the origin, the status and the headers. */
function collectRequest(fields: Record<string, unknown>, facts: Facts): void {
  const { payload, origin, status, responseStatus, headers, response, backoff_seconds } = fields;
  const { method } = (Array.isArray(payload) ? payload[0] : payload) ?? {};
  if (typeof method === "string") facts.method ??= method;
  if (typeof origin === "string") facts.origin ??= origin;
  const number = Number.parseInt(String(responseStatus ?? status), 10);
  if (number >= 100 && number < 600) facts.status ??= number;
  const carriers = [headers, (response as Record<string, unknown> | undefined)?.headers];
  for (const carrier of carriers) {
    const text = (carrier as Record<string, unknown> | undefined)?.["retry-after"];
    const wait = typeof text === "string" ? readRetryAfter(text) : undefined;
    if (wait !== undefined) facts.waits.push(wait);
  }
  const { rate } = fields as { rate?: { backoff_seconds?: unknown } };
  const seconds = Number(backoff_seconds ?? rate?.backoff_seconds);
  if (seconds > 0) facts.waits.push(seconds * 1_000);
}

/** @returns milliseconds; undefined if it is neither seconds nor a date */
function readRetryAfter(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text.trim())) return Number(text) * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function collectBody(body: string, facts: Facts, depth: number): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    facts.body ??= body;
    return;
  }
  collect(Array.isArray(parsed) ? parsed[0] : parsed, facts, depth + 1);
}

/** The node's message, or the system's error code. */
function wordsOf({ answers, systemCodes, status, body }: Facts): string {
  const [first] = answers;
  const code = first?.code === undefined ? "" : ` (${first.code})`;
  const http = status === undefined ? "" : `HTTP ${status}`;
  const text = first ? `${first.words}${code}` : [http, body ?? systemCodes.join(", ")].join(" ");
  return printable(text)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/(https?|wss?):\/\/\S+/gi, "<url>")
    .replaceAll(/0x[0-9a-f]{65,}/gi, "0x…")
    .trim()
    .slice(0, MAX_WORDS);
}

const SUGGESTED = [
  /retry with the range (\d+)-(\d+)/i,
  /range(?: should work:?)? \[(0x[0-9a-f]+), ?(0x[0-9a-f]+)\]/i,
];
/** The limit is on events, not on blocks. */
const RESULTS = /results|logs returned|too many logs/i;
const LIMITS = [
  /block range = [\d,]+, max block range = ([\d,]+)/i,
  /\d+ ?> ?([\d,]+)\)/i,
  /(?:limit(?:ed)?(?: is| of| to)?|max(?:imum)?(?: allowed)?(?: block)?(?: range)?(?: is(?: set to)?)?|up to|at most|over|exceeds|blocks is|filter)[:= ]+(?:a |0 - )?([\d,]+)(k?)\b(?! (?:results|logs))/i,
];

/** The number of blocks that the node would search, from the range or the limit in its message. */
function readMaxBlocks(words: string): number | undefined {
  for (const pattern of SUGGESTED) {
    const [, from, to] = pattern.exec(words) ?? [];
    if (from && to && Number(to) >= Number(from)) return Number(to) - Number(from) + 1;
  }
  if (RESULTS.test(words)) return undefined;
  for (const pattern of LIMITS) {
    const [, digits, thousands] = pattern.exec(words) ?? [];
    const blocks = Number(digits?.replaceAll(",", "")) * (thousands ? 1_000 : 1);
    if (blocks > 0) return blocks;
  }
  return undefined;
}
