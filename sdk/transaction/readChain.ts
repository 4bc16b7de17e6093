import type { Client } from "../client.ts";
import { decodeRevert } from "./decodeRevert.ts";

/** Runs a function that reads the chain, and converts its errors to ProtocolErrors. */
export async function readChain<T>(client: Client, reading: () => Promise<T>): Promise<T> {
  try {
    return await reading();
  } catch (error) {
    throw decodeRevert(client, error);
  }
}
