import { expect } from "chai";
import { describe, it } from "mocha";
import { requireFittingRows } from "../../../../../sdk/dataset/checking/requireFittingRows.ts";
import type { DatasetRow } from "../../../../../sdk/dataset/formats/DatasetRow.ts";
import type { Hyperparameters } from "../../../../../sdk/training/Hyperparameters.ts";

type Format = DatasetRow["format"];

const METHODS = ["sft", "dpo", "simpo", "orpo", "kto"] as const;
const PAIRS = ["dpo", "simpo", "orpo", "kto"];
const FITTING: Partial<Record<Format, readonly string[]>> = {
  messages: ["sft"],
  prompt: ["sft"],
  text: ["sft"],
  instruction: ["sft"],
  tokens: ["sft"],
  preference: PAIRS,
  preferred_output: PAIRS,
  unpaired: ["kto"],
};

function refusal(config: Hyperparameters, format: Format | undefined): string | undefined {
  try {
    requireFittingRows(config, { kind: "causal-lm", path: "train.jsonl", format });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("requireFittingRows", () => {
  for (const [format, methods] of Object.entries(FITTING) as [Format, readonly string[]][]) {
    it(`allows ${methods.join(", ")} for rows of the format ${format}, and no method at all`, () => {
      const allowed = METHODS.filter(
        (training_method) => refusal({ training_method }, format) === undefined,
      );
      expect(allowed).to.deep.equal(methods);
      expect(refusal({}, format)).to.equal(undefined);
    });
  }

  it("says what the method learns from, and what the rows are, in the trainer's words", () => {
    expect(refusal({ training_method: "dpo" }, "prompt")).to.equal(
      "training_method is dpo, which learns from preference pairs, but train.jsonl has plain rows.",
    );
    expect(refusal({ training_method: "sft" }, "unpaired")).to.equal(
      "training_method is sft, which learns from plain rows, but train.jsonl has answers with a label.",
    );
  });

  it("takes an option of dpo for the method", () => {
    expect(refusal({ rpo_alpha: 1 }, "preference")).to.equal(undefined);
    expect(refusal({ dpo_beta: 1 }, "text")).to.match(/^training_method is dpo, which/);
    expect(refusal({ dpo_beta: 1, training_method: "kto" }, "unpaired")).to.equal(undefined);
  });

  it("packs documents of text only", () => {
    const refused = Object.keys(FITTING).filter(
      (format) => refusal({ pack_documents: true }, format as Format) !== undefined,
    );
    expect(refused).to.have.members(Object.keys(FITTING).filter((format) => format !== "text"));
    expect(refusal({ pack_documents: false }, "prompt")).to.equal(undefined);
  });

  it("refuses methods and documents for classifiers", () => {
    const at = { kind: "text-classification", path: "train.csv", format: "label" } as const;
    for (const config of [{ training_method: "kto" }, { pack_documents: true }] as const) {
      expect(() => requireFittingRows(config, at)).to.throw(
        "but a text-classification model is trained on labels.",
      );
    }
    requireFittingRows({ training_method: "sft", pack_documents: false }, at);
  });

  it("leaves to others a dataset in which no row could be read", () => {
    expect(refusal({ training_method: "kto" }, undefined)).to.equal(undefined);
  });
});
