import type { Template } from "@huggingface/jinja";

/**
 * Makes a compiled template strip like Python: the template engine's own `strip`, `lstrip`, `rstrip` and `trim` ignore
 * the characters argument, and use JavaScript's definition of white space.
 */
export function stripAsPython(template: Template): void {
  rewrite(template.parsed as unknown as Node);
}

/** The functions that rewritten templates call; they must be in the context when rendering. */
export const STRIP_FUNCTIONS = {
  anneal_strip: (text: string, characters?: string) => rstrip(lstrip(text, characters), characters),
  anneal_lstrip: lstrip,
  anneal_rstrip: rstrip,
};

/** A node of the syntax tree: call(callee, args), member(object, property), filter(operand, filter). */
interface Node {
  type?: string;
  value?: unknown;
  callee?: Node;
  args?: unknown[];
  object?: Node;
  property?: Node;
  operand?: Node;
  filter?: Node;
}

function rewrite(node: Node): void {
  for (const child of Object.values(node)) {
    if (typeof child === "object" && child !== null) rewrite(child as Node);
  }
  const { callee, filter, operand } = node;
  if (node.type === "CallExpression" && callee?.type === "MemberExpression") {
    const method = callee.property?.value;
    if (method === "strip" || method === "lstrip" || method === "rstrip") {
      node.args = [callee.object, ...node.args!];
      node.callee = { type: "Identifier", value: `anneal_${method}` };
    }
  }
  if (
    node.type === "FilterExpression" &&
    filter?.type === "Identifier" &&
    filter.value === "trim"
  ) {
    node.type = "CallExpression";
    node.callee = { type: "Identifier", value: "anneal_strip" };
    node.args = [operand];
  }
}

/** White space of Python's str.strip: Unicode's, and the four separators of ASCII. */
const SPACE = /\p{White_Space}/u;
const ASCII_SEPARATORS = "\x1c\x1d\x1e\x1f";

function lstrip(text: string, characters?: string): string {
  let start = 0;
  for (const character of text) {
    if (!isStripped(character, characters)) break;
    start += character.length;
  }
  return text.slice(start);
}

function rstrip(text: string, characters?: string): string {
  let end = text.length;
  for (const character of [...text].reverse()) {
    if (!isStripped(character, characters)) break;
    end -= character.length;
  }
  return text.slice(0, end);
}

function isStripped(character: string, characters: string | undefined): boolean {
  if (characters !== undefined) return [...characters].includes(character);
  return SPACE.test(character) || ASCII_SEPARATORS.includes(character);
}
