import type { Client } from "../sdk/client.ts";

/** The local network. */
export const LOCAL = "localhost";

/** The account that signs on the local network if the environment has no key. */
export type Role = "user" | "provider";

/** The network that a command uses, and the source of its secrets. */
export interface Environment {
  /** Name of the network, as in --network. */
  readonly network: string;
  /** A client that can only read. */
  reader(): Promise<Client>;
  /** A client that can also sign and send. */
  signer(role: Role): Promise<Client & { readonly address: string }>;
  /** A secret from the environment or the keystore; undefined if it is in neither. */
  secret(name: string): Promise<string | undefined>;
  /** The command that stores a secret for later commands. */
  keepSecret(name: string): string;
  /** Base URL of the storage node. */
  storageUrl(): string;
  /** A complete command line to suggest, for the same network. */
  command(line: string): string;
  close(): void;
}
