import { readFileSync } from "node:fs";
import { type AstNode, compile } from "./solc.ts";

/** One small change of one source. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The kind of mistake. */
  readonly kind: string;
  /** Range of the replaced bytes in the source. */
  readonly start: number;
  readonly end: number;
  readonly original: string;
  readonly replacement: string;
}

const OPERATORS: Record<string, readonly string[]> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["/"],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "==": ["!="],
  "!=": ["=="],
  "&&": ["||"],
  "||": ["&&"],
  "&": ["|"],
  "|": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  "+=": ["-="],
  "-=": ["+="],
  "++": ["--"],
  "--": ["++"],
};
const YUL_FUNCTIONS: Record<string, string> = {
  add: "sub",
  sub: "add",
  and: "or",
  or: "and",
  xor: "or",
  shl: "shr",
  shr: "shl",
  lt: "gt",
  gt: "lt",
};

/** All mutants of these sources (paths relative to the repository's root), in source order. */
export function createMutants(files: readonly string[]): Mutant[] {
  const { errors = [], sources } = compile(files, { outputSelection: { "*": { "": ["ast"] } } });
  const failure = errors.find(({ severity }) => severity === "error");
  if (failure) throw new Error(failure.formattedMessage);
  return files.flatMap((file) => {
    const mutants: Mutant[] = [];
    walk(sources[file]!.ast, new Source(file), mutants);
    return mutants.sort((a, b) => a.start - b.start || a.end - b.end);
  });
}

/** The source with the mutant in it. */
export function applyMutant(source: Buffer, { start, end, replacement }: Mutant): Buffer {
  return Buffer.concat([source.subarray(0, start), Buffer.from(replacement), source.subarray(end)]);
}

class Source {
  readonly file: string;
  private readonly bytes: Buffer;

  constructor(file: string) {
    this.file = file;
    this.bytes = readFileSync(file);
  }

  range({ src }: AstNode): [start: number, end: number] {
    const [start, length] = src.split(":").map(Number) as [number, number];
    return [start, start + length];
  }

  text(start: number, end: number): string {
    return this.bytes.subarray(start, end).toString();
  }

  mutant(kind: string, start: number, end: number, replacement: string): Mutant {
    const line = this.text(0, start).split("\n").length;
    const original = this.text(start, end);
    return { file: this.file, line, kind, start, end, original, replacement };
  }
}

function walk(node: AstNode, source: Source, found: Mutant[]): void {
  found.push(...mutate(node, source));
  for (const [key, child] of Object.entries(node)) {
    if (key === "typeName" || key === "documentation") continue; // an array's length is not part of the logic
    for (const item of Array.isArray(child) ? child : [child]) {
      if (isNode(item)) walk(item, source, found);
    }
  }
}

function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && "nodeType" in value && "src" in value;
}

function mutate(node: AstNode, source: Source): Mutant[] {
  switch (node.nodeType) {
    case "BinaryOperation":
      return operatorBetween(node, source, node.leftExpression, node.rightExpression);
    case "Assignment":
      return operatorBetween(node, source, node.leftHandSide, node.rightHandSide);
    case "UnaryOperation":
      return unary(node, source);
    case "IfStatement":
      return decided(node, source);
    case "Conditional":
      return swapped(source, node.trueExpression, node.falseExpression);
    case "ExpressionStatement":
    case "EmitStatement":
      return removed(node, source);
    case "FunctionCall":
      return swappedArguments(node, source);
    case "Literal":
      return node.kind === "number" ? nextNumber(node, source) : [];
    case "YulFunctionCall":
      return yulFunction(node, source);
    case "YulLiteral":
      return node.kind === "number" ? nextNumber(node, source) : [];
    default:
      return [];
  }
}

function operatorBetween(node: AstNode, source: Source, left: unknown, right: unknown): Mutant[] {
  const operator = node.operator as string;
  const [, from] = source.range(left as AstNode);
  const [to] = source.range(right as AstNode);
  const start = from + Buffer.byteLength(source.text(from, to).split(operator)[0]!);
  return (OPERATORS[operator] ?? []).map((other) =>
    source.mutant("another operator", start, start + operator.length, other),
  );
}

function unary(node: AstNode, source: Source): Mutant[] {
  const operator = node.operator as string;
  const [start, end] = source.range(node);
  const text = source.text(start, end);
  if (operator === "!") return [source.mutant("dropped negation", start, end, text.slice(1))];
  const other = OPERATORS[operator]?.[0];
  if (!other) return [];
  const replacement = text.replace(operator, other);
  return [source.mutant("another operator", start, end, replacement)];
}

/** A condition that is always, or never, true. */
function decided(node: AstNode, source: Source): Mutant[] {
  const [start, end] = source.range(node.condition as AstNode);
  return ["true", "false"].map((constant) =>
    source.mutant("decided condition", start, end, constant),
  );
}

function removed(node: AstNode, source: Source): Mutant[] {
  const [start, end] = source.range(node);
  const semicolon = source.text(end, end + 1) === ";" ? 1 : 0;
  return [source.mutant("removed statement", start, end + semicolon, "{}")];
}

function swappedArguments(node: AstNode, source: Source): Mutant[] {
  const given = (node.arguments ?? []) as AstNode[];
  return given.slice(1).flatMap((argument, i) => {
    const before = given[i]!;
    return typeOf(before) === typeOf(argument) ? swapped(source, before, argument) : [];
  });
}

function typeOf({ typeDescriptions }: AstNode): unknown {
  return (typeDescriptions as { typeString?: string } | undefined)?.typeString;
}

function swapped(source: Source, left: unknown, right: unknown): Mutant[] {
  const [start, leftEnd] = source.range(left as AstNode);
  const [rightStart, end] = source.range(right as AstNode);
  const [first, second] = [source.text(start, leftEnd), source.text(rightStart, end)];
  if (first === second) return [];
  const replacement = second + source.text(leftEnd, rightStart) + first;
  return [source.mutant("swapped", start, end, replacement)];
}

function nextNumber(node: AstNode, source: Source): Mutant[] {
  const [start, end] = source.range(node);
  const text = source.text(start, end);
  const digits = /^(0x[0-9a-fA-F]+|[\d_]+)(?![\d.e])/.exec(text)?.[0];
  if (!digits) return [];
  const next = BigInt(digits.replaceAll("_", "")) + 1n;
  const replacement = digits.startsWith("0x")
    ? `0x${next.toString(16).padStart(digits.length - 2, "0")}`
    : next.toString();
  return [source.mutant("next number", start, start + digits.length, replacement)];
}

function yulFunction(node: AstNode, source: Source): Mutant[] {
  const name = node.functionName as AstNode;
  const other = YUL_FUNCTIONS[name.name as string];
  const [start, end] = source.range(name);
  return other ? [source.mutant("another instruction", start, end, other)] : [];
}
