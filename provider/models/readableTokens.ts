import { z } from "zod";
import rules from "../trainer/anneal_trainer/model/positions.json" with { type: "json" };

/** The parts of config.json that show how many tokens a model can read at once, besides the names in `rules`. */
export const PositionConfig = z.looseObject({
  model_type: z.string().optional(),
  pad_token_id: z.number().int().nullish(),
});

/** The tokens that a model can read at once, as the trainer finds them: RoBERTa's 514 positions begin at 2. */
export function readableTokens(config: z.infer<typeof PositionConfig>): number {
  const limit = rules.names.map((name) => config[name]).find(isPositive) ?? rules.default;
  const { types, padding } = rules.afterPadding;
  if (!types.includes(config.model_type ?? "")) return limit;
  return limit - 1 - Math.max(config.pad_token_id ?? 0, padding);
}

const isPositive = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) > 0;
