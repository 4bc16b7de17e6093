import { ProtocolError } from "../../sdk/errors.ts";
import { parseOg } from "../../sdk/units.ts";

/** --amount: a positive decimal number of OG, as neuron. */
export function readAmount(value: string): bigint {
  const amount = parseOg(value);
  if (amount > 0n) return amount;
  throw new ProtocolError(
    "usage",
    "The amount is zero.",
    "Give a positive amount of OG, for example 0.1.",
  );
}

/** A whole number of at least `minimum`. */
export function readInteger(value: string, flag: string, minimum = 0n): bigint {
  if (/^\d+$/.test(value) && BigInt(value) >= minimum) return BigInt(value);
  throw new ProtocolError(
    "usage",
    `${flag} is "${value}", not a whole number of at least ${minimum}.`,
    `Give ${flag} as digits only.`,
  );
}

/** --timeout: seconds as milliseconds; undefined for no limit. */
export function readTimeout(value: string | undefined): number | undefined {
  return value === undefined ? undefined : Number(readInteger(value, "--timeout", 1n)) * 1_000;
}

/** Requires a path that ends in .zip. */
export function requireZip(path: string, flag: string): string {
  if (path.toLowerCase().endsWith(".zip")) return path;
  throw new ProtocolError(
    "usage",
    `${flag} is "${path}", which does not end in .zip.`,
    `Give ${flag} a file name such as model_output.zip.`,
  );
}
