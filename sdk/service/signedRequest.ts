import { hexlify, keccak256, randomBytes, toUtf8Bytes, verifyTypedData } from "ethers";
import { z } from "zod";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { REQUEST, type SigningScope, signingDomain } from "./typedData.ts";

/** Seconds for which a signed request is valid: enough for a slow network and some clock skew. */
const VALIDITY_SECONDS = 120;

/** Maximum seconds between now and a deadline, so that a server has to remember nonces for a bounded time only. */
const MAX_VALIDITY_SECONDS = 300;

const SCHEME = "Anneal ";
const MAX_HEADER_LENGTH = 1_024;

const Credentials = z.strictObject({
  deadline: z.number().int().nonnegative(),
  nonce: z.string().regex(/^0x[0-9a-f]{64}$/),
  signature: z.string().regex(/^0x[0-9a-f]{130}$/),
});

/** The request that a signature covers. */
export interface RequestToSign {
  /** Upper case. */
  readonly method: string;
  /** Path and query, as sent. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
}

export interface VerifiedRequest {
  /** The signer, as a checksummed address. */
  readonly user: string;
  /** 32 bytes as 0x-hex; the server accepts each nonce only once per user until `deadline`. */
  readonly nonce: string;
  /** Unix seconds. */
  readonly deadline: number;
}

/** Signs a request to a provider's API with the client's key. `now` is the wall clock. */
export async function signRequest(
  client: Client,
  { method, path, body, now = new Date() }: RequestToSign & { now?: Date },
): Promise<{ Authorization: string }> {
  const deadline = toSeconds(now) + VALIDITY_SECONDS;
  const nonce = hexlify(randomBytes(32));
  const signature = await requireSigner(client).signTypedData(signingDomain(client), REQUEST, {
    method,
    path,
    bodyHash: hashBody(body),
    deadline,
    nonce,
  });
  const credentials = JSON.stringify({ deadline, nonce, signature });
  return { Authorization: SCHEME + Buffer.from(credentials).toString("base64url") };
}

/**
 * Recovers the signer of a request. The caller has to check that a nonce is used only once.
 * @throws ProtocolError "usage" if the header is missing or malformed, "declined" if it is not valid now.
 */
export function verifyRequest({
  chainId,
  serving,
  method,
  path,
  body,
  header,
  now,
}: RequestToSign & {
  chainId: number;
  /** Address of FineTuningServing. */
  serving: string;
  /** Value of the Authorization header. */
  header: string | undefined;
  now: Date;
}): VerifiedRequest {
  const { deadline, nonce, signature } = readHeader(header);
  const seconds = toSeconds(now);
  if (deadline < seconds || deadline > seconds + MAX_VALIDITY_SECONDS) {
    throw new ProtocolError(
      "declined",
      deadline < seconds
        ? "The signed request has expired."
        : "The deadline of the signed request is too far in the future.",
      "Check the clock of this machine and try again.",
    );
  }
  const scope: SigningScope = { chainId, servingAddress: serving };
  const message = { method, path, bodyHash: hashBody(body), deadline, nonce };
  return { user: recover(scope, message, signature), nonce, deadline };
}

function readHeader(header: string | undefined): z.infer<typeof Credentials> {
  try {
    if (!header?.startsWith(SCHEME) || header.length > MAX_HEADER_LENGTH) throw new Error("scheme");
    const json = Buffer.from(header.slice(SCHEME.length), "base64url").toString("utf8");
    return Credentials.parse(JSON.parse(json));
  } catch (cause) {
    throw invalidSignatureError(cause);
  }
}

function recover(scope: SigningScope, message: Record<string, unknown>, signature: string): string {
  try {
    return verifyTypedData(signingDomain(scope), REQUEST, message, signature);
  } catch (cause) {
    throw invalidSignatureError(cause);
  }
}

function invalidSignatureError(cause: unknown): ProtocolError {
  return new ProtocolError(
    "usage",
    "The request carries no valid signature.",
    "Send the header: Authorization: Anneal <base64url of the JSON {deadline, nonce, signature}>.",
    { cause },
  );
}

const hashBody = (body: string | Uint8Array = "") =>
  keccak256(typeof body === "string" ? toUtf8Bytes(body) : body);
const toSeconds = (date: Date) => Math.floor(date.getTime() / 1_000);
