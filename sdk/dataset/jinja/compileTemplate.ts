import { getAttribute, getItem, slice } from "./attributes.ts";
import { applyFilter, applyTest } from "./filters.ts";
import { OPERATORS, UNARY } from "./operators.ts";
import { strftimeNow } from "./strftime.ts";
import {
  type Argument,
  type CallExpression,
  type CallStatement,
  type Expression,
  type FilterName,
  type ForStatement,
  GENERATION,
  type MacroStatement,
  type Parameter,
  parseTemplate,
  type Statement,
} from "./syntax.ts";
import {
  Callable,
  type Dict,
  Float,
  isDict,
  isInteger,
  isTruthy,
  itemsOf,
  MISSING,
  Namespace,
  orMissing,
  requireHashable,
  TemplateError,
  Tuple,
  textOf,
  typeName,
  type Value,
} from "./values.ts";

/** A rendered template. */
export interface Rendered {
  readonly text: string;
  /** Begin and end of what the template itself marks as the assistant's, in UTF-16 units. */
  readonly generated: readonly (readonly [begin: number, end: number])[];
}

export type RenderTemplate = (context: ReadonlyMap<string, Value>) => Rendered;

/** Maximum number of iterations of all loops, and of characters written: templates are written by strangers. */
const MAX_STEPS = 5_000_000;
const MAX_TEXT = 2 ** 28;
/** Maximum length of a range, as in Jinja's sandbox. */
const MAX_RANGE = 100_000;

/**
 * Compiles a chat template with Jinja's sandboxed environment as transformers sets it up: trim_blocks, lstrip_blocks,
 * loop controls, `{% generation %}`, `raise_exception`, and `strftime_now` on a fixed day.
 * @returns Renders the template; throws a TemplateError where Jinja would raise an error.
 * @throws Error if the template is not valid.
 */
export function compileTemplate(source: string): RenderTemplate {
  const run = compileBlock(parseTemplate(source));
  return (context) => {
    const out = new Output({ steps: 0, root: undefined, generated: [] });
    out.state.root = out;
    const globals = new Scope(undefined, new Map(GLOBALS));
    globals.set(GENERATION, generation(out.state));
    try {
      run(new Scope(new Scope(globals, new Map(context)), new Map()), out);
    } catch (error) {
      if (error instanceof RangeError) throw new TemplateError("it nests too deeply");
      throw error;
    }
    const { text } = out;
    const isExact = out.state.generated.every(({ begin, written }) =>
      text.startsWith(written, begin),
    );
    const ranges = out.state.generated.map(
      ({ begin, written }) => [begin, begin + written.length] as const,
    );
    return { text, generated: isExact ? ranges : [] };
  };
}

/** What all outputs of one rendering share. */
interface State {
  steps: number;
  root: Output | undefined;
  readonly generated: { readonly begin: number; readonly written: string }[];
}

class Output {
  readonly state: State;
  text = "";

  constructor(state: State) {
    this.state = state;
  }

  write(text: string): void {
    this.text += text;
    if (this.text.length > MAX_TEXT) throw new TemplateError("it writes too much");
  }

  step(): void {
    this.state.steps += 1;
    if (this.state.steps > MAX_STEPS) throw new TemplateError("it takes too long");
  }
}

class Scope {
  readonly #parent: Scope | undefined;
  readonly #names: Map<string, Value>;

  constructor(parent: Scope | undefined, names: Map<string, Value>) {
    this.#parent = parent;
    this.#names = names;
  }

  get(name: string): Value {
    for (let scope: Scope | undefined = this; scope; scope = scope.#parent) {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
    }
    return MISSING;
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }

  inner(): Scope {
    return new Scope(this, new Map());
  }
}

type Signal = "break" | "continue" | undefined;
type Run = (scope: Scope, out: Output) => Signal;
/** Expressions get the output only for the limits of the calls in them. */
type Evaluate = (scope: Scope, out: Output) => Value;

function compileBlock(statements: readonly Statement[]): Run {
  const runs = statements.filter(({ type }) => type !== "Comment").map(compileStatement);
  return (scope, out) => {
    for (const run of runs) {
      const signal = run(scope, out);
      if (signal) return signal;
    }
    return undefined;
  };
}

function compileStatement(statement: Statement): Run {
  switch (statement.type) {
    case "If":
      return compileIf(statement);
    case "For":
      return compileFor(statement);
    case "Set":
      return compileSet(statement);
    case "Macro":
      return compileMacro(statement);
    case "CallStatement":
      return compileCallBlock(statement);
    case "FilterStatement":
      return compileFilterBlock(statement);
    case "Break":
      return () => "break";
    case "Continue":
      return () => "continue";
    case "Comment":
      return () => undefined;
    default:
      return compileWrite(statement);
  }
}

