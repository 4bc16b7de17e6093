import { hexlify, keccak256, randomBytes, TypedDataEncoder, toUtf8Bytes } from "ethers";
import { z } from "zod";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { recoverSigner } from "./isSignedBy.ts";
import { REQUEST, signingDomain } from "./typedData.ts";

/** Seconds for which a signed request is valid: enough for a slow network and some clock skew. */
const VALIDITY_SECONDS = 120;

/** Maximum seconds between now and a deadline, so that a server has to remember nonces for a bounded time only. */
const MAX_VALIDITY_SECONDS = 300;

const SCHEME = "Anneal ";
const MAX_HEADER_LENGTH = 4_096;

const Credentials = z.strictObject({
  deadline: z.number().int().nonnegative(),
  nonce: z.string().regex(/^0x[0-9a-f]{64}$/),
  /** 65 bytes; a contract wallet's may have any length. */
  signature: z.string().regex(/^0x([0-9a-f]{2}){0,1024}$/),
});

/** The request that a signature covers. */
export interface RequestToSign {
  /** Upper case. */
  readonly method: string;
  /** Path and query, as sent. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
}

/** A request that is valid now, if its signature is its user's. */
export interface PresentedRequest {
  /** What was signed: 32 bytes as 0x-hex. */
  readonly digest: string;
  /** 0x-hex. */
  readonly signature: string;
  /** 32 bytes as 0x-hex; the server accepts each nonce only once per user until `deadline`. */
  readonly nonce: string;
  /** Unix seconds. */
  readonly deadline: number;
}

export interface VerifiedRequest extends PresentedRequest {
  /** The signer, as a checksummed address. */
  readonly user: string;
}

/** A request as a server received it. */
export interface RequestToVerify extends RequestToSign {
  readonly chainId: number;
  /** Address of FineTuningServing. */
  readonly serving: string;
  /** Value of the Authorization header. */
  readonly header: string | undefined;
  readonly now: Date;
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
  const credentials = JSON.stringify({ deadline, nonce, signature: signature.toLowerCase() });
  return { Authorization: SCHEME + Buffer.from(credentials).toString("base64url") };
}

/**
 * Recovers the signer of a request. The caller has to check that a nonce is used only once.
 * @throws ProtocolError "usage" if the header is missing or malformed, "declined" if it is not valid now.
 */
export function verifyRequest(request: RequestToVerify): VerifiedRequest {
  const presented = presentedRequest(request);
  const user = recoverSigner(presented.digest, presented.signature);
  if (user === null) throw invalidSignatureError(undefined);
  return { ...presented, user };
}

/**
 * Reads a request whose signature the caller checks, together with the nonce: for users that may be contract wallets.
 * @throws ProtocolError like verifyRequest.
 */
export function presentedRequest({
  chainId,
  serving,
  method,
  path,
  body,
  header,
  now,
}: RequestToVerify): PresentedRequest {
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
  const domain = signingDomain({ chainId, servingAddress: serving });
  const message = { method, path, bodyHash: hashBody(body), deadline, nonce };
  const digest = TypedDataEncoder.hash(domain, REQUEST, message);
  return { digest, signature, nonce, deadline };
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
