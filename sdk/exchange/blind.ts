import { hkdfSha256 } from "../platform/index.ts";
import { keccak256 } from "../storage/tree/keccak.ts";
import { merklePath, merkleRoot, NODE_BYTES } from "../storage/tree/merkle.ts";
import { sharedX } from "./sharedX.ts";

/** Number of blinds u_j of a task. */
export const BLINDS = 4096;

/**
 * u, 32 bytes, the shared secret of user and provider: from one party's secret key (32 bytes) and the other's
 * compressed public key (33 bytes).
 * @throws ProtocolError "integrity" if the public key is not a point of the curve.
 * @example const u = sharedBlind(secret, getBytes(service.encryptionKey));
 */
export function sharedBlind(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const x = sharedX(secret, publicKey);
  return hkdfSha256(x, new Uint8Array(0), "anneal/blind/v1", 32);
}

/**
 * u_j = keccak256("blind" ‖ u ‖ uint32be(j)), 32 bytes, 0 ≤ j < BLINDS. Opens segments j mod BLINDS.
 * @example const segmentBlind = blindAt(u, segmentOf(page) % BLINDS);
 */
export function blindAt(u: Uint8Array, j: number): Uint8Array {
  const position = Buffer.alloc(4);
  position.writeUInt32BE(j);
  return keccak256(Buffer.concat([Buffer.from("blind"), u, position]));
}

/**
 * keccak256(u_j) for all j, 32 bytes each: the leaves of the tree that commits to u on chain without revealing it.
 * @example const path = blindProof(blindLeaves(u), 0);
 */
export function blindLeaves(u: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(BLINDS * NODE_BYTES);
  for (let j = 0; j < BLINDS; j++) leaves.set(keccak256(blindAt(u, j)), j * NODE_BYTES);
  return leaves;
}

/**
 * Root of that tree, 32 bytes.
 * @example const isOfOrder = hexlify(blindRoot(u)) === order.blindRoot;
 */
export function blindRoot(u: Uint8Array): Uint8Array {
  return merkleRoot(blindLeaves(u));
}

/**
 * The 12 siblings (32 bytes each, bottom first) from leaf j to blindRoot.
 * @example const siblings = blindProof(blindLeaves(u), segmentOf(page) % BLINDS);
 */
export function blindProof(leaves: Uint8Array, j: number): Uint8Array[] {
  return merklePath(leaves, j).map((step) => step.sibling);
}
