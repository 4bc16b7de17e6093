import type { Hyperparameters } from "./Hyperparameters.ts";
import schema from "./job.schema.json" with { type: "json" };

/** One hyper-parameter as help and error messages show it. */
export interface HyperparameterDescription {
  readonly name: keyof Hyperparameters;
  /** Undefined if an absent value means something that no value means; the description says what. */
  readonly default: string | number | boolean | undefined;
  /** The allowed values in words: "an integer from 1 to 20". */
  readonly range: string;
  readonly description: string;
}

/** The subset of JSON schema that describes hyper-parameters. */
export interface Rule {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Rule[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  /** What the pattern allows, in words. */
  readonly title?: string;
  readonly default?: string | number | boolean;
  readonly description?: string;
}

/** The rule of each hyper-parameter, by its name. */
export const RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries<Rule>(schema.$defs.hyperparameters.properties),
);

/** Every hyper-parameter, derived from the schema that the trainer also reads. */
export const HYPERPARAMETERS: readonly HyperparameterDescription[] = [...RULES].map(
  ([name, rule]) => ({
    name: name as keyof Hyperparameters,
    default: rule.default,
    range: rangeInWords(rule),
    description: rule.description ?? "",
  }),
);

/** What a rule allows, in words. */
export function rangeInWords(rule: Rule): string {
  if (rule.oneOf) return rule.oneOf.map(rangeInWords).join(" or ");
  if (rule.const !== undefined) return JSON.stringify(rule.const);
  if (rule.enum) return rule.enum.map((value) => JSON.stringify(value)).join(" or ");
  const { minimum, maximum, maxLength, title } = rule;
  const noun = { integer: "an integer", number: "a number", boolean: "true or false" }[
    rule.type as string
  ];
  if (!noun) {
    if (title) return title;
    return maxLength === undefined ? "a text" : `a text of 1 to ${maxLength} characters`;
  }
  if (minimum !== undefined && maximum !== undefined)
    return `${noun} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${noun} of at least ${minimum}`;
  return maximum === undefined ? noun : `${noun} of at most ${maximum}`;
}
