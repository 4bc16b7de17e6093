import { parseAddress } from "../../sdk/parseAddress.ts";
import { required } from "./readFlags.ts";

/** --provider: an address with its checksum. */
export function readAddress(value: string | undefined): string {
  return parseAddress(required(value, "--provider", "an address; list-providers shows them"));
}
