import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";
import { HYPERPARAMETERS } from "../../sdk/training/describeHyperparameters.ts";
import type { Model } from "./Catalogue.ts";

const FIXED_TIME = new Date(1980, 0, 1);

/** The usage archives of models, each built only once, even for concurrent requests. */
export class UsageArchives {
  readonly #made = new Map<string, Promise<Buffer>>();

  of(model: Model): Promise<Buffer> {
    const known = this.#made.get(model.name);
    if (known) return known;
    const made = buildUsageArchive(model);
    this.#made.set(model.name, made);
    made.catch(() => this.#made.delete(model.name));
    return made;
  }
}

/**
 * A zip that explains how to use a model, in one folder: instructions, configuration template, dataset example,
 * tokenizer.
 */
export async function buildUsageArchive(model: Model): Promise<Buffer> {
  const { tokenizer, tokenizerConfig } = JSON.parse(
    Buffer.from(model.tokenizerDocument).toString(),
  );
  const example = EXAMPLES[model.kind];
  const files: Record<string, string | Buffer> = {
    "README.md": instructions(model),
    "config.json": `${JSON.stringify(configTemplate(), null, 2)}\n`,
    ...example.files,
    ...(model.kind !== "image-classification" && {
      "tokenizer/tokenizer.json": JSON.stringify(tokenizer),
      "tokenizer/tokenizer_config.json": JSON.stringify(tokenizerConfig),
    }),
  };
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) {
    zip.addBuffer(Buffer.from(content), `${model.name}-usage/${name}`, {
      mtime: FIXED_TIME,
      forceDosTimestamp: true,
    });
  }
  zip.end();
  return buffer(zip.outputStream as NodeJS.ReadableStream as NodeJS.ReadWriteStream);
}

/** The hyper-parameters that are changed most often, with their defaults; all others may be added. */
function configTemplate(): Record<string, unknown> {
  const shown = [
    "n_epochs",
    "batch_size",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_ratio",
    "lora",
    "seed",
  ];
  const parameters = HYPERPARAMETERS.filter(({ name }) => shown.includes(name));
  return Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.default]));
}

function hyperparameterTable(): string {
  return HYPERPARAMETERS.map(({ name, range, description, default: value }) => {
    const cells = [name, value === undefined ? "-" : JSON.stringify(value), range, description];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  }).join("\n");
}

const RED_PNG =
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mO4Y6RBEmIY1TCqYfhqAACC5TYQYRNLYQAAAABJRU5ErkJggg==";
const BLUE_PNG =
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mPQsLlDEmIY1TCqYfhqAABrt0AQ7JjuUwAAAABJRU5ErkJggg==";

const EXAMPLES = {
  "causal-lm": {
    rows: "one JSON object a line: `prompt` and `completion`, or `messages`, or `text`, or `instruction`, `input` and `output`, or preference pairs as `prompt`, `chosen` and `rejected`, or as `input`, `preferred_output` and `non_preferred_output`, or unpaired ones as `prompt`, `completion` and `label`, true or false; or parquet with the column `input_ids` and optionally `attention_mask` and `labels`",
    files: {
      "dataset/train.example.jsonl": [
        { prompt: "How many legs does a spider have?\n", completion: "Eight." },
        { prompt: "What is 12 + 30?\n", completion: "42." },
      ]
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(""),
    },
  },
  "text-classification": {
    rows: "TSV or CSV with the columns `label` and `text`, or JSONL with these two keys; labels are integers from 0 or strings",
    files: {
      "dataset/train.example.tsv":
        "label\ttext\n1\ta delight from start to finish\n0\tdull and far too long\n",
    },
  },
  "image-classification": {
    rows: "a zip or tar of class folders with JPEG or PNG images, `class/image`, optionally all in one top folder; if a provider charges by the token, an image is one token",
    files: {
      "dataset/red/1.png": Buffer.from(RED_PNG, "base64"),
      "dataset/blue/1.png": Buffer.from(BLUE_PNG, "base64"),
    },
  },
} as const;

function instructions(model: Model): string {
  const example = EXAMPLES[model.kind];
  return `# ${model.name}

${model.description}

Kind: ${model.kind}
Hash: ${model.hash}

## Dataset
${example.rows.charAt(0).toUpperCase()}${example.rows.slice(1)}. See \`dataset/\`.

With the program \`anneal\` (or with Hardhat and its plugin):

1. Check it: \`check-data --data-path <FILE> --model ${model.name} --provider <ADDRESS>\`
2. Upload it: \`upload --data-path <FILE>\`
3. Count it: \`calculate-token --model ${model.name} --dataset-path <FILE> --provider <ADDRESS>\`

## Configuration
Edit \`config.json\` and pass it to \`create-task --config-path\`. Omitted keys have their defaults.

| Hyper-parameter | Default | Values | Meaning |
|---|---|---|---|
${hyperparameterTable()}
`;
}
