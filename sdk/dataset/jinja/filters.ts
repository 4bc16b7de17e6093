import { capitalize, getPath, replaceText, requireText, sortBy } from "./attributes.ts";
import { writeJson } from "./json.ts";
import { strip } from "./strip.ts";
import { TESTS } from "./tests.ts";
import {
  characters,
  compare,
  equals,
  Float,
  isDict,
  isInteger,
  isNumber,
  isTruthy,
  itemsOf,
  lengthOf,
  MISSING,
  numberOf,
  orMissing,
  TemplateError,
  Tuple,
  textOf,
  typeName,
  type Value,
} from "./values.ts";

type Named = Readonly<Record<string, Value>>;

/** A filter's value and arguments, those by name with their defaults. */
interface Filter {
  /** Names of the arguments in order, with their defaults; undefined if required. */
  readonly parameters: Readonly<Record<string, Value | undefined>>;
  readonly apply: (value: Value, args: Named) => Value;
}

/** Applies Jinja's filter of this name. */
export function applyFilter(
  name: string,
  value: Value,
  args: readonly Value[],
  named: ReadonlyMap<string, Value>,
): Value {
  if (Object.hasOwn(SELECTIONS, name)) {
    return SELECTIONS[name]!(isTruthy(value) ? itemsOf(value) : [], args, named);
  }
  if (!Object.hasOwn(FILTERS, name)) throw new TemplateError(`the filter ${name} is not supported`);
  const { parameters, apply } = FILTERS[name]!;
  const bound: Record<string, Value> = {};
  const names = Object.keys(parameters);
  if (args.length > names.length) throw new TemplateError(`${name} has too many arguments`);
  const unknown = [...named.keys()].find((key) => names.indexOf(key) < args.length);
  if (unknown !== undefined) throw new TemplateError(`${name} has no further argument ${unknown}`);
  for (const [index, key] of names.entries()) {
    const found = index < args.length ? args[index] : named.get(key);
    const given = found === undefined ? parameters[key] : found;
    if (given === undefined) throw new TemplateError(`${name} has no ${key}`);
    bound[key] = given;
  }
  return apply(value, bound);
}

const plain = (apply: (value: Value) => Value): Filter => ({ parameters: {}, apply });
const text = (change: (value: string) => Value): Filter => plain((value) => change(textOf(value)));

const length = plain(lengthOf);
const otherwise: Filter = {
  parameters: { default_value: "", boolean: false },
  apply: (value, { default_value, boolean }) =>
    value === MISSING || (isTruthy(boolean!) && !isTruthy(value)) ? default_value! : value,
};

const FILTERS: Readonly<Record<string, Filter>> = {
  abs: plain((value) => {
    if (!isNumber(value)) throw new TemplateError(`abs of ${typeName(value)}`);
    const size = Math.abs(numberOf(value));
    return value instanceof Float ? new Float(size) : size;
  }),
  capitalize: text(capitalize),
  count: length,
  d: otherwise,
  default: otherwise,
  dictsort: {
    parameters: { case_sensitive: false, by: "key", reverse: false },
    apply: (value, { case_sensitive, by, reverse }) =>
      sortBy(entries(value), (entry) => (entry as Tuple).items[by === "value" ? 1 : 0]!, {
        caseSensitive: isTruthy(case_sensitive!),
        reverse: isTruthy(reverse!),
      }),
  },
  first: plain((value) => orMissing(itemsOf(value)[0])),
  float: { parameters: { default: new Float(0) }, apply: (value, args) => toFloat(value, args) },
  indent: {
    parameters: { width: 4, first: false, blank: false },
    apply: (value, args) => indent(textOf(value), args),
  },
  int: { parameters: { default: 0, base: 10 }, apply: (value, args) => toInteger(value, args) },
  items: plain((value) => (value === MISSING ? [] : entries(value))),
  join: {
    parameters: { d: "", attribute: null },
    apply: (value, { d, attribute }) =>
      itemsOf(value)
        .map((item) => textOf(attribute === null ? item : getPath(item, attribute!)))
        .join(textOf(d!)),
  },
  last: plain((value) => orMissing(itemsOf(value).at(-1))),
  length,
  list: plain((value) => [...itemsOf(value)]),
  lower: text((value) => value.toLowerCase()),
  max: extreme(1),
  min: extreme(-1),
  replace: {
    parameters: { old: undefined, new: undefined, count: -1 },
    apply: (value, { old, new: to, count }) =>
      replaceText(textOf(value), textOf(old!), textOf(to!), isInteger(count!) ? Number(count) : -1),
  },
  reverse: plain((value) =>
    typeof value === "string"
      ? characters(value).toReversed().join("")
      : itemsOf(value).toReversed(),
  ),
  safe: plain(textOf),
  sort: {
    parameters: { reverse: false, case_sensitive: false, attribute: null },
    apply: (value, { reverse, case_sensitive, attribute }) =>
      sortBy(itemsOf(value), (item) => (attribute === null ? item : getPath(item, attribute!)), {
        caseSensitive: isTruthy(case_sensitive!),
        reverse: isTruthy(reverse!),
      }),
  },
  string: plain(textOf),
  title: text(titleCase),
  tojson: {
    parameters: { ensure_ascii: false, indent: null, separators: null, sort_keys: false },
    apply: writeJson,
  },
  trim: {
    parameters: { chars: null },
    apply: (value, { chars }) =>
      strip(textOf(value), chars === null ? undefined : requireText(chars)),
  },
  unique: plain((value) => {
    const seen: Value[] = [];
    for (const item of itemsOf(value)) {
      const key = typeof item === "string" ? item.toLowerCase() : item;
      if (!seen.some((each) => equals(typeof each === "string" ? each.toLowerCase() : each, key))) {
        seen.push(item);
      }
    }
    return seen;
  }),
  upper: text((value) => value.toUpperCase()),
};

