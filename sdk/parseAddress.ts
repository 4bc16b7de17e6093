import { getAddress } from "ethers";
import { ProtocolError } from "./errors.ts";

/**
 * Parses an address in any letter case and returns it with its checksum.
 * @throws ProtocolError "usage" also for a wrong checksum: a typing error here would cost money.
 * @example const provider = parseAddress("0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
 */
export function parseAddress(text: string): string {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new ProtocolError(
      "usage",
      `"${text}" is not an address.`,
      "Give 0x and 40 hex digits, for example the address of a provider.",
      { next: { verb: "listServices" } },
    );
  }
  const correct = getAddress(text.toLowerCase());
  const hasChecksum = /[a-f]/.test(text) && /[A-F]/.test(text);
  if (text === correct || !hasChecksum) return correct;
  throw new ProtocolError(
    "usage",
    `The address "${text}" has a wrong checksum, so at least one character is wrong.`,
    `Copy it again; if all digits are right, it is ${correct}.`,
  );
}
