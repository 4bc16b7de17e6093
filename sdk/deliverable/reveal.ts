import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** What `reveal` publishes, and what opens the commitment that stands on chain; each 32 bytes as 0x-hex. */
export interface Revelation {
  readonly id: TaskId;
  /** s, whose hash was committed to. */
  readonly key: string;
  /** Of the order. */
  readonly blindRoot: string;
  /** Of the delivery. */
  readonly contentRoot: string;
}

/** Publishes the key as the provider. */
export function reveal(client: Client, { id, key, blindRoot, contentRoot }: Revelation): Call {
  return servingCall(client, "reveal", [id, key, blindRoot, contentRoot]);
}
