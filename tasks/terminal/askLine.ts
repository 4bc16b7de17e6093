import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { ProtocolError } from "../../sdk/errors.ts";

/**
 * Asks for a line at the terminal; the question is on stderr.
 * @param isSecret whether what is typed is hidden
 * @throws ProtocolError "declined" if Ctrl-C or Ctrl-D ends the question.
 */
export async function askLine(question: string, isSecret = false): Promise<string> {
  const prompt = createInterface({
    input: process.stdin,
    output: isSecret ? nowhere() : process.stderr,
    terminal: true,
  });
  if (isSecret) process.stderr.write(question); // now that the terminal no longer shows what is typed
  const answer = prompt.question(isSecret ? "" : question).catch(() => null);
  const ended = once(prompt, "close").then(() => null);
  const typed = await Promise.race([answer, ended]);
  prompt.close();
  if (isSecret || typed === null) process.stderr.write("\n");
  if (typed !== null) return typed;
  throw new ProtocolError(
    "declined",
    "The question was not answered, so nothing was agreed.",
    "Run the command again to answer it.",
  );
}

const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
