import { ProtocolError } from "../../errors.ts";
import type { Hyperparameters } from "../../training/Hyperparameters.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";

type Method = NonNullable<Hyperparameters["training_method"]>;

const PLAIN = "plain rows";
const PAIRS = "preference pairs";
const UNPAIRED = "answers with a label";

/** What each method learns from. */
const LEARNS_FROM: Readonly<Record<Method, readonly string[]>> = {
  sft: [PLAIN],
  dpo: [PAIRS],
  simpo: [PAIRS],
  orpo: [PAIRS],
  kto: [UNPAIRED, PAIRS],
};

/** Without training_method these say that dpo is meant. */
const DPO_OPTIONS = [
  "dpo_beta",
  "dpo_label_smoothing",
  "dpo_normalize_logratios_by_length",
  "rpo_alpha",
] as const satisfies readonly (keyof Hyperparameters)[];

/** A dataset whose rows were read. */
export interface ReadDataset {
  readonly kind: DatasetKind;
  readonly path: string;
  /** Undefined if no row could be read. */
  readonly format: DatasetRow["format"] | undefined;
}

/**
 * Compares the training method with the rows of a dataset, as the trainer will, before anything is paid.
 * @throws ProtocolError "usage" if they do not fit.
 * @example
 * const dataset = { kind: "causal-lm", path: "pairs.jsonl" } as const;
 * const { format } = await checkDataset(dataset.path, dataset);
 * requireFittingRows({ training_method: "simpo" }, { ...dataset, format });
 */
export function requireFittingRows(
  config: Hyperparameters,
  { kind, path, format }: ReadDataset,
): void {
  const method = methodOf(config);
  if (kind !== "causal-lm") {
    if (method !== undefined && method !== "sft") {
      throw classifierError(kind, "training_method", method);
    }
    if (config.pack_documents) throw classifierError(kind, "pack_documents", true);
    return;
  }
  if (format === undefined) return;
  const rows = kindOfRows(format);
  if (method !== undefined && !LEARNS_FROM[method].includes(rows)) {
    const others = Object.entries(LEARNS_FROM).filter(([, kinds]) => kinds.includes(rows));
    throw new ProtocolError(
      "usage",
      `training_method is ${method}, which learns from ${LEARNS_FROM[method].join(" or ")}, but ${path} has ${rows}.`,
      `Give other rows, or set training_method to ${others.map(([name]) => name).join(" or ")}.`,
    );
  }
  if (config.pack_documents && format !== "text") {
    throw new ProtocolError(
      "usage",
      `pack_documents is true, but ${path} has other rows than texts.`,
      "Leave pack_documents out, or give rows of the format text.",
    );
  }
}

/** The method that a configuration names, by itself or by its options. */
function methodOf(config: Hyperparameters): Method | undefined {
  const isDpo = DPO_OPTIONS.some((name) => config[name] !== undefined);
  return config.training_method ?? (isDpo ? "dpo" : undefined);
}

function kindOfRows(format: DatasetRow["format"]): string {
  if (format === "unpaired") return UNPAIRED;
  return format === "preference" || format === "preferred_output" ? PAIRS : PLAIN;
}

function classifierError(kind: DatasetKind, name: string, value: string | true): ProtocolError {
  return new ProtocolError(
    "usage",
    `${name} is ${JSON.stringify(value)}, but a ${kind} model is trained on labels.`,
    `Leave ${name} out, or choose a language model.`,
  );
}
