import {
  Callable,
  compare,
  contains,
  equals,
  Float,
  isDict,
  isInteger,
  isList,
  isNumber,
  MISSING,
  numberOf,
  Tuple,
  type Value,
} from "./values.ts";

type Test = (value: Value, ...args: Value[]) => boolean;

const isSequence: Test = (value) =>
  value === MISSING ||
  typeof value === "string" ||
  isList(value) ||
  isDict(value) ||
  value instanceof Tuple;
const isWhole: Test = (value) => isInteger(value) && typeof value !== "boolean";
const remainder = (value: Value, by: number): number =>
  isNumber(value) ? numberOf(value) % by : Number.NaN;
const equalTo: Test = (value, other = MISSING) => equals(value, other);
const notEqual: Test = (value, other = MISSING) => !equals(value, other);
const lessThan: Test = (value, other = MISSING) => compare(value, other) < 0;
const atMost: Test = (value, other = MISSING) => compare(value, other) <= 0;
const greaterThan: Test = (value, other = MISSING) => compare(value, other) > 0;
const atLeast: Test = (value, other = MISSING) => compare(value, other) >= 0;

/** Jinja's tests, by name. */
export const TESTS: Readonly<Record<string, Test>> = {
  "!=": notEqual,
  "<": lessThan,
  "<=": atMost,
  "==": equalTo,
  ">": greaterThan,
  ">=": atLeast,
  boolean: (value) => typeof value === "boolean",
  callable: (value) => value instanceof Callable,
  defined: (value) => value !== MISSING,
  divisibleby: (value, by = MISSING) => isNumber(by) && remainder(value, numberOf(by)) === 0,
  eq: equalTo,
  equalto: equalTo,
  even: (value) => remainder(value, 2) === 0,
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  ge: atLeast,
  greaterthan: greaterThan,
  gt: greaterThan,
  in: (value, container = MISSING) => contains(container, value),
  integer: isWhole,
  iterable: isSequence,
  le: atMost,
  lessthan: lessThan,
  lower: (value) => typeof value === "string" && value === value.toLowerCase() && hasCase(value),
  lt: lessThan,
  mapping: isDict,
  ne: notEqual,
  none: (value) => value === null,
  number: isNumber,
  odd: (value) => Math.abs(remainder(value, 2)) === 1,
  sequence: isSequence,
  string: (value) => typeof value === "string",
  true: (value) => value === true,
  undefined: (value) => value === MISSING,
  upper: (value) => typeof value === "string" && value === value.toUpperCase() && hasCase(value),
};

function hasCase(text: string): boolean {
  return text.toLowerCase() !== text.toUpperCase();
}
