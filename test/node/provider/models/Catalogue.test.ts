import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { keccak256 } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { type Entry, fromBuffer } from "yauzl";
import { Catalogue, hashModel } from "../../../../provider/models/Catalogue.ts";
import { FileHashes } from "../../../../provider/models/FileHashes.ts";
import { buildUsageArchive } from "../../../../provider/models/UsageArchives.ts";

const NOBODY = 65_534;

/** Runs `work` without root's right to read every file. */
async function withoutRoot<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid!() !== 0) return work();
  process.seteuid!(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
  }
}

const FALSE_HASH = `"sha256":"${"0".repeat(64)}"`;
const OPTIONS = { maxDatasetBytes: 2 ** 30, log: pino({ level: "silent" }) };

describe("Catalogue", () => {
  let models: string;

  const addModel = (name: string, architecture: string, sheet?: object) => {
    const directory = join(models, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, "config.json"),
      JSON.stringify({ architectures: [architecture] }),
    );
    writeFileSync(join(directory, "model.safetensors"), `weights of ${name}`);
    writeFileSync(join(directory, "tokenizer.json"), JSON.stringify({ version: "1.0" }));
    writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify({ eos_token: "</s>" }));
    if (sheet) writeFileSync(join(directory, "anneal.json"), JSON.stringify(sheet));
    return directory;
  };

  beforeEach(() => {
    models = mkdtempSync(join(tmpdir(), "anneal-models-"));
  });
  afterEach(() => rmSync(models, { recursive: true }));

  it("has the same bytes and hash for the same models in another folder and order", async () => {
    addModel("b-model", "OPTForCausalLM");
    addModel("a-model", "DistilBertForMaskedLM");
    const first = await Catalogue.read(models, OPTIONS);
    const elsewhere = join(models, ".copy");
    for (const name of ["b-model", "a-model"])
      cpSync(join(models, name), join(elsewhere, name), { recursive: true });
    const second = await Catalogue.read(elsewhere, OPTIONS);
    expect(second.hash).to.equal(first.hash);
    expect(keccak256(first.bytes)).to.equal(first.hash);
    expect(first.models.map(({ name }) => name)).to.deep.equal(["a-model", "b-model"]);
  });

  it("hashes a model as sha256sum does", async () => {
    const directory = addModel("model", "Qwen2ForCausalLM");
    const printed = execFileSync("sh", ["-c", "LC_ALL=C ls | xargs sha256sum | sha256sum"], {
      cwd: directory,
      encoding: "utf8",
    });
    const { models: found } = await Catalogue.read(models, OPTIONS);
    expect(found[0]!.hash).to.equal(`0x${printed.slice(0, 64)}`);
  });

  it("keeps a model's hash if its description changes, and changes it with one byte of the model", async () => {
    const directory = addModel("model", "Qwen2ForCausalLM");
    const plain = (await Catalogue.read(models, OPTIONS)).models[0]!;
    addModel("model", "Qwen2ForCausalLM", { description: "Small and fast", predefined: true });
    const described = (await Catalogue.read(models, OPTIONS)).models[0]!;
    expect(described.hash).to.equal(plain.hash);
    expect(described.predefined).to.equal(true);
    writeFileSync(join(directory, "model.safetensors"), "other weights");
    expect((await Catalogue.read(models, OPTIONS)).models[0]!.hash).not.to.equal(plain.hash);
  });

  it("hashes only what has changed since an earlier start", async () => {
    const directory = addModel("model", "Qwen2ForCausalLM");
    const kept = join(models, ".hashes.json");
    const start = async () => {
      const hashes = await FileHashes.open(kept);
      return (await Catalogue.read(models, { ...OPTIONS, hashes })).models[0]!.hash;
    };
    const first = await start();
    // Shows what is read from the file: an invalid hash.
    const pretended = readFileSync(kept, "utf8").replaceAll(/"sha256":"[0-9a-f]{64}"/g, FALSE_HASH);
    writeFileSync(kept, pretended);
    expect(await start()).not.to.equal(first);
    const changes = [
      () => utimesSync(join(directory, "model.safetensors"), 1, 1),
      () => writeFileSync(join(directory, "model.safetensors"), "weights of other"),
      () => writeFileSync(kept, "torn"),
    ];
    for (const change of changes) {
      change();
      for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
        utimesSync(join(directory, name), new Date(), new Date());
      expect(await start()).to.equal(await hashModel(directory));
      expect(await start()).to.equal(await hashModel(directory));
    }
  });

  it("derives the kind from the architecture", async () => {
    addModel("language", "OPTForCausalLM");
    addModel("classifier", "DistilBertForSequenceClassification");
    addModel("vision", "MobileNetV2ForImageClassification");
    const { models: found } = await Catalogue.read(models, OPTIONS);
    expect(found.map(({ name, kind }) => [name, kind])).to.deep.equal([
      ["classifier", "text-classification"],
      ["language", "causal-lm"],
      ["vision", "image-classification"],
    ]);
  });

  it("gives the maximum length of a row, and for an image model neither that nor a tokenizer", async () => {
    addModel("language", "OPTForCausalLM");
    const directory = addModel("vision", "MobileNetV2ForImageClassification");
    for (const name of ["tokenizer.json", "tokenizer_config.json"]) rmSync(join(directory, name));
    const { models: found, bytes } = await Catalogue.read(models, OPTIONS);
    const [language, vision] = JSON.parse(Buffer.from(bytes).toString()).models;
    expect(language.maxLength).to.equal(2048);
    expect(vision).not.to.have.property("maxLength");
    const nothing = Buffer.from('{"tokenizer":{},"tokenizerConfig":{}}');
    expect(vision.tokenizerHash).to.equal(keccak256(nothing));
    expect(Buffer.from(found[1]!.tokenizerDocument).equals(nothing)).to.equal(true);
  });

  it("reads the maximum length by every name that it has, as the trainer does", async () => {
    const directory = addModel("model", "RobertaForMaskedLM");
    const lengthOf = async (config: object) => {
      const document = { architectures: ["RobertaForMaskedLM"], ...config };
      writeFileSync(join(directory, "config.json"), JSON.stringify(document));
      return (await Catalogue.read(models, OPTIONS)).models[0]!.maxLength;
    };
    const roberta = { model_type: "roberta", max_position_embeddings: 514 };
    expect(await lengthOf({ ...roberta, pad_token_id: 1 })).to.equal(512);
    expect(await lengthOf(roberta)).to.equal(512);
    expect(await lengthOf({ ...roberta, model_type: "bert" })).to.equal(514);
    expect(await lengthOf({ model_type: "gpt2", n_positions: 1024 })).to.equal(1024);
    expect(await lengthOf({ model_type: "mpt", max_seq_len: 4096 })).to.equal(4096);
    expect(await lengthOf({ max_position_embeddings: -1 })).to.equal(2048);
    expect(await lengthOf({ max_position_embeddings: true, n_positions: 7 })).to.equal(7);
  });

  it("omits a model whose weights are quantized", async () => {
    const directory = addModel("model", "LlamaForCausalLM");
    const config = { architectures: ["LlamaForCausalLM"] };
    const quantized = { ...config, quantization_config: { quant_method: "gptq", bits: 4 } };
    writeFileSync(join(directory, "config.json"), JSON.stringify(quantized));
    const warned: string[] = [];
    const log = pino({ level: "warn" }, { write: (line) => void warned.push(line) });
    expect((await Catalogue.read(models, { ...OPTIONS, log })).models).to.deep.equal([]);
    expect(warned.join()).to.include("its weights are quantized (gptq)");
  });

  it("derives rates from the size of the weights, unless the manifest has others", async () => {
    const directory = addModel("model", "Qwen2ForCausalLM");
    const rates = async () => {
      const { models: found, bytes } = await Catalogue.read(models, OPTIONS);
      expect(JSON.parse(Buffer.from(bytes).toString()).models[0].rates).to.deep.equal(
        found[0]!.rates,
      );
      return found[0]!.rates;
    };
    expect(await rates()).to.include({ full: 1, lora: 1, evaluation: 1 });
    truncateSync(join(directory, "model.safetensors"), 2e8);
    // 50 million parameters of 4 bytes, or 100 million of 2 bytes
    const half = { full: 500, lora: 333, evaluation: 167 };
    const checkpoints = { checkpointUnits: 5_000, loraCheckpointUnits: 25 };
    expect(await rates()).to.deep.equal({ ...half, ...checkpoints });
    const config = { architectures: ["Qwen2ForCausalLM"], torch_dtype: "bfloat16" };
    writeFileSync(join(directory, "config.json"), JSON.stringify(config));
    expect(await rates()).to.include({ full: 1_000, lora: 667, evaluation: 333 });
    const untied = { vocab_size: 50_000, hidden_size: 1_000, tie_word_embeddings: false };
    writeFileSync(join(directory, "config.json"), JSON.stringify({ ...config, ...untied }));
    expect(await rates()).to.include({ full: 500, lora: 333, evaluation: 167 });
    writeFileSync(join(directory, "config.json"), JSON.stringify(config));
    writeFileSync(join(directory, "anneal.json"), '{"rates":{"lora":500}}');
    expect(await rates()).to.include({ full: 1_000, lora: 500, evaluation: 333 });
  });

  it("counts an image as as many tokens as it has patches", async () => {
    const directory = addModel("vision", "ViTForImageClassification");
    truncateSync(join(directory, "model.safetensors"), 4e7);
    const config = { architectures: ["ViTForImageClassification"], image_size: 32, patch_size: 8 };
    writeFileSync(join(directory, "config.json"), JSON.stringify(config));
    expect((await Catalogue.read(models, OPTIONS)).models[0]!.rates.full).to.equal(1_600);
  });

  it("gives type, license and size of a model, and the limit of datasets, in what is hashed", async () => {
    const manifest = { type: "Reasoning Tasks", license: "apache-2.0" };
    addModel("model", "Qwen2ForCausalLM", manifest);
    const { bytes } = await Catalogue.read(models, OPTIONS);
    const document = JSON.parse(Buffer.from(bytes).toString());
    const weightBytes = "weights of model".length;
    expect(document.models[0]).to.include({ ...manifest, weightBytes });
    expect(document.maxDatasetBytes).to.equal(2 ** 30);
    const smaller = await Catalogue.read(models, { ...OPTIONS, maxDatasetBytes: 5 });
    expect(JSON.parse(Buffer.from(smaller.bytes).toString()).maxDatasetBytes).to.equal(5);
  });

  describe("omits a model, and says in one sentence why:", () => {
    /** What is logged about the only model. */
    const omitted = async () => {
      const lines: Record<string, string>[] = [];
      const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
      expect((await Catalogue.read(models, { ...OPTIONS, log })).models).to.deep.equal([]);
      expect(lines).to.have.length(1);
      return lines[0]!;
    };
    const cases: readonly (readonly [string, object | string, string])[] = [
      [
        "an unknown key",
        { predefind: true },
        ' has the unknown key "predefind": did you mean "predefined"?',
      ],
      ["an unknown rate", { rates: { lorra: 1 } }, ' has the unknown key "rates.lorra"'],
      [
        "a wrong value",
        { predefined: "yes" },
        ': the key "predefined" is wrong: expected boolean, received string',
      ],
      [
        "a wrong rate",
        { rates: { lora: 0 } },
        ': the key "rates.lora" is wrong: Too small: expected number to be >=1',
      ],
      [
        "a wrong source",
        { source: "hub" },
        ': the key "source" is wrong: expected {"repository": …, "revision": …} or a storage root',
      ],
      ["a list", "[]", ": expected object, received array"],
      ["no JSON", "{,}", " is not JSON: "],
    ];
    for (const [what, manifest, reason] of cases)
      it(`${what} in anneal.json`, async () => {
        const directory = addModel("model", "Qwen2ForCausalLM");
        const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
        writeFileSync(join(directory, "anneal.json"), text);
        const line = await omitted();
        expect(line).to.include({ model: "model", msg: "model omitted from the catalogue" });
        expect(line.reason).to.include(`anneal.json${reason}`).and.not.include("\n");
      });

    it("a file that is missing", async () => {
      const directory = addModel("model", "Qwen2ForCausalLM");
      rmSync(join(directory, "tokenizer_config.json"));
      const path = join(directory, "tokenizer_config.json");
      expect((await omitted()).reason).to.equal(`${path} does not exist`);
    });

    it("a file that the daemon's user cannot read, with the command that allows it", async () => {
      const directory = addModel("model", "Qwen2ForCausalLM");
      const weights = join(directory, "model.safetensors");
      chmodSync(models, 0o755);
      chmodSync(weights, 0);
      const line = await withoutRoot(omitted);
      expect(line.reason).to.equal(`${weights} is not readable for the daemon's user`);
      expect(line.hint).to.equal(`Run as root: chmod -R a+rX ${directory}`);
      execFileSync("sh", ["-c", line.hint!.replace("Run as root: ", "")]);
      const { models: found } = await withoutRoot(() => Catalogue.read(models, OPTIONS));
      expect(found).to.have.length(1);
    });

    it("a file in place of a directory", async () => {
      writeFileSync(join(models, "README.md"), "");
      expect((await omitted()).reason).to.equal(`${join(models, "README.md")} is not a directory`);
    });
  });

  it("leaves out what it cannot train", async () => {
    addModel("speech", "WhisperForConditionalGeneration");
    addModel("translator", "T5ForConditionalGeneration");
    mkdirSync(join(models, "empty"));
    expect((await Catalogue.read(models, OPTIONS)).models).to.deep.equal([]);
  });

  it("puts a chat template from its own file where the tokenizer's users look for it", async () => {
    const directory = addModel("model", "Qwen2ForCausalLM");
    writeFileSync(join(directory, "chat_template.jinja"), "{{ messages }}");
    const [model] = (await Catalogue.read(models, OPTIONS)).models;
    const document = JSON.parse(Buffer.from(model!.tokenizerDocument).toString());
    expect(document.tokenizerConfig).to.deep.equal({
      eos_token: "</s>",
      chat_template: "{{ messages }}",
    });
    expect(model!.tokenizerHash).to.equal(keccak256(model!.tokenizerDocument));
  });

  it("documents a model in one folder of an archive, with instructions, a configuration and an example", async () => {
    addModel("model", "Qwen2ForCausalLM");
    const [model] = (await Catalogue.read(models, OPTIONS)).models;
    const names = await new Promise<string[]>((resolve, reject) => {
      buildUsageArchive(model!).then((bytes) =>
        fromBuffer(bytes, (error, zip) => {
          if (error) return reject(error);
          const found: string[] = [];
          zip.on("entry", (entry: Entry) => found.push(entry.fileName));
          zip.once("end", () => resolve(found));
        }),
      );
    });
    expect(names).to.have.members([
      "model-usage/README.md",
      "model-usage/config.json",
      "model-usage/dataset/train.example.jsonl",
      "model-usage/tokenizer/tokenizer.json",
      "model-usage/tokenizer/tokenizer_config.json",
    ]);
  });
});
