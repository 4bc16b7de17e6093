// Plain JavaScript without dependencies, because it runs before anything is installed, on the system's Node 20.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const MAX_OUTPUT_BYTES = 1 << 28;

/**
 * Runs a program whose output matters only if it fails.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string }} [options]
 * @throws {Error} with its output if it fails
 */
export async function runProgram(command, args, options = {}) {
  try {
    await promisify(execFile)(command, args, { ...options, maxBuffer: MAX_OUTPUT_BYTES });
  } catch (error) {
    const reason = `${error.stdout ?? ""}${error.stderr ?? ""}`.trim() || error.message;
    throw new Error(`${command} ${args.join(" ")} failed:\n${reason}`);
  }
}
