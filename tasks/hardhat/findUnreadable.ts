import { ProtocolError } from "../../sdk/errors.ts";
import type { CommandDefinition } from "../definition.ts";
import { unknownFlagError } from "../flags/checkSpelling.ts";
import { GLOBALS } from "../flags/options.ts";
import { findCommand, readWords, type TypedFlag } from "../flags/readWords.ts";
import { commands } from "../index.ts";

/** Several letters after one hyphen, which Hardhat reads as several flags, also where a value is expected. */
const SEVERAL = /^-(?!-)(?!(.)\1*$)../;

/**
 * The first mistake in a command line of ours that Hardhat's parser refuses before it calls any hook. Which other flags
 * there are is not known yet.
 */
export function findUnreadable(words: readonly string[]): ProtocolError | undefined {
  const found = findCommand(words, commands);
  if (!found) return undefined;
  const { command } = found;
  let networks = 0;
  for (const word of readWords(words, { ...command.parameters, ...GLOBALS })) {
    if (word.kind === "argument") continue;
    if (word.typed === "--network") networks += 1;
    const error = checkFlag(word, networks, command);
    if (error) return error;
  }
  return undefined;
}

function checkFlag(
  { typed, known, value }: TypedFlag,
  networks: number,
  command: CommandDefinition,
): ProtocolError | undefined {
  if (typed === "--network" && value === undefined)
    return new ProtocolError(
      "usage",
      "Missing value for --network.",
      "Give localhost, testnet or mainnet.",
    );
  if (networks > 1) return new ProtocolError("usage", "--network is given twice.", "Give it once.");
  if (!known && SEVERAL.test(typed))
    return unknownFlagError(typed, command, { program: "npx hardhat", globals: GLOBALS });
  if (known && value !== undefined && SEVERAL.test(value))
    return new ProtocolError("usage", `${typed} cannot be "${value}".`, known[1].description);
  return undefined;
}
