import { expect } from "chai";
import { describe, it } from "mocha";
import { HYPERPARAMETERS } from "../../../sdk/training/describeHyperparameters.ts";
import { toCamelCase, toKebabCase } from "../../../tasks/flags/letterCase.ts";
import { readHyperparameters } from "../../../tasks/flags/readHyperparameters.ts";
import { commands } from "../../../tasks/index.ts";

interface Documented {
  readonly default?: string | number | boolean;
  readonly accepted: readonly unknown[];
  readonly refused: readonly unknown[];
}

const FRACTION = { accepted: ["0.0", "0.5", "1"], refused: ["-0.1", "1.1", "half"] };
const NOT_NEGATIVE = { accepted: ["0", "0.01", "1e1"], refused: ["-1", "much"] };
const TEXT = { refused: [] };

/** Options as Together's documentation describes them: default, type and range. */
const DOCUMENTED: Record<string, Documented> = {
  "--suffix": { accepted: ["v2", "a".repeat(40)], refused: ["a".repeat(41), "two words"] },
  "--n-epochs": { default: 4, accepted: ["1", "20"], refused: ["0", "21", "1.5"] },
  "--n-evals": { default: 0, accepted: ["0", "100"], refused: ["-1", "101"] },
  "--n-checkpoints": { default: 1, accepted: ["1", "4"], refused: ["0"] },
  "--batch-size": { default: "max", accepted: ["max", "1", "32"], refused: ["0", "min"] },
  "--learning-rate": {
    default: 0.00001,
    accepted: ["0.00001", "1e-5", "0.00000001", "0.01"],
    refused: ["0.000000001", "0.02", "0"],
  },
  "--lr-scheduler-type": {
    default: "linear",
    accepted: ["linear", "cosine"],
    refused: ["constant"],
  },
  "--min-lr-ratio": { default: 0, ...FRACTION },
  "--scheduler-num-cycles": { default: 0.5, ...NOT_NEGATIVE },
  "--warmup-ratio": { default: 0, ...FRACTION },
  "--max-grad-norm": { default: 1, ...NOT_NEGATIVE },
  "--weight-decay": { default: 0, ...NOT_NEGATIVE },
  "--wandb-base-url": { ...TEXT, accepted: ["https://wandb.example.org"] },
  "--wandb-project-name": { ...TEXT, accepted: ["together"] },
  "--wandb-name": { ...TEXT, accepted: ["first run"] },
  "--train-on-inputs": { default: "auto", accepted: ["auto", "true", "false"], refused: ["no"] },
  "--training-method": {
    accepted: ["sft", "dpo", "simpo", "orpo", "kto"],
    refused: ["ppo", "DPO"],
  },
  "--dpo-beta": { accepted: ["0.1", "2"], refused: ["0", "x"] },
  "--dpo-label-smoothing": { default: 0, accepted: ["0.1", "0.5"], refused: ["0.6", "-0.1"] },
  "--dpo-normalize-logratios-by-length": { default: false, accepted: [true], refused: [] },
  "--rpo-alpha": { default: 0, ...NOT_NEGATIVE },
  "--simpo-gamma": { default: 0.5, ...NOT_NEGATIVE },
  "--orpo-lambda": { default: 0.1, ...NOT_NEGATIVE },
  "--kto-desirable-weight": { default: 1, ...NOT_NEGATIVE },
  "--kto-undesirable-weight": { default: 1, ...NOT_NEGATIVE },
  "--use-rslora": { default: false, accepted: [true], refused: [] },
  "--use-dora": { default: false, accepted: [true], refused: [] },
  "--quantize": { accepted: ["nf4"], refused: ["int8", "4"] },
  "--optimizer": { default: "adamw", accepted: ["adamw", "adamw_8bit"], refused: ["sgd"] },
  "--pack-documents": { default: false, accepted: [true], refused: [] },
  "--from-checkpoint": {
    accepted: ["6b607314-88b0-4fef-91e7-43227a54de57:40", "tiny-qwen2-v2", "tiny-qwen2:3"],
    refused: ["model:step"],
  },
  "--from-hf-model": { accepted: ["Qwen/Qwen2.5-0.5B", "gpt2"], refused: ["../model"] },
  "--hf-model-revision": {
    accepted: ["607a30d783dfa663caf39e06633721c8d4cfcd7e"],
    refused: ["-x"],
  },
  "--hf-output-repo-name": { accepted: ["me/model"], refused: ["me/model/x"] },
  "--lora": { default: false, accepted: [true], refused: [] },
  "--lora-r": { default: 8, accepted: ["1", "64"], refused: ["0", "65"] },
  // below 1 is no error: it means the rank
  "--lora-alpha": { default: 8, accepted: ["1", "0", "-1", "16"], refused: ["x"] },
  "--lora-dropout": { default: 0, ...FRACTION },
  "--lora-trainable-modules": {
    ...TEXT,
    default: "all-linear",
    accepted: ["k_proj,up_proj,o_proj,q_proj,down_proj,v_proj,gate_proj", "all-linear"],
  },
};

const silent = { note: () => undefined };
const read = (flag: string, value: unknown) =>
  readHyperparameters({ [toCamelCase(flag.slice(2))]: value }, silent);

describe("tasks: the hyper-parameters of fine-tuning create", () => {
  const create = commands.find(({ path }) => path.join(" ") === "fine-tuning create")!;
  const options = Object.entries(create.parameters).map(([name, { description }]) => ({
    name,
    description,
  }));

  for (const [flag, { default: value, accepted, refused }] of Object.entries(DOCUMENTED)) {
    it(`create takes ${flag}: its default and its range are those of the documentation`, () => {
      const name = flag.slice(2).replaceAll("-", "_");
      const option = options.find((each) => `--${toKebabCase(each.name)}` === flag);
      expect(option, "option").not.to.equal(undefined);
      const parameter = HYPERPARAMETERS.find((each) => each.name === name);
      expect(parameter?.default).to.equal(value);
      if (value !== undefined && value !== false) {
        expect(option!.description).to.contain(`Default: ${value}.`);
      }
      for (const each of accepted) expect(read(flag, each), String(each)).to.have.keys(name);
      for (const each of refused) expect(() => read(flag, each), String(each)).to.throw();
    });
  }

  it("leaves hyper-parameters unset that are not given", () => {
    const untouched = Object.fromEntries(options.map(({ name }) => [name, undefined]));
    expect(readHyperparameters({ ...untouched, lora: false }, silent)).to.deep.equal({});
  });

  it("has an option for every hyper-parameter", () => {
    const names = options.map(({ name }) => name);
    expect(names).to.include.members(HYPERPARAMETERS.map(({ name }) => toCamelCase(name)));
  });
});
