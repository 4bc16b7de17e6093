import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Terminal } from "./Terminal.ts";

/** Shows every problem with its place and a hint, in the format of compilers. */
export function showProblems(terminal: Terminal, { problems, errors, warnings }: DatasetReport) {
  for (const { file, line, entry, severity, rule, message, hint } of problems) {
    terminal.say(`${file}:${entry ?? line}: ${severity} ${rule}: ${message} ${hint}`);
  }
  const hidden = errors + warnings - problems.length;
  if (hidden > 0) terminal.say(`… and ${hidden} more problems.`);
}

/** The error for an invalid dataset, before it costs money. */
export function invalidDataset(path: string, { errors }: DatasetReport): ProtocolError {
  return new ProtocolError(
    "dataset-invalid",
    `${path} has ${errors} ${errors === 1 ? "error" : "errors"}, so a provider would refuse it.`,
    "Correct the problems above; check-data shows them again.",
  );
}
