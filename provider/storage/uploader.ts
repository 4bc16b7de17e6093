import { addressGroup } from "../http/addressGroup.ts";

/** Whom an upload counts for. */
export type Uploader =
  /** The daemon itself: no quota, and the room that is kept for its deliveries. */
  | { readonly kind: "own" }
  /** Somebody on this machine: no quota. */
  | { readonly kind: "machine" }
  /** A wallet with an account in the Ledger, which signed the claim. */
  | { readonly kind: "wallet"; readonly account: string }
  /** Anybody else, known by the network address alone. */
  | { readonly kind: "address"; readonly account: string };

export const OWN: Uploader = { kind: "own" };
export const MACHINE: Uploader = { kind: "machine" };

/** Whom an unsigned upload from this address counts for. */
export function uploaderAt(ip: string): Uploader {
  const isLoopback = /^(::ffff:)?127\.|^::1$/.test(ip);
  return isLoopback ? MACHINE : { kind: "address", account: addressGroup(ip) };
}
