import { formatOg } from "../../sdk/units.ts";

/** What a quick start has done. */
export interface Summary {
  readonly model: string;
  /** The folder of the tuned model. */
  readonly folder: string;
  /** Mean losses on the validation rows. */
  readonly lossBefore: number;
  readonly lossAfter: number;
  /** Prompts, and the answers of the base model and of the tuned one. */
  readonly prompts: readonly string[];
  readonly base: readonly string[];
  readonly tuned: readonly string[];
  /** Neuron that the provider was paid. */
  readonly fee: bigint;
  /** Neuron that the user paid for gas. */
  readonly gasCost: bigint;
  readonly seconds: number;
}

/** The last screen: the result for somebody who knows nothing of the project. */
export function renderSummary(summary: Summary): string {
  const { model, folder, lossBefore, lossAfter, fee, gasCost, seconds } = summary;
  const answers = summary.prompts.flatMap((prompt, index) => [
    row("Question", prompt),
    row("  before", JSON.stringify(summary.base[index]!.trim())),
    row("  after", JSON.stringify(summary.tuned[index]!.trim())),
  ]);
  return [
    `It trained ${model}, a tiny model with random weights, on questions about`,
    "capitals, and delivered it encrypted. Key and payment were exchanged on chain,",
    "and every byte is what the provider had committed to.",
    "",
    ...answers,
    row(
      "Loss",
      `${lossBefore.toFixed(3)} before, ${lossAfter.toFixed(3)} after, on questions that it was not trained on`,
    ),
    row("Cost", `${formatOg(fee)} OG for the training, ${formatOg(gasCost)} OG for gas`),
    row("Time", `${Math.round(seconds)} seconds, including the start of the network`),
    row("Model", folder),
    row("", "docs/models.md shows how to use it in a program"),
  ].join("\n");
}

const row = (name: string, text: string) => `${name.padEnd(10)} ${text}`;
