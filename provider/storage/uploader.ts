import { addressGroup } from "../http/addressGroup.ts";

/** The account that an upload counts for. */
export type Uploader =
  /** The daemon itself: no quota, and the space reserved for its deliveries. */
  | { readonly kind: "own" }
  /** A client on this machine: no quota. */
  | { readonly kind: "machine" }
  /** A wallet with an account in the Ledger, which signed the claim. */
  | { readonly kind: "wallet"; readonly account: string }
  /** Anyone else, identified by the network address. */
  | { readonly kind: "address"; readonly account: string };

export const OWN: Uploader = { kind: "own" };
export const MACHINE: Uploader = { kind: "machine" };

/** The account of an unsigned upload from this address. */
export function uploaderAt(ip: string): Uploader {
  const isLoopback = /^(::ffff:)?127\.|^::1$/.test(ip);
  return isLoopback ? MACHINE : { kind: "address", account: addressGroup(ip) };
}
