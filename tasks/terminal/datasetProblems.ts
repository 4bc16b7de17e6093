import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import type { ProblemGroup } from "../../sdk/dataset/checking/ProblemList.ts";
import { foreignError } from "../../sdk/dataset/foreign/foreignError.ts";
import type { Problem } from "../../sdk/dataset/formats/rules.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { counted } from "./counted.ts";
import type { Terminal } from "./Terminal.ts";

/** Number of places that are shown of a problem that repeats. */
const SHOWN_PLACES = 5;

/**
 * Shows every problem with its place and a hint, in the format of compilers. One that repeats is shown once. What a
 * foreign file is follows as the error.
 */
export function showProblems(
  terminal: Terminal,
  { groups, errors, warnings }: DatasetReport,
): void {
  for (const group of groups) {
    if (!group.foreign) terminal.paragraph(describe(group));
  }
  const shown = groups.reduce((sum, { count }) => sum + count, 0);
  const hidden = errors + warnings - shown;
  if (hidden > 0) terminal.say(`… and ${counted(hidden, "more problem")}.`);
}

function describe({ places, count, message, ...group }: ProblemGroup): string {
  const [place = { line: 1 }] = places;
  const repeated = count > 1 ? ` (${counted(count, "time")}: ${list(places, count)})` : "";
  return describeProblem({ ...group, ...place, message: message.replace(/\.$/, `${repeated}.`) });
}

/** A problem with its place, as compilers show it. */
export function describeProblem(found: Problem): string {
  return `${found.file}:${found.entry ?? found.line}: ${describeRule(found)}`;
}

/** A problem whose place is shown above it. */
export function describeRule({ severity, rule, message, meant, hint }: Problem): string {
  const suggestion = meant === undefined ? "" : ` Did you mean "${meant}"?`;
  return `${severity} ${rule}: ${message}${suggestion} ${hint}`;
}

function list(places: ProblemGroup["places"], count: number): string {
  const shown = places.slice(0, SHOWN_PLACES).map(({ line, entry }) => entry ?? String(line));
  const what = places[0]?.entry === undefined ? "lines " : "";
  return `${what}${shown.join(", ")}${count > shown.length ? ", …" : ""}`;
}

/**
 * The error for an invalid dataset, before it costs money.
 * @param model The name of the model that it was checked for.
 */
export function invalidDataset(
  path: string,
  { problems, errors }: DatasetReport,
  model: string | undefined,
): ProtocolError {
  const foreign = problems.find((each) => each.foreign)?.foreign;
  if (foreign) return foreignError(path, foreign);
  return new ProtocolError(
    "dataset-invalid",
    `${path} has ${counted(errors, "error")}${model === undefined ? "" : ` for the model ${model}`}, so a provider would refuse it.`,
    "Correct the problems above; check-data shows them again.",
  );
}
