import { parseAddress } from "../../sdk/parseAddress.ts";
import { required } from "./readFlags.ts";

/** The address of a provider, with its checksum. */
export function readAddress(value: string | undefined, flag = "--provider"): string {
  return parseAddress(required(value, flag, "an address; list-providers shows them"));
}
