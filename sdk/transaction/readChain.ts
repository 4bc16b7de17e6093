import type { Client } from "../client.ts";
import { decodeRevert } from "./decodeRevert.ts";

/** Runs something that reads the chain and turns what goes wrong into a ProtocolError. */
export async function readChain<T>(client: Client, reading: () => Promise<T>): Promise<T> {
  try {
    return await reading();
  } catch (error) {
    throw decodeRevert(client, error);
  }
}
