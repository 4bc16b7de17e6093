import {
  compare,
  contains,
  equals,
  Float,
  isInteger,
  isList,
  isNumber,
  isTruthy,
  MISSING,
  numberOf,
  TemplateError,
  Tuple,
  textOf,
  typeName,
  type Value,
} from "./values.ts";

type Operator = (left: Value, right: Value) => Value;

/** Python's operators of two values, but for `and` and `or`, which do not always need the second. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  "!=": (left, right) => !equals(left, right),
  "%": (left, right) => arithmetic(left, right, (a, b) => a - b * Math.floor(divide(a, b))),
  "*": multiply,
  "**": (left, right) => arithmetic(left, right, (a, b) => a ** b),
  "+": add,
  "-": (left, right) => arithmetic(left, right, (a, b) => a - b),
  "/": (left, right) => new Float(divide(toNumber(left), toNumber(right))),
  "//": (left, right) => arithmetic(left, right, (a, b) => Math.floor(divide(a, b))),
  "<": (left, right) => compare(left, right) < 0,
  "<=": (left, right) => compare(left, right) <= 0,
  "==": equals,
  ">": (left, right) => compare(left, right) > 0,
  ">=": (left, right) => compare(left, right) >= 0,
  in: (left, right) => contains(right, left),
  "not in": (left, right) => !contains(right, left),
  "~": (left, right) => textOf(left) + textOf(right),
};

export const UNARY: Readonly<Record<string, (value: Value) => Value>> = {
  "+": (value) => arithmetic(0, value, (_, b) => b),
  "-": (value) => arithmetic(0, value, (a, b) => a - b),
  not: (value) => !isTruthy(value),
};

function add(left: Value, right: Value): Value {
  if (typeof left === "string" && typeof right === "string") return left + right;
  if (isList(left) && isList(right)) return [...left, ...right];
  if (left instanceof Tuple && right instanceof Tuple) {
    return new Tuple([...left.items, ...right.items]);
  }
  return arithmetic(left, right, (a, b) => a + b);
}

function multiply(left: Value, right: Value): Value {
  const [repeated, count]: readonly [Value, Value] = isInteger(left)
    ? [right, left]
    : [left, right];
  if (!isInteger(count) || isNumber(repeated)) return arithmetic(left, right, (a, b) => a * b);
  const times = Math.max(0, Number(count));
  if (typeof repeated === "string") return repeated.repeat(times);
  if (isList(repeated)) return Array.from({ length: times }, () => repeated).flat();
  throw new TemplateError(`${typeName(repeated)} cannot be multiplied`);
}

function arithmetic(left: Value, right: Value, apply: (a: number, b: number) => number): Value {
  const result = apply(toNumber(left), toNumber(right));
  const isWhole = isInteger(left) && isInteger(right);
  if (isWhole && Number.isSafeInteger(result)) return result;
  if (isWhole) throw new TemplateError("numbers beyond 2^53 are not supported");
  return new Float(result);
}

function toNumber(value: Value): number {
  if (isNumber(value)) return numberOf(value);
  const what = value === MISSING ? "a value is undefined" : `${typeName(value)} is not a number`;
  throw new TemplateError(what);
}

function divide(a: number, b: number): number {
  if (b === 0) throw new TemplateError("division by zero");
  return a / b;
}
