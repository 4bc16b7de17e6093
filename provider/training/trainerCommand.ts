import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { INPUTS, WORK_DIRECTORY } from "../files/jobPaths.ts";
import type { Model } from "../models/Catalogue.ts";
import { confine, interpreterDirectories, type Sandbox } from "./sandbox.ts";
import type { CountedFile } from "./Trainer.ts";

/** The Python package `anneal_trainer` on this machine, and how far it is trusted. */
export interface TrainerProgram {
  /** The Python interpreter. */
  readonly python: string;
  /** The directory that holds the package `anneal_trainer`. */
  readonly packageDirectory: string;
  /** The whole environment of the trainer: nothing else of the daemon's reaches it. */
  readonly environment: Readonly<Record<string, string>>;
  /** The sandbox it runs in; null lets it run without one. */
  readonly sandbox: Sandbox | null;
  /** Memory and processor time for counting one dataset. */
  readonly counting: { readonly memoryBytes: number; readonly seconds: number };
}

export function trainerEnvironment({ environment, packageDirectory }: TrainerProgram) {
  return { ...environment, PYTHONPATH: packageDirectory };
}

/** `python -m anneal_trainer --job-dir DIR`: what ends every trainer's command line, with or without a sandbox around it. */
export function trainerArguments(jobDirectory: string): string[] {
  return ["-m", "anneal_trainer", "--job-dir", jobDirectory];
}

/**
 * The command that trains what is in a job directory. A sandbox shows it the inputs, which it cannot change, and the one
 * directory that it writes to; what else is in the job directory is the daemon's and is not there for it.
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
      // Of the inputs only the model is made of links, by the daemon; data/ and start/ hold what others made.
      ...[program.packageDirectory, join(jobDirectory, "model")].flatMap(linkedDirectories),
      ...inputs,
    ],
    writable: [work],
    workingDirectory: work,
    ...program.sandbox,
  });
}

/** The command that counts what a dataset has for a model. In a sandbox it can write nothing at all. */
export function countCommand(
  { python, packageDirectory, sandbox, counting }: TrainerProgram,
  { directory, kind }: Pick<Model, "directory" | "kind">,
  { file, isValidation }: CountedFile,
): string[] {
  const flags = ["--model", directory, "--kind", kind, ...(isValidation ? ["--validation"] : [])];
  const command = [python, "-m", "anneal_trainer.count", ...flags, file];
  const limits = [`--as=${counting.memoryBytes}`, `--cpu=${counting.seconds}`];
  if (sandbox === null) return ["prlimit", ...limits, ...command];
  return confine(command, {
    readable: [
      ...interpreterDirectories(python),
      packageDirectory,
      directory,
      ...[packageDirectory, directory].flatMap(linkedDirectories),
      file,
    ],
    writable: [],
    workingDirectory: "/",
    ...sandbox,
    limits,
    diesWithParent: true,
  });
}

/** The command that tells which device trainings run on. */
export function deviceCommand(program: TrainerProgram): string[] {
  return inspection(program, ["-m", "anneal_trainer.model.device"]);
}

/** The command that imports what trains and what counts, and does nothing else. */
export function importCommand(program: TrainerProgram): string[] {
  return inspection(program, ["-c", "import anneal_trainer.train, anneal_trainer.count"]);
}

/** Looks at the machine with Python. In a sandbox it sees what a training sees of it. */
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

/** The directories that links in a directory lead to: a model's files are linked, and may be links themselves. */
function linkedDirectories(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const links = entries.filter((entry) => entry.isSymbolicLink());
  return [...new Set(links.flatMap(({ parentPath, name }) => hops(join(parentPath, name))))];
}

/** The directory of every place that a link leads through. */
function hops(link: string): string[] {
  if (!lstatSync(link).isSymbolicLink()) return [];
  const target = resolve(dirname(link), readlinkSync(link));
  return [dirname(target), ...hops(target)];
}
