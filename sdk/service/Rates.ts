import { z } from "zod";

/** Basis points of the work of training a model of a billion parameters, per byte or token. */
const Rate = z.number().int().min(1).max(1_000_000_000);
const Units = z.number().int().min(0).max(1_000_000_000_000);

/** The work that a provider charges for a model, relative to the full training of a model of a billion parameters. */
export const Rates = z.strictObject({
  /** Training all weights on one byte or token, once, in basis points. */
  full: Rate,
  /** The same for a LoRA adapter. */
  lora: Rate,
  /** Evaluating one byte or token, once, in basis points. */
  evaluation: Rate,
  /** Units of work per checkpoint of all weights. */
  checkpointUnits: Units,
  /** Units of work per checkpoint of a LoRA adapter. */
  loraCheckpointUnits: Units,
});

export type Rates = z.infer<typeof Rates>;
