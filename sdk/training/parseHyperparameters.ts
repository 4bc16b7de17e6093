import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { didYouMean } from "../didYouMean.ts";
import { ProtocolError } from "../errors.ts";
import { RULES, type Rule, rangeInWords } from "./describeHyperparameters.ts";
import { FOREIGN_NAMES, WITHOUT_COUNTERPART } from "./foreignNames.ts";
import type { Hyperparameters } from "./Hyperparameters.ts";
import schema from "./job.schema.json" with { type: "json" };

/** Maximum size of a task's config on chain. */
export const MAX_CONFIG_BYTES = 8192;

const validate = new Ajv2020({ allErrors: true }).compile<Hyperparameters>({
  ...schema.$defs.hyperparameters,
});

/**
 * Parses hyper-parameters as people write them: with canonical names or those of 0G's templates, and with numbers and
 * switches also as text ("1e-5", "true").
 * @param shownAs how a name is written where the values come from, if not as here
 * @throws ProtocolError "usage" with every problem; names are as they were written.
 * @example const config = parseHyperparameters({ num_train_epochs: "3", learning_rate: "1e-5" });
 */
export function parseHyperparameters(
  value: unknown,
  shownAs: (name: string) => string = (name) => name,
): Hyperparameters {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError(
      "usage",
      "The training configuration is not a JSON object.",
      'Write it like {"n_epochs": 3, "learning_rate": 1e-5}.',
    );
  }
  const problems: Problem[] = [];
  const parsed = new Map<string, unknown>();
  const written = new Map<string, string>();
  for (const [name, given] of Object.entries(value)) {
    const canonical = FOREIGN_NAMES.get(name) ?? name;
    const rule = RULES.get(canonical);
    if (!rule) problems.push(unknownName(name));
    else if (parsed.has(canonical)) problems.push(givenTwice(canonical));
    else parsed.set(canonical, readText(given, rule));
    written.set(canonical, shownAs(name));
  }
  const hyperparameters = Object.fromEntries(parsed);
  if (!validate(hyperparameters)) problems.push(...explain(validate.errors!, parsed, written));
  if (problems.length > 0) throw invalidConfigError(problems);
  return hyperparameters as Hyperparameters;
}

/**
 * The bytes that go on chain: the user's hyper-parameters as RFC 8785 canonical JSON.
 * @throws ProtocolError "usage" if a value is not allowed or the result is longer than MAX_CONFIG_BYTES.
 * @example const bytes = canonicalConfig({ n_epochs: 3, learning_rate: 1e-5 });
 */
export function canonicalConfig(hyperparameters: Hyperparameters): Uint8Array {
  const set = Object.entries(hyperparameters).filter(([, value]) => value !== undefined);
  if (!validate(Object.fromEntries(set)))
    throw invalidConfigError(explain(validate.errors!, new Map(set)));
  const bytes = serialize(set);
  if (bytes.length > MAX_CONFIG_BYTES) {
    throw new ProtocolError(
      "usage",
      `The training configuration has ${bytes.length} bytes, more than the ${MAX_CONFIG_BYTES} that fit on chain.`,
      "Shorten its texts.",
    );
  }
  return bytes;
}

/**
 * Parses a config from the chain and accepts only what canonicalConfig writes.
 * @returns null for anything else.
 * @example const config = parseCanonicalConfig(new TextEncoder().encode('{"n_epochs":3}'));
 */
export function parseCanonicalConfig(bytes: Uint8Array): Hyperparameters | null {
  if (bytes.length > MAX_CONFIG_BYTES) return null;
  const hyperparameters = readJson(bytes);
  if (hyperparameters === undefined || !validate(hyperparameters)) return null;
  const isCanonical = Buffer.compare(serialize(Object.entries(hyperparameters)), bytes) === 0;
  return isCanonical ? hyperparameters : null;
}

/** RFC 8785: names are ASCII and values are not objects, so sorting by UTF-16 unit and JSON.stringify implement it. */
function serialize(entries: readonly [string, unknown][]): Uint8Array {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new TextEncoder().encode(JSON.stringify(Object.fromEntries(sorted)));
}

/**
 * Whether an order on chain has exactly these hyper-parameters.
 * @example const isPlaced = isSameConfig((await getTaskOrder(client, task)).config, { n_epochs: 3 });
 */
export function isSameConfig(recorded: Hyperparameters | null, config: Hyperparameters): boolean {
  return (
    recorded !== null && Buffer.compare(canonicalConfig(recorded), canonicalConfig(config)) === 0
  );
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** What is wrong, and how to correct it. */
type Problem = readonly [message: string, hint: string];

function invalidConfigError(problems: readonly Problem[]): ProtocolError {
  const [first] = problems;
  if (problems.length === 1) return new ProtocolError("usage", first![0], first![1]);
  return new ProtocolError(
    "usage",
    `The training configuration has ${problems.length} problems: ${problems.map(([message]) => message).join(" ")}`,
    [...new Set(problems.map(([, hint]) => hint))].join(" "),
  );
}

function unknownName(name: string): Problem {
  const advice = WITHOUT_COUNTERPART.get(name);
  if (advice) return [`${name} has no counterpart here.`, advice];
  const names = [...RULES.keys(), ...FOREIGN_NAMES.keys(), ...WITHOUT_COUNTERPART.keys()];
  const nearest = didYouMean(name, names);
  const hint = nearest ? `Did you mean ${nearest}?` : `Known are ${[...RULES.keys()].join(", ")}.`;
  return [`${JSON.stringify(name)} is not a hyper-parameter.`, hint];
}

function givenTwice(name: string): Problem {
  return [`${name} is given twice, under two names.`, `Give ${name} once.`];
}

/** Converts "1e-5" to a number and "true" to a switch if the rule requires one. */
function readText(value: unknown, rule: Rule): unknown {
  if (typeof value !== "string" || rule.type === "string") return value;
  const text = value.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (/^true$/i.test(text)) return true;
  return /^false$/i.test(text) ? false : text;
}

/** One problem per name, although a rule with alternatives causes several errors. */
function explain(
  errors: ErrorObject[],
  given: ReadonlyMap<string, unknown>,
  written: ReadonlyMap<string, string> = new Map(),
): Problem[] {
  const names = new Set(
    errors.map(({ instancePath, params }) => instancePath.slice(1) || params.additionalProperty),
  );
  return [...names].map((name) => {
    const rule = RULES.get(name);
    if (!rule) return unknownName(name);
    const value = JSON.stringify(given.get(name)) ?? String(given.get(name));
    const shown = value.length > 60 ? `${value.slice(0, 59)}…` : value;
    return [
      `${written.get(name) ?? name} is ${shown}, but must be ${rangeInWords(rule)}.`,
      "Give a value that is allowed.",
    ];
  });
}