function compileWrite(expression: Expression): Run {
  const evaluate = compile(expression);
  return (scope, out) => {
    out.write(textOf(evaluate(scope, out)));
    return undefined;
  };
}

function compileIf({ test, body, alternate }: Statement & { type: "If" }): Run {
  const [evaluate, yes, no] = [compile(test), compileBlock(body), compileBlock(alternate)];
  return (scope, out) => (isTruthy(evaluate(scope, out)) ? yes(scope, out) : no(scope, out));
}

/** The `loop` of a for block. */
function loopValue(items: readonly Value[], index: number): Value {
  const field = (name: string): Value => {
    switch (name) {
      case "index":
        return index + 1;
      case "index0":
        return index;
      case "revindex":
        return items.length - index;
      case "revindex0":
        return items.length - index - 1;
      case "first":
        return index === 0;
      case "last":
        return index === items.length - 1;
      case "length":
        return items.length;
      case "previtem":
        return orMissing(items[index - 1]);
      case "nextitem":
        return orMissing(items[index + 1]);
      default:
        throw new TemplateError(`loop.${name} is not supported`);
    }
  };
  return new Namespace({ get: field } as Map<string, Value>);
}

function compileFor({ loopvar, iterable, body, defaultBlock }: ForStatement): Run {
  const assign = compileAssignment(loopvar);
  const isFiltered = iterable.type === "SelectExpression";
  const evaluate = compile(isFiltered ? iterable.lhs : iterable);
  const passes = isFiltered ? compile(iterable.test) : undefined;
  const [run, otherwise] = [compileBlock(body), compileBlock(defaultBlock)];
  return (scope, out) => {
    const all = itemsOf(evaluate(scope, out));
    const items = passes ? all.filter((item) => isKept(item, scope, out)) : all;
    for (let index = 0; index < items.length; index++) {
      out.step();
      const inner = scope.inner();
      inner.set("loop", loopValue(items, index));
      assign(inner, items[index]!);
      if (run(inner, out) === "break") break;
    }
    return items.length === 0 ? otherwise(scope.inner(), out) : undefined;
  };

  function isKept(item: Value, scope: Scope, out: Output): boolean {
    const inner = scope.inner();
    assign(inner, item);
    return isTruthy(passes!(inner, out));
  }
}

function compileSet({ assignee, value, body }: Statement & { type: "Set" }): Run {
  const assign = compileAssignment(assignee);
  if (value) {
    const evaluate = compile(value);
    return (scope, out) => {
      assign(scope, evaluate(scope, out));
      return undefined;
    };
  }
  const run = compileBlock(body);
  return (scope, out) => {
    assign(scope, capture(run, scope.inner(), out));
    return undefined;
  };
}

function capture(run: Run, scope: Scope, out: Output): string {
  const inner = new Output(out.state);
  run(scope, inner);
  return inner.text;
}

function compileAssignment(target: Expression): (scope: Scope, value: Value) => void {
  if (target.type === "Identifier") {
    return (scope, value) => scope.set(target.value, value);
  }
  if (target.type === "TupleLiteral") {
    const parts = target.value.map(compileAssignment);
    return (scope, value) => {
      const items = itemsOf(value);
      if (items.length !== parts.length) {
        throw new TemplateError(`${items.length} values are assigned to ${parts.length} names`);
      }
      parts.forEach((assign, index) => {
        assign(scope, items[index]!);
      });
    };
  }
  if (target.type !== "MemberExpression" || target.property.type !== "Identifier") {
    throw new TemplateError("only names and fields of a namespace can be set");
  }
  const { object, property } = target;
  const evaluate = compile(object);
  return (scope, value) => {
    const namespace = evaluate(scope, new Output({ steps: 0, root: undefined, generated: [] }));
    if (!(namespace instanceof Namespace)) {
      throw new TemplateError("only fields of a namespace can be set");
    }
    namespace.fields.set(property.value, value);
  };
}

function compileMacro({ name, args, body }: MacroStatement): Run {
  const create = compileFunction(args, body);
  return (scope, out) => {
    scope.set(name.value, create(scope, out));
    return undefined;
  };
}

