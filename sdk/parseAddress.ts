import { getAddress } from "ethers";
import { ProtocolError } from "./errors.ts";

/**
 * Parses an address in any letter case and returns it with its checksum.
 * @throws ProtocolError "usage" also for a wrong checksum: a typing error here would cost money.
 * @example const provider = parseAddress("0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
 */
export function parseAddress(text: string): string {
  try {
    if (!text.startsWith("0x")) throw new Error("no 0x");
    return getAddress(text);
  } catch (cause) {
    throw new ProtocolError(
      "usage",
      `"${text}" is not an address.`,
      "Give 0x and 40 hex digits, for example the address of a provider.",
      { cause, next: { verb: "listServices" } },
    );
  }
}
