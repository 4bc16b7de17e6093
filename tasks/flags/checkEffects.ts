import { ProtocolError } from "../../sdk/errors.ts";
import { toCamelCase } from "./letterCase.ts";

type Flags = Readonly<Record<string, unknown>>;

/** Flags that have an effect only with another one, and what that is. */
const ONLY_WITH: readonly (readonly [flags: readonly string[], other: string, value?: string])[] = [
  [["lora-r", "lora-alpha", "lora-dropout", "lora-trainable-modules"], "lora"],
  [["hf-model-revision"], "from-hf-model"],
  [["scheduler-num-cycles"], "lr-scheduler-type", "cosine"],
  [["early-stopping-patience"], "n-evals"],
  [["output", "timeout", "demand"], "wait"],
];

/** @throws ProtocolError "usage" for the flags that would have no effect, before anything is ordered. */
export function checkEffects(flags: Flags): void {
  for (const [names, other, value] of ONLY_WITH) {
    const useless = names.filter((name) => isGiven(flags[toCamelCase(name)]));
    const given = flags[toCamelCase(other)];
    if (useless.length === 0 || (value === undefined ? isGiven(given) : given === value)) continue;
    const these = useless.map((name) => `--${name}`).join(" and ");
    throw new ProtocolError(
      "usage",
      `${these} ${useless.length === 1 ? "has" : "have"} an effect only with --${other}${value === undefined ? "" : ` ${value}`}.`,
      `Add that, or omit ${these}.`,
    );
  }
}

const isGiven = (value: unknown) => value !== undefined && value !== false;
