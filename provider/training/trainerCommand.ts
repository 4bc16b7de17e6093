import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { INPUTS, WORK_DIRECTORY } from "../files/jobPaths.ts";
import type { Model } from "../models/Catalogue.ts";
import { confine, interpreterDirectories, type Sandbox } from "./sandbox.ts";
import type { CountedFile } from "./Trainer.ts";

/** The Python package `anneal_trainer` on this machine, and its confinement. */
export interface TrainerProgram {
  /** The Python interpreter. */
  readonly python: string;
  /** The directory that holds the package `anneal_trainer`. */
  readonly packageDirectory: string;
  /** The trainer's complete environment: no other variables of the daemon are passed on. */
  readonly environment: Readonly<Record<string, string>>;
  /** The sandbox; null to run without one. */
  readonly sandbox: Sandbox | null;
  /** Limits of memory and CPU time for counting one dataset. */
  readonly counting: { readonly memoryBytes: number; readonly seconds: number };
}

export function trainerEnvironment({ environment, packageDirectory }: TrainerProgram) {
  return { ...environment, PYTHONPATH: packageDirectory };
}

/** The arguments that end every trainer's command line, with or without a sandbox. */
export function trainerArguments(jobDirectory: string): string[] {
  return ["-m", "anneal_trainer", "--job-dir", jobDirectory];
}

/**
 * The command that trains the job in a job directory. In the sandbox, the inputs are read-only, and only the work
 * directory is writable; the daemon's other files in the job directory are not visible.
 */
export function trainerCommand(program: TrainerProgram, jobDirectory: string): string[] {
  const command = [program.python, ...trainerArguments(jobDirectory)];
  if (program.sandbox === null) return command;
  const inputs = INPUTS.map((name) => join(jobDirectory, name)).filter((path) => existsSync(path));
  const work = join(jobDirectory, WORK_DIRECTORY);
  return confine(command, {
    readable: [
      ...interpreterDirectories(program.python),
      program.packageDirectory,
      // Only the links in model/ are followed, which the daemon made; data/ and start/ are untrusted.
      ...[program.packageDirectory, join(jobDirectory, "model")].flatMap(linkedDirectories),
      ...inputs,
    ],
    writable: [work],
    workingDirectory: work,
    ...program.sandbox,
  });
}

/**
 * The command that counts a dataset's tokens for a model. In the sandbox, only the file for the token ids is writable,
 * up to a size of `maxTokenBytes`.
 */
export function countCommand(
  { python, packageDirectory, sandbox, counting }: TrainerProgram,
  { directory, kind }: Pick<Model, "directory" | "kind">,
  { file, tokens, isValidation }: CountedFile,
  maxTokenBytes: number,
): string[] {
  const flags = ["--model", directory, "--kind", kind, "--tokens", tokens];
  const option = isValidation ? ["--validation"] : [];
  const command = [python, "-m", "anneal_trainer.count", ...flags, ...option, file];
  const { memoryBytes, seconds } = counting;
  const limits = [`--as=${memoryBytes}`, `--cpu=${seconds}`];
  if (sandbox === null) return ["prlimit", `--fsize=${maxTokenBytes}`, ...limits, ...command];
  return confine(command, {
    readable: [
      ...interpreterDirectories(python),
      packageDirectory,
      directory,
      ...[packageDirectory, directory].flatMap(linkedDirectories),
      file,
    ],
    writable: [tokens],
    workingDirectory: "/",
    filter: sandbox.filter,
    maxFileBytes: maxTokenBytes,
    limits,
    diesWithParent: true,
  });
}

/** The command that prints which device training uses. */
export function deviceCommand(program: TrainerProgram): string[] {
  return inspection(program, ["-m", "anneal_trainer.model.device"]);
}

/** The command that imports the trainer and the counter, and does nothing else. */
export function importCommand(program: TrainerProgram): string[] {
  return inspection(program, ["-c", "import anneal_trainer.train, anneal_trainer.count"]);
}

/** A Python command that inspects the machine. In the sandbox, it sees what a training run sees. */
function inspection(
  { python, packageDirectory, sandbox }: TrainerProgram,
  args: readonly string[],
): string[] {
  const command = [python, ...args];
  if (sandbox === null) return command;
  const directories = [...interpreterDirectories(python), packageDirectory];
  return confine(command, {
    readable: [...directories, ...linkedDirectories(packageDirectory)],
    writable: [],
    workingDirectory: "/",
    ...sandbox,
    diesWithParent: true,
  });
}

/** The target directories of the links in a directory: a model's files are linked, and may be links themselves. */
function linkedDirectories(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const links = entries.filter((entry) => entry.isSymbolicLink());
  return [...new Set(links.flatMap(({ parentPath, name }) => hops(join(parentPath, name))))];
}

/** The directories of all links in a chain, and of its final target. */
function hops(link: string): string[] {
  if (!lstatSync(link).isSymbolicLink()) return [];
  const target = resolve(dirname(link), readlinkSync(link));
  return [dirname(target), ...hops(target)];
}
