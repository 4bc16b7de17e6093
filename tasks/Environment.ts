import type { Client } from "../sdk/client.ts";

/** The network of somebody's own machine. */
export const LOCAL = "localhost";

/** Whose key signs if the environment names none: the local network has one account for each role. */
export type Role = "user" | "provider";

/** The network a command talks to, and where its secrets come from. */
export interface Environment {
  /** Name of the network, as after --network. */
  readonly network: string;
  /** Can only read. */
  reader(): Promise<Client>;
  /** Can also sign and send. */
  signer(role: Role): Promise<Client & { readonly address: string }>;
  /** A secret from the environment or a keystore; undefined if it is in neither. */
  secret(name: string): Promise<string | undefined>;
  /** What to type to keep a secret for later commands. */
  keepSecret(name: string): string;
  /** Base URL of the storage node. */
  storageUrl(): string;
  /** A whole command line to suggest, for the same network. */
  command(line: string): string;
  close(): void;
}
