import { WriteStream } from "node:tty";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { CommandDefinition } from "../../../tasks/definition.ts";
import { runTyped } from "../../../tasks/hardhat/runTask.ts";
import { commands } from "../../../tasks/index.ts";
import type { TypedValues } from "../../../tasks/runCommand.ts";

export interface CommandRun {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface CommandSettings {
  readonly env?: Record<string, string | undefined>;
  /** Characters per line of the terminal that stdout pretends to be; undefined is a pipe. */
  readonly terminal?: number | undefined;
}

/** Runs a command as Hardhat runs it, in this process, and captures its output. */
export async function runCommand(
  hre: HardhatRuntimeEnvironment,
  name: string,
  flags: Record<string, unknown>,
  { env = {}, terminal }: CommandSettings = {},
): Promise<CommandRun> {
  const printed = { stdout: "", stderr: "" };
  const restore = [
    replaceEnvironment(env),
    capture(process.stdout, (text) => {
      printed.stdout += text;
    }),
    capture(process.stderr, (text) => {
      printed.stderr += text;
    }),
    pretendTerminal(terminal),
  ];
  const exitCodeBefore = process.exitCode;
  process.exitCode = undefined;
  try {
    const definition = commands.find(({ path }) => path.join(" ") === name)!;
    await runTyped(definition, withDefaults(definition, flags), hre);
    return { ...printed, exitCode: Number(process.exitCode ?? 0) };
  } finally {
    for (const undo of restore.reverse()) undo();
    process.exitCode = exitCodeBefore;
  }
}

/** Hardhat's values for flags and arguments that were not given. */
function withDefaults(
  { parameters }: CommandDefinition,
  given: Record<string, unknown>,
): TypedValues {
  const defaults = { flag: false, argument: "", option: undefined };
  const missing = Object.entries(parameters).map(([name, { kind }]) => [name, defaults[kind]]);
  return { ...Object.fromEntries(missing), ...given };
}

function replaceEnvironment(env: Record<string, string | undefined>): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  const assign = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(env)) assign(name, value);
  return () => {
    for (const [name, value] of before) assign(name, value);
  };
}

function capture(stream: NodeJS.WriteStream, keep: (text: string) => void): () => void {
  const { write } = stream;
  stream.write = ((text: string | Uint8Array) => {
    keep(typeof text === "string" ? text : Buffer.from(text).toString());
    return true;
  }) as typeof stream.write;
  return () => {
    stream.write = write;
  };
}

function pretendTerminal(columns: number | undefined): () => void {
  const { isTTY, columns: width, getColorDepth } = process.stdout;
  const depth = WriteStream.prototype.getColorDepth;
  Object.assign(process.stdout, { isTTY: columns !== undefined, columns, getColorDepth: depth });
  return () => {
    Object.assign(process.stdout, { isTTY, columns: width, getColorDepth });
  };
}
