/**
 * The values of chat templates, with the meaning that they have in Python: a template has to write the same text here as
 * in the trainer, where Jinja2 renders it.
 *
 * Integers are numbers (bigints beyond 2^53), other numbers are a Float; a list is an array, a dictionary a Map.
 */

/** An error that Python would raise while rendering; its message is for people. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** A missing name, key or argument: empty when written, an error in most operations. */
export const MISSING = Symbol("undefined");

/** A floating point number: 1.0 is not 1 when it is written. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** The only thing that a template can change. */
export class Namespace {
  readonly fields: Map<string, Value>;
  constructor(fields: Map<string, Value>) {
    this.fields = fields;
  }
}

/** Arguments by position, and by name. */
export type Call = (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value;

/** A macro, a method or a global function. */
export class Callable {
  readonly call: Call;
  constructor(call: Call) {
    this.call = call;
  }
}

export type Dict = Map<Value, Value>;

export type Value =
  | typeof MISSING
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Tuple
  | Namespace
  | Callable
  | readonly Value[]
  | ReadonlyMap<Value, Value>;

export function isDict(value: Value): value is Dict {
  return value instanceof Map;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Whether a value is an int in Python, where booleans are. */
export function isInteger(value: Value): value is number | bigint | boolean {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
}

export function isNumber(value: Value): value is number | bigint | boolean | Float {
  return isInteger(value) || value instanceof Float;
}

export function typeName(value: Value): string {
  if (value === MISSING) return "an undefined value";
  if (value === null) return "None";
  if (typeof value === "boolean") return "a bool";
  if (isInteger(value)) return "an int";
  if (typeof value === "string") return "a str";
  if (value instanceof Float) return "a float";
  if (value instanceof Tuple) return "a tuple";
  if (isList(value)) return "a list";
  return isDict(value) ? "a dict" : "an object";
}

export function isTruthy(value: Value): boolean {
  if (value === MISSING || value === null || value === false) return false;
  if (typeof value === "string" || isList(value)) return value.length > 0;
  if (isInteger(value)) return Number(value) !== 0;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Tuple) return value.items.length > 0;
  return isDict(value) ? value.size > 0 : true;
}

const SURROGATE = /[\ud800-\udfff]/;

/** The characters of a text: code points, not UTF-16 units. */
export function characters(text: string): readonly string[] {
  return SURROGATE.test(text) ? Array.from(text) : text.split("");
}

export function lengthOf(value: Value): number {
  if (typeof value === "string") {
    return SURROGATE.test(value) ? characters(value).length : value.length;
  }
  if (value === MISSING) return 0;
  if (isList(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (isDict(value)) return value.size;
  throw new TemplateError(`${typeName(value)} has no length`);
}

/** What a loop over the value visits. */
export function itemsOf(value: Value): readonly Value[] {
  if (isList(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (typeof value === "string") return characters(value);
  if (value === MISSING) return [];
  if (isDict(value)) return [...value.keys()];
  throw new TemplateError(`${typeName(value)} cannot be iterated`);
}

export function equals(one: Value, other: Value): boolean {
  if (one === other) return true;
  if (isNumber(one) && isNumber(other)) return numberOf(one) === numberOf(other);
  if (isList(one) && isList(other)) return equalItems(one, other);
  if (one instanceof Tuple && other instanceof Tuple) return equalItems(one.items, other.items);
  if (!isDict(one) || !isDict(other) || one.size !== other.size) return false;
  return [...one].every(([key, value]) => {
    const found = getKey(other, key);
    return found !== MISSING && equals(value, found);
  });
}

function equalItems(one: readonly Value[], other: readonly Value[]): boolean {
  return one.length === other.length && one.every((value, index) => equals(value, other[index]!));
}

/** Negative, zero or positive, as `one` is less than, equal to or greater than `other`. */
export function compare(one: Value, other: Value): number {
  if (isNumber(one) && isNumber(other)) return numberOf(one) - numberOf(other);
  if (typeof one === "string" && typeof other === "string") return compareTexts(one, other);
  const [first, second] = [sequence(one), sequence(other)];
  if (!first || !second || isList(one) !== isList(other)) {
    throw new TemplateError(`${typeName(one)} and ${typeName(other)} cannot be compared`);
  }
  const different = first.findIndex(
    (value, index) => index >= second.length || !equals(value, second[index]!),
  );
  if (different < 0 || different >= second.length) return first.length - second.length;
  return compare(first[different]!, second[different]!);
}

function sequence(value: Value): readonly Value[] | undefined {
  return value instanceof Tuple ? value.items : isList(value) ? value : undefined;
}

/** By code points, which differs from the order of UTF-16 units. */
function compareTexts(one: string, other: string): number {
  if (!SURROGATE.test(one + other)) return one < other ? -1 : Number(one > other);
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === "string") {
    if (typeof item === "string") return container.includes(item);
    throw new TemplateError(`a str cannot contain ${typeName(item)}`);
  }
  if (isDict(container)) return getKey(container, item) !== MISSING;
  return itemsOf(container).some((each) => equals(each, item));
}

/** What a lookup found; null is a value. */
export function orMissing(found: Value | undefined): Value {
  return found === undefined ? MISSING : found;
}

/** A value of a dictionary; 1, 1.0 and True are the same key. */
export function getKey(dict: Dict, key: Value): Value {
  const found = dict.get(key);
  if (found !== undefined || typeof key === "string") return orMissing(found);
  requireHashable(key);
  for (const [each, value] of dict) if (equals(each, key)) return value;
  return MISSING;
}

/** @throws TemplateError if a value cannot be a key. */
export function requireHashable(key: Value): void {
  if (isList(key) || isDict(key)) throw new TemplateError(`${typeName(key)} cannot be a key`);
}

export function numberOf(value: number | bigint | boolean | Float): number {
  return value instanceof Float ? value.value : Number(value);
}

/** A value as template code writes it: Python's str. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  return value === MISSING ? "" : repr(value);
}

function repr(value: Value): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === MISSING) return "Undefined";
  if (typeof value === "string") return quoted(value);
  if (value instanceof Float) return floatText(value.value);
  if (isList(value)) return `[${value.map(repr).join(", ")}]`;
  if (isDict(value)) {
    return `{${[...value].map(([key, each]) => `${repr(key)}: ${repr(each)}`).join(", ")}}`;
  }
  if (value instanceof Tuple) {
    const items = value.items.map(repr).join(", ");
    return value.items.length === 1 ? `(${items},)` : `(${items})`;
  }
  if (isInteger(value)) return String(value);
  throw new TemplateError(`${typeName(value)} cannot be written`);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** A text as Python shows it within a list: in single quotes, unless it has some and no double ones. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = "";
  for (const character of text) {
    if (character === quote) result += `\\${quote}`;
    else result += ESCAPES[character] ?? printable(character);
  }
  return quote + result + quote;
}

/** Python shows other and separator characters by number, but for the space. */
const UNPRINTABLE = /^[\p{C}\p{Z}]$/u;

function printable(character: string): string {
  if (character === " " || !UNPRINTABLE.test(character)) return character;
  const hex = character.codePointAt(0)!.toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** The shortest digits that give the number, as in JavaScript, with Python's limits for the exponent. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  if (value === 0) return "0.0";
  const [digits = "", power = ""] = Math.abs(value).toExponential().split("e");
  const exponent = Number(power);
  const sign = value < 0 ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const plain = digits.replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${plain}`;
  const padded = plain.padEnd(exponent + 2, "0");
  return `${sign}${padded.slice(0, exponent + 1)}.${padded.slice(exponent + 1)}`;
}
