import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import { HYPERPARAMETERS } from "../../../../sdk/training/describeHyperparameters.ts";
import type { Hyperparameters } from "../../../../sdk/training/Hyperparameters.ts";
import {
  canonicalConfig,
  MAX_CONFIG_BYTES,
  parseCanonicalConfig,
  parseHyperparameters,
} from "../../../../sdk/training/parseHyperparameters.ts";

function refusal(action: () => unknown): ProtocolError {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const refused = (value: unknown) => refusal(() => parseHyperparameters(value));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

const finite = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const anything: fc.Arbitrary<Hyperparameters> = fc.record(
  {
    n_epochs: fc.integer({ min: 1, max: 20 }),
    n_evals: fc.integer({ min: 0, max: 100 }),
    batch_size: fc.oneof(fc.constant("max" as const), fc.integer({ min: 1, max: 4096 })),
    learning_rate: finite(1e-8, 1e-2),
    lr_scheduler_type: fc.constantFrom("linear" as const, "cosine" as const),
    warmup_ratio: finite(0, 1),
    weight_decay: finite(0, 1e300),
    train_on_inputs: fc.constantFrom("auto" as const, true, false),
    lora: fc.boolean(),
    lora_alpha: fc.integer({ min: -1000, max: 4096 }),
    lora_trainable_modules: fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
    suffix: fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/),
    seed: fc.integer({ min: 0, max: 0xffffffff }),
  },
  { requiredKeys: [] },
);