type Selection = (
  items: readonly Value[],
  args: readonly Value[],
  named: ReadonlyMap<string, Value>,
) => Value;

/** Filters whose arguments are those of another filter or a test. */
const SELECTIONS: Readonly<Record<string, Selection>> = {
  map: (items, args, named) => {
    const attribute = named.get("attribute");
    if (attribute === undefined) {
      const [name, ...rest] = args;
      return items.map((item) => applyFilter(requireText(name), item, rest, named));
    }
    const absent = orMissing(named.get("default"));
    return items.map((item) => {
      const found = getPath(item, attribute);
      return found === MISSING ? absent : found;
    });
  },
  reject: (items, args) => items.filter((item) => !passes(item, args)),
  rejectattr: (items, [path, ...args]) =>
    items.filter((item) => !passes(getPath(item, path!), args)),
  select: (items, args) => items.filter((item) => passes(item, args)),
  selectattr: (items, [path, ...args]) =>
    items.filter((item) => passes(getPath(item, path!), args)),
};

function passes(value: Value, [name, ...args]: readonly Value[]): boolean {
  if (name === undefined) return isTruthy(value);
  return applyTest(requireText(name), value, args);
}

/** Applies Jinja's test of this name. */
export function applyTest(name: string, value: Value, args: readonly Value[] = []): boolean {
  if (!Object.hasOwn(TESTS, name)) throw new TemplateError(`the test ${name} is not supported`);
  return TESTS[name]!(value, ...args);
}

function entries(value: Value): Value[] {
  if (isDict(value)) return [...value].map((entry) => new Tuple(entry));
  throw new TemplateError(`${typeName(value)} has no items`);
}

function extreme(sign: number): Filter {
  return plain((value) => {
    const key = (each: Value) => (typeof each === "string" ? each.toLowerCase() : each);
    return itemsOf(value).reduce<Value>(
      (best, each) => (best === MISSING || sign * compare(key(each), key(best)) > 0 ? each : best),
      MISSING,
    );
  });
}

/** Jinja's filter, other than Python's str.title: words end at spaces, hyphens and opening brackets. */
function titleCase(value: string): string {
  return value
    .split(/([-\s({[<]+)/)
    .map(capitalize)
    .join("");
}

function indent(value: string, { width, first, blank }: Named): string {
  const space = typeof width === "string" ? width : " ".repeat(Number(width));
  const lines = `${value}\n`.split("\n").slice(0, -1);
  const indented = lines.map((line, index) =>
    index > 0 && (line !== "" || isTruthy(blank!)) ? space + line : line,
  );
  return (isTruthy(first!) ? space : "") + indented.join("\n");
}

function toInteger(value: Value, { default: otherwise, base }: Named): Value {
  if (isInteger(value)) return typeof value === "boolean" ? Number(value) : value;
  if (value instanceof Float) return Math.trunc(value.value);
  const written = typeof value === "string" ? strip(value) : "";
  if (base !== 10 || !/^[+-]?\d+(\.\d*)?$/.test(written)) return otherwise!;
  return Math.trunc(Number(written));
}

function toFloat(value: Value, { default: otherwise }: Named): Value {
  if (isNumber(value)) return new Float(numberOf(value));
  const written = typeof value === "string" ? strip(value) : "";
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(written)
    ? new Float(Number(written))
    : otherwise!;
}
