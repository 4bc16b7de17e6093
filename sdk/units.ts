import { ProtocolError } from "./errors.ts";

/** Neuron in one OG: amounts on chain are in neuron, amounts that people type are in OG. */
const NEURON_PER_OG = 10n ** 18n;

/**
 * Parses a decimal amount of OG into neuron, exactly.
 * @throws ProtocolError "usage" unless it is a plain decimal number with at most 18 decimals.
 * @example const amount = parseOg("0.1"); // 100000000000000000n
 */
export function parseOg(text: string): bigint {
  const match = /^(\d+)(?:\.(\d{1,18}))?$/.exec(text.trim());
  if (!match) {
    throw new ProtocolError(
      "usage",
      `"${text}" is not an amount of OG.`,
      "Give a decimal number with at most 18 decimals, for example 0.1.",
    );
  }
  const [, whole, fraction = ""] = match;
  return BigInt(whole!) * NEURON_PER_OG + BigInt(fraction.padEnd(18, "0"));
}

/**
 * Formats neuron as OG, exactly and without trailing zeros: "0.1", and "0" for nothing.
 * @example console.log(`${formatOg(task.fee)} OG`);
 */
export function formatOg(neuron: bigint): string {
  const sign = neuron < 0n ? "-" : "";
  const absolute = neuron < 0n ? -neuron : neuron;
  const fraction = (absolute % NEURON_PER_OG).toString().padStart(18, "0");
  return `${sign}${absolute / NEURON_PER_OG}.${fraction}`.replace(/\.?0+$/, "");
}
