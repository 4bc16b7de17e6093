import { ProtocolError } from "../../sdk/errors.ts";
import { toCamelCase } from "./letterCase.ts";

type Flags = Readonly<Record<string, unknown>>;

/** Flags that have an effect only with another one, and what that is. */
const ONLY_WITH: readonly (readonly [
  flags: readonly string[],
  other: string,
  ...values: readonly string[],
])[] = [
  [["lora-r", "lora-alpha", "lora-dropout", "lora-trainable-modules"], "lora"],
  [["use-rslora", "use-dora", "quantize"], "lora"],
  [["hf-model-revision"], "from-hf-model"],
  [["scheduler-num-cycles"], "lr-scheduler-type", "cosine"],
  [["early-stopping-patience"], "n-evals"],
  [["simpo-gamma"], "training-method", "simpo"],
  [["orpo-lambda"], "training-method", "orpo"],
  [["kto-desirable-weight", "kto-undesirable-weight"], "training-method", "kto"],
  [["output", "timeout", "demand"], "wait"],
];

const DPO_OPTIONS: readonly (readonly [flags: readonly string[], ...methods: readonly string[]])[] =
  [
    [["dpo-beta"], "dpo", "simpo", "kto"],
    [["dpo-label-smoothing", "dpo-normalize-logratios-by-length", "rpo-alpha"], "dpo"],
  ];

/** @throws ProtocolError "usage" for the flags that would have no effect, before anything is ordered. */
export function checkEffects(flags: Flags): void {
  for (const [names, other, ...values] of ONLY_WITH) {
    const given = flags[toCamelCase(other)];
    const isMet = values.length === 0 ? isGiven(given) : values.includes(given as string);
    if (!isMet) refuseUseless(flags, names, [`--${other}`, values.join(" or ")]);
  }
  // Without a method, these options say that it is DPO.
  for (const [names, ...methods] of isGiven(flags.trainingMethod) ? DPO_OPTIONS : []) {
    if (methods.includes(flags.trainingMethod as string)) continue;
    refuseUseless(flags, names, ["--training-method", methods.join(" or ")]);
  }
}

function refuseUseless(flags: Flags, names: readonly string[], needed: readonly string[]): void {
  const useless = names.filter((name) => isGiven(flags[toCamelCase(name)]));
  if (useless.length === 0) return;
  const these = useless.map((name) => `--${name}`).join(" and ");
  throw new ProtocolError(
    "usage",
    `${these} ${useless.length === 1 ? "has" : "have"} an effect only with ${needed.filter(Boolean).join(" ")}.`,
    `Add that, or omit ${these}.`,
  );
}

const isGiven = (value: unknown) => value !== undefined && value !== false;
