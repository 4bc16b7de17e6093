import { HYPERPARAMETERS } from "../../sdk/training/describeHyperparameters.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { parseHyperparameters } from "../../sdk/training/parseHyperparameters.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { flagOf, toCamelCase } from "./letterCase.ts";

/** The flags of all hyper-parameters, by their names in camel case. */
export type HyperparameterFlags = Readonly<Record<string, unknown>>;

const DEFAULT_EPOCHS = HYPERPARAMETERS.find(({ name }) => name === "n_epochs")!.default as number;

/**
 * Reads the hyper-parameters that were given; the others stay unset.
 * @throws ProtocolError "usage" with every problem.
 */
export function readHyperparameters(
  flags: HyperparameterFlags,
  terminal: Pick<Terminal, "note">,
): Hyperparameters {
  const typed = HYPERPARAMETERS.flatMap(({ name }) => {
    const value = flags[toCamelCase(name)];
    return value === undefined || value === false ? [] : [[name, value] as const];
  });
  return parseHyperparameters(clampCheckpoints(Object.fromEntries(typed), terminal), flagOf);
}

/** Limits the number of checkpoints to the number of epochs. */
function clampCheckpoints(
  typed: Record<string, unknown>,
  terminal: Pick<Terminal, "note">,
): Record<string, unknown> {
  const epochs = Number(typed.n_epochs ?? DEFAULT_EPOCHS);
  if (!(Number(typed.n_checkpoints) > epochs)) return typed;
  terminal.note(
    `--n-checkpoints ${typed.n_checkpoints} is more than ${epochs} epochs: ${epochs} checkpoints will be saved.`,
  );
  return { ...typed, n_checkpoints: epochs };
}
