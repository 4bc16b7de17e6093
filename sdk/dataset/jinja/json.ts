import {
  Float,
  floatText,
  isDict,
  isInteger,
  isList,
  isNumber,
  isTruthy,
  numberOf,
  requireHashable,
  TemplateError,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

/** A value of JSON with the order of its keys; 1.0 is not 1, and integers beyond 2^53 are bigints. */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | readonly Json[]
  | ReadonlyMap<string, Json>;

/** Options of Python's json.dumps, with its defaults but for ensure_ascii, as templates have it. */
export interface JsonOptions {
  readonly ensure_ascii?: Value;
  readonly indent?: Value;
  readonly separators?: Value;
  readonly sort_keys?: Value;
}

interface Style {
  readonly ascii: boolean;
  readonly indent: string | undefined;
  readonly item: string;
  readonly key: string;
  readonly sorted: boolean;
}

/** For JSON.stringify, to which a Map is empty and a bigint an error: writes each Json differently. */
export function exactJson(_key: string, value: unknown): unknown {
  if (value instanceof Map) return { entries: [...value] };
  return typeof value === "bigint" ? { integer: String(value) } : value;
}

/** A value as JSON, as Python's json.dumps writes it. */
export function writeJson(value: Value, options: JsonOptions = {}): string {
  const {
    ensure_ascii = false,
    indent: width = null,
    separators = null,
    sort_keys = false,
  } = options;
  const indent = indentOf(width);
  const [item, key] = separatorsOf(separators, indent);
  const style = { ascii: isTruthy(ensure_ascii), indent, item, key, sorted: isTruthy(sort_keys) };
  return write(value, style, "\n");
}

function indentOf(indent: Value): string | undefined {
  if (indent === null) return undefined;
  if (typeof indent === "string") return indent;
  if (isInteger(indent)) return " ".repeat(Math.max(0, Number(indent)));
  throw new TemplateError(`indent is ${typeName(indent)}`);
}

function separatorsOf(separators: Value, indent: string | undefined): [string, string] {
  if (separators === null) return [indent === undefined ? ", " : ",", ": "];
  const items = separators instanceof Tuple ? separators.items : separators;
  if (isList(items) && items.length === 2) {
    const [item, key] = items;
    if (typeof item === "string" && typeof key === "string") return [item, key];
  }
  throw new TemplateError("separators are not two texts");
}

/** @param line The line end, with the indentation of the value. */
function write(value: Value, style: Style, line: string): string {
  if (value === null) return "null";
  if (typeof value === "string") return writeText(value, style.ascii);
  if (typeof value === "boolean" || isInteger(value)) return String(value);
  if (value instanceof Float) return writeFloat(value.value);
  const inner = line + (style.indent ?? "");
  if (isDict(value)) {
    const keys = style.sorted ? sortedEntries(value) : [...value];
    const items = keys.map(
      ([key, each]) => writeText(keyText(key), style.ascii) + style.key + write(each, style, inner),
    );
    return enclose("{", items, "}", style, line);
  }
  const items = value instanceof Tuple ? value.items : value;
  if (!isList(items)) throw new TemplateError(`${typeName(value)} cannot be written as JSON`);
  const written = items.map((each) => write(each, style, inner));
  return enclose("[", written, "]", style, line);
}

function enclose(
  open: string,
  items: readonly string[],
  close: string,
  { indent, item }: Style,
  line: string,
): string {
  if (items.length === 0) return open + close;
  if (indent === undefined) return open + items.join(item) + close;
  return open + line + indent + items.join(item + line + indent) + line + close;
}

function sortedEntries(dict: ReadonlyMap<Value, Value>): [Value, Value][] {
  const entries = [...dict];
  if (!entries.every(([key]) => typeof key === "string")) {
    throw new TemplateError("only texts can be sorted as keys");
  }
  return entries.sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a as string), Buffer.from(b as string)),
  );
}

function keyText(key: Value): string {
  requireHashable(key);
  if (typeof key === "string") return key;
  if (key === null) return "null";
  if (typeof key === "boolean") return String(key);
  if (isNumber(key)) return key instanceof Float ? writeFloat(numberOf(key)) : String(key);
  throw new TemplateError(`${typeName(key)} cannot be a key in JSON`);
}

function writeFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return floatText(value);
}

/** JSON.stringify escapes as Python does, but for DEL, which Python escapes only with ensure_ascii. */
function writeText(text: string, ascii: boolean): string {
  const json = JSON.stringify(text);
  if (!ascii) return json;
  return json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Reads JSON as Python does: keys stay in their order, and 1.0 is not 1.
 * @param text Valid JSON.
 */
export function readJson(text: string): Json {
  const tokens = text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g);
  const next = (): string => (tokens.next().value as RegExpExecArray)[0];
  const read = (token: string): Json => {
    if (token === "{") return readDict(next, read);
    if (token === "[") return readList(next, read);
    return readScalar(token);
  };
  return read(next());
}

type Read = (token: string) => Json;

function readDict(next: () => string, read: Read): Json {
  const dict = new Map<string, Json>();
  for (let token = next(); token !== "}"; token = next()) {
    if (token === ",") continue;
    next();
    dict.set(JSON.parse(token) as string, read(next()));
  }
  return dict;
}

function readList(next: () => string, read: Read): Json {
  const list: Json[] = [];
  for (let token = next(); token !== "]"; token = next()) if (token !== ",") list.push(read(token));
  return list;
}

function readScalar(token: string): Json {
  if (/^-?\d+$/.test(token)) {
    const value = Number(token);
    return Number.isSafeInteger(value) ? value + 0 : BigInt(token);
  }
  const value = JSON.parse(token) as null | boolean | number | string;
  return typeof value === "number" ? new Float(value) : value;
}
