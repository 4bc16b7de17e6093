import { SPACE, strip, stripEnd, stripStart } from "./strip.ts";
import {
  Callable,
  characters,
  compare,
  type Dict,
  equals,
  getKey,
  isDict,
  isInteger,
  isList,
  itemsOf,
  lengthOf,
  MISSING,
  Namespace,
  orMissing,
  TemplateError,
  Tuple,
  textOf,
  typeName,
  type Value,
} from "./values.ts";

type Method<T> = (self: T, ...args: Value[]) => Value;

/** Methods of Python's str. */
const TEXT_METHODS: Readonly<Record<string, Method<string>>> = {
  capitalize: (text) => capitalize(text),
  count: (text, part) => text.split(requireText(part)).length - 1,
  endswith: (text, ends) => choices(ends).some((end) => text.endsWith(end)),
  find: (text, part) => indexOf(text, text.indexOf(requireText(part))),
  isdecimal: (text) => /^\p{Nd}+$/u.test(text),
  join: (text, parts) => itemsOf(given(parts)).map(requireText).join(text),
  lower: (text) => text.toLowerCase(),
  lstrip: (text, stripped) => stripStart(text, optionalText(stripped)),
  removeprefix: (text, start) =>
    text.startsWith(requireText(start)) ? text.slice((start as string).length) : text,
  removesuffix: (text, end) =>
    text.endsWith(requireText(end)) ? text.slice(0, text.length - (end as string).length) : text,
  replace: (text, from, to, count) =>
    replaceText(text, requireText(from), requireText(to), optionalInteger(count) ?? -1),
  rfind: (text, part) => indexOf(text, text.lastIndexOf(requireText(part))),
  rsplit: (text, separator, count) => splitEnd(text, optionalText(separator), count),
  rstrip: (text, stripped) => stripEnd(text, optionalText(stripped)),
  split: (text, separator, count) => split(text, optionalText(separator), count),
  splitlines: (text) => splitLines(text),
  startswith: (text, starts) => choices(starts).some((start) => text.startsWith(start)),
  strip: (text, stripped) => strip(text, optionalText(stripped)),
  title: (text) => titleWords(text),
  upper: (text) => text.toUpperCase(),
};

const DICT_METHODS: Readonly<Record<string, Method<Dict>>> = {
  copy: (dict) => new Map(dict),
  get: (dict, key, otherwise = null) => {
    const found = getKey(dict, given(key));
    return found === MISSING ? otherwise : found;
  },
  items: (dict) => [...dict].map((entry) => new Tuple(entry)),
  keys: (dict) => [...dict.keys()],
  values: (dict) => [...dict.values()],
};

const LIST_METHODS: Readonly<Record<string, Method<readonly Value[]>>> = {
  copy: (list) => [...list],
  count: (list, item) => list.filter((each) => equals(each, given(item))).length,
  index: (list, item) => {
    const found = list.findIndex((each) => equals(each, given(item)));
    if (found < 0) throw new TemplateError("the list does not have the item");
    return found;
  },
};

/** Methods that the sandbox of templates forbids, and names that would not be found as keys. */
const FORBIDDEN: Readonly<Record<"dict" | "list", readonly string[]>> = {
  dict: ["clear", "fromkeys", "pop", "popitem", "setdefault", "update"],
  list: ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
};

/** `value.name`: an attribute, else the item with this key. */
export function getAttribute(value: Value, name: string): Value {
  const attribute = attributeOf(value, name);
  if (attribute !== MISSING) return attribute;
  return isDict(value) ? getKey(value, name) : MISSING;
}

/** `value[key]`: the item with this key, else the attribute of this name. */
export function getItem(value: Value, key: Value): Value {
  requireDefined(value);
  if (isDict(value)) {
    const found = getKey(value, key);
    return found === MISSING && typeof key === "string" ? attributeOf(value, key) : found;
  }
  if (isInteger(key) && (typeof value === "string" || isList(value) || value instanceof Tuple)) {
    return itemAt(value, Number(key));
  }
  return typeof key === "string" ? attributeOf(value, key) : MISSING;
}

function itemAt(value: string | readonly Value[] | Tuple, index: number): Value {
  const length = lengthOf(value);
  const place = index < 0 ? index + length : index;
  if (typeof value === "string") {
    return orMissing(length === value.length ? value[place] : characters(value)[place]);
  }
  return orMissing((value instanceof Tuple ? value.items : value)[place]);
}

/** `value[start:stop:step]` */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value {
  requireDefined(value);
  const by = optionalInteger(step) ?? 1;
  if (by === 0) throw new TemplateError("a slice cannot have the step 0");
  if (typeof value !== "string" && !isList(value) && !(value instanceof Tuple)) return MISSING;
  const items = itemsOf(value);
  const [low, high] = by > 0 ? [0, items.length] : [-1, items.length - 1];
  const place = (index: Value, otherwise: number) => {
    const number = optionalInteger(index);
    if (number === undefined) return otherwise;
    return Math.max(low, Math.min(high, number < 0 ? number + items.length : number));
  };
  const end = place(stop, by > 0 ? high : low);
  const taken: Value[] = [];
  for (let at = place(start, by > 0 ? low : high); by > 0 ? at < end : at > end; at += by) {
    taken.push(items[at]!);
  }
  if (typeof value === "string") return taken.join("");
  return value instanceof Tuple ? new Tuple(taken) : taken;
}