/** A function that writes a block: a macro, or the caller of a call block. */
function compileFunction(
  parameters: readonly Parameter[],
  body: readonly Statement[],
): (scope: Scope, out: Output) => Callable {
  const run = compileBlock(body);
  const bound = parameters.map((parameter) =>
    parameter.type === "Identifier"
      ? { name: parameter.value, otherwise: undefined }
      : { name: parameter.key.value, otherwise: compile(parameter.value) },
  );
  return (scope, out) =>
    new Callable((args, named) => {
      out.step();
      const inner = scope.inner();
      if (args.length > bound.length) throw new TemplateError("a macro has too many arguments");
      for (const key of named.keys()) {
        const place = bound.findIndex(({ name }) => name === key);
        if (key !== "caller" && place < args.length) {
          throw new TemplateError(`a macro has no further argument ${key}`);
        }
      }
      bound.forEach(({ name, otherwise }, index) => {
        const given = index < args.length ? args[index] : named.get(name);
        inner.set(name, orMissing(given === undefined ? otherwise?.(inner, out) : given));
      });
      const caller = named.get("caller");
      if (caller !== undefined) inner.set("caller", caller);
      return capture(run, inner, out);
    });
}

function compileCallBlock({ call, callerArgs, body }: CallStatement): Run {
  const create = compileFunction(callerArgs ?? [], body);
  const invoke = compileCall(call, create);
  return (scope, out) => {
    out.write(textOf(invoke(scope, out)));
    return undefined;
  };
}

function compileFilterBlock({ filter, body }: Statement & { type: "FilterStatement" }): Run {
  const run = compileBlock(body);
  const apply = compileFilter(filter);
  return (scope, out) => {
    out.write(textOf(apply(capture(run, scope.inner(), out), scope, out)));
    return undefined;
  };
}

const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);

function compile(expression: Expression): Evaluate {
  switch (expression.type) {
    case "Identifier":
      return compileName(expression.value);
    case "IntegerLiteral":
    case "StringLiteral":
      return constant(expression.value);
    case "FloatLiteral":
      return constant(new Float(expression.value));
    case "ArrayLiteral": {
      const items = expression.value.map(compile);
      return (scope, out) => items.map((item) => item(scope, out));
    }
    case "TupleLiteral": {
      const items = expression.value.map(compile);
      return (scope, out) => new Tuple(items.map((item) => item(scope, out)));
    }
    case "ObjectLiteral":
      return compileDict(expression.value);
    case "MemberExpression":
      return compileMember(expression);
    case "CallExpression":
      return compileCall(expression);
    case "BinaryExpression":
      return compileBinary(expression);
    case "UnaryExpression": {
      const [evaluate, apply] = [compile(expression.argument), UNARY[expression.operator.value]!];
      return (scope, out) => apply(evaluate(scope, out));
    }
    case "FilterExpression": {
      const [evaluate, apply] = [compile(expression.operand), compileFilter(expression.filter)];
      return (scope, out) => apply(evaluate(scope, out), scope, out);
    }
    case "TestExpression": {
      const { negate, test } = expression;
      const evaluate = compile(expression.operand);
      return (scope, out) => applyTest(test.value, evaluate(scope, out)) !== negate;
    }
    case "SelectExpression":
      return compileChoice(expression.test, expression.lhs, constant(MISSING));
    case "Ternary":
      return compileChoice(
        expression.condition,
        expression.trueExpr,
        compile(expression.falseExpr),
      );
    default:
      throw new TemplateError(`${(expression as { type: string }).type} is not supported`);
  }
}

function constant(value: Value): Evaluate {
  return () => value;
}

function compileName(name: string): Evaluate {
  const value = CONSTANTS.get(name);
  return value === undefined ? (scope) => scope.get(name) : constant(value);
}

function compileDict(entries: ReadonlyMap<Expression, Expression>): Evaluate {
  const compiled = [...entries].map(([key, value]) => [compile(key), compile(value)] as const);
  return (scope, out) => {
    const dict: Dict = new Map();
    for (const [key, value] of compiled) {
      const name = key(scope, out);
      requireHashable(name);
      dict.set(name, value(scope, out));
    }
    return dict;
  };
}

function compileMember(expression: Expression & { type: "MemberExpression" }): Evaluate {
  const { property, computed } = expression;
  const object = compile(expression.object);
  if (property.type === "SliceExpression") {
    const [start, stop, step] = [property.start, property.stop, property.step].map((part) =>
      part ? compile(part) : constant(null),
    );
    return (scope, out) =>
      slice(object(scope, out), start!(scope, out), stop!(scope, out), step!(scope, out));
  }
  if (!computed && property.type === "Identifier") {
    return (scope, out) => getAttribute(object(scope, out), property.value);
  }
  const key = compile(property);
  return (scope, out) => getItem(object(scope, out), key(scope, out));
}

function compileChoice(test: Expression, yes: Expression, no: Evaluate): Evaluate {
  const [condition, value] = [compile(test), compile(yes)];
  return (scope, out) => (isTruthy(condition(scope, out)) ? value(scope, out) : no(scope, out));
}