describe("parseHyperparameters", () => {
  it("keeps what was set and adds no defaults", () => {
    const set = { n_epochs: 3, lora: false, batch_size: "max", train_on_inputs: true };
    expect(parseHyperparameters(set)).to.deep.equal(set);
    expect(parseHyperparameters({})).to.deep.equal({});
  });

  it("accepts the names of 0G's templates", () => {
    expect(
      parseHyperparameters({
        num_train_epochs: 2,
        per_device_train_batch_size: 4,
        learning_rate: 0.0002,
        lr_scheduler_type: "cosine",
        gradient_accumulation_steps: 2,
        warmup_ratio: 0.1,
        weight_decay: 0.01,
        max_grad_norm: 0.5,
        seed: 7,
      }),
    ).to.deep.equal({
      n_epochs: 2,
      batch_size: 4,
      learning_rate: 0.0002,
      lr_scheduler_type: "cosine",
      gradient_accumulation_steps: 2,
      warmup_ratio: 0.1,
      weight_decay: 0.01,
      max_grad_norm: 0.5,
      seed: 7,
    });
  });

  it("reads numbers and booleans that are written as text", () => {
    const written = {
      learning_rate: "1e-5",
      n_epochs: "3",
      weight_decay: " .5 ",
      max_grad_norm: "1.",
      batch_size: "16",
      lora: "True",
      train_on_inputs: "false",
      lora_r: "1.6E1",
    };
    expect(parseHyperparameters(written)).to.deep.equal({
      learning_rate: 1e-5,
      n_epochs: 3,
      weight_decay: 0.5,
      max_grad_norm: 1,
      batch_size: 16,
      lora: true,
      train_on_inputs: false,
      lora_r: 16,
    });
    expect(parseHyperparameters({ batch_size: "max", suffix: "1e5" })).to.deep.equal({
      batch_size: "max",
      suffix: "1e5",
    });
  });

  it("does not parse other texts as numbers", () => {
    for (const learning_rate of ["", "1e", "0x1", "1,5", "Infinity", "NaN", "1e-5 or so"]) {
      expect(refused({ learning_rate }).message, learning_rate).to.contain("learning_rate is ");
    }
  });

  it("suggests the nearest key for an unknown one", () => {
    const nearest = (name: string) => refused({ [name]: 1 }).hint;
    expect(nearest("learning_rat")).to.equal("Did you mean learning_rate?");
    expect(nearest("n_epoch")).to.equal("Did you mean n_epochs?");
    expect(nearest("lora-r")).to.equal("Did you mean lora_r?");
    expect(nearest("nEpochs")).to.equal("Did you mean n_epochs?");
    expect(nearest("num_train_epoch")).to.equal("Did you mean num_train_epochs?");
    expect(nearest("quantum")).to.match(/^Known are n_epochs, /);
    expect(nearest("__proto__")).to.match(/^Known are /);
    expect(nearest("constructor")).to.match(/^Known are /);
  });

  it("gives a hint for template names without a counterpart", () => {
    expect(refused({ save_steps: 10 })).to.include({
      code: "usage",
      message: "save_steps has no counterpart here.",
      hint: "Remove it; n_checkpoints sets how many checkpoints are kept.",
    });
    expect(refused({ neftune_noise_alpha: 5 }).hint).to.match(/^Remove it/);
    expect(refused({ wandb_api_key: "secret" }).hint).to.match(/public/);
    expect(refused({ wandb_api_key: "secret" }).message).not.to.contain("secret");
  });

  it("gives the range for a value outside of it", () => {
    const message = (value: object) => refused(value).message;
    expect(message({ n_epochs: 21 })).to.equal(
      "n_epochs is 21, but must be an integer from 1 to 20.",
    );
    expect(message({ n_epochs: 1.5 })).to.match(/an integer from 1 to 20/);
    expect(message({ learning_rate: "1e-9" })).to.equal(
      "learning_rate is 1e-9, but must be a number from 1e-8 to 0.01.",
    );
    expect(message({ batch_size: "big" })).to.equal(
      'batch_size is "big", but must be "max" or an integer from 1 to 4096.',
    );
    expect(message({ lr_scheduler_type: "flat" })).to.match(/"linear" or "cosine"\.$/);
    expect(message({ weight_decay: -1 })).to.match(/a number of at least 0\.$/);
    expect(message({ lora: 1 })).to.match(/true or false\.$/);
    expect(message({ learning_rate: null })).to.match(/^learning_rate is null/);
    expect(message({ learning_rate: Number.NaN })).to.match(/^learning_rate is/);
    expect(message({ suffix: "two words" })).to.equal(
      'suffix is "two words", but must be a text of 1 to 40 letters, digits, dots, dashes and underscores.',
    );
    expect(message({ num_train_epochs: 21 })).to.match(/^num_train_epochs is 21, /);
  });

  it("names values as they were written", () => {
    const { message } = refusal(() =>
      parseHyperparameters({ n_epochs: "21" }, (name) => `<${name}>`),
    );
    expect(message).to.equal("<n_epochs> is 21, but must be an integer from 1 to 20.");
  });

  it("reports all problems of a configuration at once", () => {
    const error = refused({ n_epochs: 0, learning_rat: 1, lora_r: 65, save_steps: 3, seed: 1 });
    expect(error.message).to.match(/^The training configuration has 4 problems: /);
    for (const name of ["n_epochs", "learning_rat", "lora_r", "save_steps"]) {
      expect(error.message).to.contain(name);
    }
    expect(error.message).not.to.contain("seed");
  });

  it("refuses one value under two names", () => {
    expect(refused({ n_epochs: 3, num_train_epochs: 3 }).message).to.equal(
      "n_epochs is given twice, under two names.",
    );
  });

  it("refuses what is not an object", () => {
    for (const value of [null, [], "n_epochs", 3, undefined]) {
      expect(refused(value)).to.include({
        code: "usage",
        message: "The training configuration is not a JSON object.",
      });
    }
  });

  it("is idempotent on every valid configuration", () => {
    fc.assert(
      fc.property(anything, (h) => {
        expect(parseHyperparameters(h)).to.deep.equal({ ...h });
      }),
    );
  });
});