function attributeOf(value: Value, name: string): Value {
  requireDefined(value);
  if (value instanceof Namespace) return orMissing(value.fields.get(name));
  if (typeof value === "string") return bind(value, TEXT_METHODS, name);
  if (isDict(value)) return forbid("dict", name) ?? bind(value, DICT_METHODS, name);
  if (isList(value)) return forbid("list", name) ?? bind(value, LIST_METHODS, name);
  return MISSING;
}

function bind<T>(self: T, methods: Readonly<Record<string, Method<T>>>, name: string): Value {
  if (!Object.hasOwn(methods, name)) return MISSING;
  return new Callable((args, named) => {
    if (named.size > 0) throw new TemplateError(`${name} is called with names of arguments`);
    return methods[name]!(self, ...args);
  });
}

function forbid(type: keyof typeof FORBIDDEN, name: string): Value | undefined {
  if (!FORBIDDEN[type].includes(name)) return undefined;
  return new Callable(() => {
    throw new TemplateError(`${name} would change a ${type}`);
  });
}

function requireDefined(value: Value): void {
  if (value === MISSING) throw new TemplateError("a value is undefined");
}

function given(value: Value | undefined): Value {
  if (value === undefined) throw new TemplateError("an argument is missing");
  return value;
}

export function requireText(value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw new TemplateError(`a str is needed, not ${typeName(given(value))}`);
}

function optionalText(value: Value | undefined): string | undefined {
  return value === undefined || value === null ? undefined : requireText(value);
}

function optionalInteger(value: Value | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (isInteger(value)) return Number(value);
  throw new TemplateError(`an int is needed, not ${typeName(value)}`);
}

function choices(value: Value | undefined): readonly string[] {
  return value instanceof Tuple ? value.items.map(requireText) : [requireText(value)];
}

/** An index of code points from one of UTF-16 units. */
function indexOf(text: string, place: number): number {
  return place < 0 ? place : lengthOf(text.slice(0, place));
}

export function replaceText(text: string, from: string, to: string, count: number): string {
  if (count < 0) return from === "" && text === "" ? to : text.replaceAll(wide(from), () => to);
  let left = count;
  return text.replaceAll(wide(from), (found) => (left-- > 0 ? to : found));
}

/** An empty text is found between code points, not within one. */
function wide(text: string): string | RegExp {
  return text === "" ? /(?:)/gu : text;
}

function split(text: string, separator: string | undefined, count: Value | undefined): Value {
  const limit = limitOf(count);
  if (separator === undefined) return splitWords(text, limit);
  if (separator === "") throw new TemplateError("a text cannot be split by an empty one");
  const parts = text.split(separator);
  if (parts.length <= limit + 1) return parts;
  return [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

function splitEnd(text: string, separator: string | undefined, count: Value | undefined): Value {
  const limit = limitOf(count);
  if (separator === undefined || separator === "") {
    throw new TemplateError("rsplit needs a text to split by");
  }
  const parts = text.split(separator);
  if (parts.length <= limit + 1) return parts;
  const kept = parts.length - limit;
  return [parts.slice(0, kept).join(separator), ...parts.slice(kept)];
}

function limitOf(count: Value | undefined): number {
  const limit = optionalInteger(count) ?? -1;
  return limit < 0 ? Number.POSITIVE_INFINITY : limit;
}

function splitWords(text: string, limit: number): Value {
  const words: string[] = [];
  let rest = stripStart(text);
  while (rest !== "" && words.length < limit) {
    const end = rest.search(SPACE);
    words.push(end < 0 ? rest : rest.slice(0, end));
    rest = end < 0 ? "" : stripStart(rest.slice(end));
  }
  return rest === "" ? words : [...words, stripEnd(rest)];
}

function splitLines(text: string): Value {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Python ends lines at the separators, too
  const lines = text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

export function capitalize(text: string): string {
  const [first = "", ...rest] = characters(text);
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** Python's str.title: a word starts at each letter that follows no letter. */
function titleWords(text: string): string {
  return text.replace(/\p{L}+/gu, capitalize);
}

/** Sorts by keys, texts without regard to case unless asked to. */
export function sortBy(
  values: readonly Value[],
  keyOf: (value: Value) => Value,
  { caseSensitive = false, reverse = false } = {},
): Value[] {
  const keyed = values.map((value): { value: Value; key: Value } => ({
    value,
    key: sortKey(keyOf(value), caseSensitive),
  }));
  const sorted = keyed.sort((a, b) => (reverse ? compare(b.key, a.key) : compare(a.key, b.key)));
  return sorted.map(({ value }) => value);
}

function sortKey(key: Value, caseSensitive: boolean): Value {
  return typeof key === "string" && !caseSensitive ? key.toLowerCase() : key;
}

/** The value at a path of attributes as filters take it: "function.name", or an index. */
export function getPath(value: Value, path: Value): Value {
  if (isInteger(path)) return getItem(value, path);
  return textOf(path)
    .split(".")
    .reduce<Value>(
      (found, name) => getItem(found, /^\d+$/.test(name) ? Number(name) : name),
      value,
    );
}