function compileBinary(expression: Expression & { type: "BinaryExpression" }): Evaluate {
  const [left, right] = [compile(expression.left), compile(expression.right)];
  const { value: operator } = expression.operator;
  if (operator === "and" || operator === "or") {
    return (scope, out) => {
      const first = left(scope, out);
      return isTruthy(first) === (operator === "and") ? right(scope, out) : first;
    };
  }
  const apply = OPERATORS[operator];
  if (!apply) throw new TemplateError(`the operator ${operator} is not supported`);
  return (scope, out) => apply(left(scope, out), right(scope, out));
}

interface Bound {
  readonly args: Value[];
  readonly named: Map<string, Value>;
}

type Bind = (scope: Scope, out: Output) => Bound;
type AddArgument = (bound: Bound, scope: Scope, out: Output) => void;

function compileArguments(list: readonly Argument[]): Bind {
  const add = list.map(compileArgument);
  return (scope, out) => {
    const bound: Bound = { args: [], named: new Map() };
    for (const each of add) each(bound, scope, out);
    return bound;
  };
}

function compileArgument(argument: Argument): AddArgument {
  switch (argument.type) {
    case "KeywordArgumentExpression": {
      const value = compile(argument.value);
      return ({ named }, scope, out) => named.set(argument.key.value, value(scope, out));
    }
    case "SpreadExpression": {
      const value = compile(argument.argument);
      return ({ args }, scope, out) => args.push(...itemsOf(value(scope, out)));
    }
    case "KeywordSpreadExpression": {
      const value = compile(argument.argument);
      return ({ named }, scope, out) => {
        for (const [key, each] of spreadNames(value(scope, out))) named.set(key, each);
      };
    }
    default: {
      const value = compile(argument);
      return ({ args }, scope, out) => args.push(value(scope, out));
    }
  }
}

function spreadNames(value: Value): [string, Value][] {
  if (!isDict(value)) throw new TemplateError(`${typeName(value)} has no names of arguments`);
  return [...value].map(([key, each]) => [textOf(key), each]);
}

function compileCall(
  { callee, args }: CallExpression,
  caller?: (scope: Scope, out: Output) => Callable,
): Evaluate {
  const [evaluate, bind] = [compile(callee), compileArguments(args)];
  return (scope, out) => {
    const called = evaluate(scope, out);
    if (!(called instanceof Callable))
      throw new TemplateError(`${typeName(called)} is not callable`);
    const bound = bind(scope, out);
    if (caller) bound.named.set("caller", caller(scope, out));
    return called.call(bound.args, bound.named);
  };
}

function compileFilter(filter: FilterName): (value: Value, scope: Scope, out: Output) => Value {
  const isPlain = filter.type === "Identifier";
  const { value: name } = (isPlain ? filter : filter.callee) as { value: string };
  const bind = compileArguments(isPlain ? [] : filter.args);
  return (value, scope, out) => {
    const { args, named } = bind(scope, out);
    return applyFilter(name, value, args, named);
  };
}

const GLOBALS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["dict", new Callable((args, named) => newDict(args, named))],
  ["namespace", new Callable((args, named) => new Namespace(newDict(args, named) as never))],
  [
    "raise_exception",
    new Callable(([message = ""]) => {
      throw new TemplateError(textOf(message));
    }),
  ],
  ["range", new Callable((args) => range(args))],
  ["strftime_now", new Callable(([format = ""]) => strftimeNow(textOf(format)))],
]);

function newDict([start]: readonly Value[], named: ReadonlyMap<string, Value>): Dict {
  const dict: Dict = new Map();
  if (start !== undefined) {
    if (!isDict(start)) throw new TemplateError(`${typeName(start)} is not a dict`);
    for (const [key, value] of start) dict.set(key, value);
  }
  for (const [key, value] of named) dict.set(key, value);
  return dict;
}

function range(args: readonly Value[]): Value {
  const numbers = args.map((value) => {
    if (!isInteger(value)) throw new TemplateError(`a range of ${typeName(value)}`);
    return Number(value);
  });
  const [start, stop, step] =
    numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  if (stop === undefined || step === 0) throw new TemplateError("a range is not valid");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > MAX_RANGE) throw new TemplateError("a range is too long");
  return Array.from({ length: count }, (_, index) => start + index * step);
}

function generation(state: State): Callable {
  return new Callable((_, named) => {
    const begin = state.root!.text.length;
    const written = textOf((named.get("caller") as Callable).call([], new Map()));
    state.generated.push({ begin, written });
    return written;
  });
}