describe("canonicalConfig", () => {
  it("sorts the keys and writes numbers as RFC 8785 does", () => {
    const config = { warmup_ratio: 0.1, learning_rate: 0.00001, n_epochs: 3, weight_decay: 1e21 };
    expect(text(canonicalConfig(config))).to.equal(
      '{"learning_rate":0.00001,"n_epochs":3,"warmup_ratio":0.1,"weight_decay":1e+21}',
    );
    expect(text(canonicalConfig({ learning_rate: 1e-7 }))).to.equal('{"learning_rate":1e-7}');
    expect(text(canonicalConfig({ weight_decay: -0 }))).to.equal('{"weight_decay":0}');
    expect(text(canonicalConfig({}))).to.equal("{}");
  });

  it("omits undefined values", () => {
    const config = { n_epochs: 1, suffix: undefined } as Hyperparameters;
    expect(text(canonicalConfig(config))).to.equal('{"n_epochs":1}');
  });

  it("produces the same bytes for every order of the keys, and they read back", () => {
    fc.assert(
      fc.property(anything, (h) => {
        const canonical = canonicalConfig(h);
        const reversed = Object.fromEntries(Object.entries(h).reverse());
        expect(canonicalConfig(reversed)).to.deep.equal(canonical);
        expect(text(canonical)).to.equal(JSON.stringify(h, Object.keys(h).sort()));
        expect(canonicalConfig(parseCanonicalConfig(canonical)!)).to.deep.equal(canonical);
      }),
    );
  });

  it("refuses values out of range", () => {
    expect(refusal(() => canonicalConfig({ n_epochs: 0 })).message).to.match(/^n_epochs is 0/);
  });

  it("fits on chain, whatever the texts are", () => {
    const long = "\u0001".repeat(128);
    const config: Hyperparameters = {
      lora_trainable_modules: "\u0001".repeat(1024),
      from_checkpoint: long,
      wandb_name: long,
      wandb_project_name: long,
    };
    const error = refusal(() => canonicalConfig(config));
    expect(error.message).to.contain(`more than the ${MAX_CONFIG_BYTES}`);
  });
});

describe("parseCanonicalConfig", () => {
  it("refuses everything that canonicalConfig does not write", () => {
    for (const config of [
      "",
      "[]",
      "null",
      " {}",
      "{}\n",
      "\ufeff{}",
      '{"n_epochs": 3}',
      '{"n_epochs":3.0}',
      '{"n_epochs":"3"}',
      '{"num_train_epochs":3}',
      '{"n_epochs":3,"learning_rate":0.001}',
      '{"n_epochs":3,"n_epochs":3}',
      '{"learning_rate":1e-5}',
      '{"n_epochs":99}',
      '{"unknown":1}',
    ]) {
      expect(parseCanonicalConfig(bytes(config)), config).to.equal(null);
    }
    // Not UTF-8: lossy decoding would give a valid suffix.
    const invalid = [...bytes('{"suffix":"'), 0xff, ...bytes('"}')];
    expect(parseCanonicalConfig(Uint8Array.from(invalid))).to.equal(null);
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (config) => {
        const parsed = parseCanonicalConfig(config);
        if (parsed) expect(canonicalConfig(parsed)).to.deep.equal(config);
      }),
    );
  });
});

describe("HYPERPARAMETERS", () => {
  it("describes each with its default and its range in words", () => {
    const table = new Map(HYPERPARAMETERS.map((entry) => [entry.name as string, entry]));
    expect(table.get("n_epochs")).to.include({ default: 4, range: "an integer from 1 to 20" });
    expect(table.get("batch_size")).to.include({
      default: "max",
      range: '"max" or an integer from 1 to 4096',
    });
    expect(table.get("suffix")!.default).to.equal(undefined);
    for (const { name, description, range } of HYPERPARAMETERS) {
      expect(description, name).to.match(/\.$/);
      expect(range, name)
        .not.to.equal("")
        .and.not.to.match(/[\^$]|matches/);
    }
  });

  it("has defaults that are allowed", () => {
    const defaults = HYPERPARAMETERS.filter((entry) => entry.default !== undefined);
    const config = Object.fromEntries(defaults.map((entry) => [entry.name, entry.default]));
    expect(parseHyperparameters(config)).to.deep.equal(config);
  });
});
