import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

const ROOT = resolve(import.meta.dirname, "../..");
const PYTHON = join(ROOT, ".venv/bin/python");

/** Runs a command in a pseudo-terminal; types each answer when its question has appeared. */
const SCRIPT = `
import json, os, pty, sys
answers, command = json.loads(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
unread = ""
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    if not read:
        break
    sys.stdout.buffer.write(read)
    unread += read.decode(errors="replace")
    while answers and answers[0][0] in unread:
        question, typed = answers.pop(0)
        unread = unread.split(question, 1)[1]
        os.write(terminal, typed.encode())
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

export const CTRL_C = "\u0003";
export const CTRL_D = "\u0004";

/**
 * Types a command at a terminal of 80 columns.
 * @param answers what is typed after each question, in order
 * @returns what the terminal shows, and the exit code.
 */
export async function typeAtTerminal(
  command: readonly string[],
  answers: readonly (readonly [question: string, typed: string])[],
  env: Record<string, string | undefined>,
): Promise<{ shown: string; exitCode: number | null }> {
  const child = spawn(PYTHON, ["-c", SCRIPT, JSON.stringify(answers), ...command], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, TERM: "dumb", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((done) => child.once("exit", done));
  return { shown: await text(child.stdout), exitCode: await exited };
}
