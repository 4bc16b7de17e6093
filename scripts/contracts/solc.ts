import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const require = createRequire(import.meta.url);
const ROOT = resolve(import.meta.dirname, "../..");

/** The part of solc's standard JSON output that is read here. */
export interface CompilerOutput {
  readonly errors?: readonly {
    readonly severity: "error" | "warning" | "info";
    readonly errorCode?: string;
    readonly message: string;
    readonly formattedMessage: string;
  }[];
  readonly sources: Record<string, { readonly ast: AstNode }>;
  /** By file and name, if code was requested. */
  readonly contracts?: Record<string, Record<string, CompiledContract>>;
}

export interface CompiledContract {
  readonly abi: readonly unknown[];
  readonly evm: {
    readonly bytecode: { readonly object: string };
    readonly deployedBytecode: { readonly object: string };
  };
}

export interface AstNode {
  readonly nodeType: string;
  /** "start:length:file", in bytes of the UTF-8 source. */
  readonly src: string;
  readonly [key: string]: unknown;
}

export interface Callbacks {
  /** Answers an SMT-LIB2 query. */
  readonly smtSolver?: (query: string) => { contents: string } | { error: string };
}

/**
 * Compiles sources of the project with the project's own compiler.
 * @param names paths relative to the repository's root
 * @param overrides replacements for the content of files, by path
 */
export function compile(
  names: readonly string[],
  settings: Record<string, unknown>,
  { overrides = {}, ...callbacks }: Callbacks & { overrides?: Record<string, string> } = {},
): CompilerOutput {
  const solc = require("solc") as { compile(input: string, callbacks: object): string };
  const read = (name: string) => overrides[name] ?? readFileSync(locate(name), "utf8");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(names.map((name) => [name, { content: read(name) }])),
    settings: { evmVersion: "cancun", ...settings },
  };
  const importFile = (name: string) => ({ contents: read(name) });
  return JSON.parse(solc.compile(JSON.stringify(input), { import: importFile, ...callbacks }));
}

function locate(name: string): string {
  return name.startsWith("@") ? join(ROOT, "node_modules", name) : join(ROOT, name);
}
