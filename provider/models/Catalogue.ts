import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { keccak256 } from "ethers";
import type { Logger } from "pino";
import { z } from "zod";
import { DATASET_KINDS } from "../../sdk/dataset/formats/DatasetRow.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { Rates } from "../../sdk/service/Rates.ts";
import { byCodePoint } from "../files/archive.ts";
import { sha256OfFile } from "../files/sha256OfFile.ts";
import { defaultRates, SizeConfig } from "./defaultRates.ts";
import type { FileHashes } from "./FileHashes.ts";
import { fetchModel, type ModelCache, ModelSource } from "./fetchModel.ts";
import { NO_TOKENIZER, readTokenizerDocument } from "./tokenizerDocument.ts";

/** A model that this provider can train. */
export interface Model extends CatalogueModel {
  /** Directory in the Hugging Face layout, never written to. */
  readonly directory: string;
  /** The exact response of GET /v1/models/:name/tokenizer. */
  readonly tokenizerDocument: Uint8Array;
}

/** The models that this provider can train, and the exact bytes whose hash is registered on chain. */
export class Catalogue {
  readonly models: readonly Model[];
  readonly bytes: Uint8Array;
  /** keccak256 of `bytes`. */
  readonly hash: string;

  constructor(models: readonly Model[]) {
    this.models = models.toSorted((a, b) => byCodePoint(a.name, b.name));
    this.bytes = Buffer.from(JSON.stringify({ models: this.models.map(entryOf) }));
    this.hash = keccak256(this.bytes);
  }

  byName(name: string): Model | undefined {
    return this.models.find((model) => model.name === name);
  }

  byHash(hash: string): Model | undefined {
    return this.models.find((model) => model.hash === hash.toLowerCase());
  }

  /**
   * Reads every directory below `directory` that holds a model, or a manifest with a source from which the model is
   * fetched into `cache`. Invalid ones are omitted and logged.
   * @param hashes hashes kept from an earlier start
   */
  static async read(
    directory: string,
    log: Logger,
    cache?: ModelCache,
    hashes?: FileHashes,
  ): Promise<Catalogue> {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
    const models: Model[] = [];
    for (const { name } of entries.filter((entry) => !entry.name.startsWith("."))) {
      try {
        models.push(await readModel(name, join(directory, name), cache, hashes));
      } catch (error) {
        log.warn(
          { model: name, reason: (error as Error).message },
          "model omitted from the catalogue",
        );
      }
    }
    await hashes?.save().catch((err) => log.info({ err }, "the hashes of models cannot be saved"));
    return new Catalogue(models);
  }
}

/** `anneal.json` in a model's directory: what its other files do not contain. All keys are optional. */
const Manifest = z.strictObject({
  kind: z.enum(DATASET_KINDS).optional(),
  description: z.string().max(2_000).optional(),
  predefined: z.boolean().optional(),
  /** Those that differ from the defaults by the model's size. */
  rates: Rates.partial().optional(),
  /** Where the model is fetched from, if its files are not next to the manifest. */
  source: ModelSource.optional(),
});
const MANIFEST_NAME = "anneal.json";

const ModelConfig = SizeConfig.extend({
  architectures: z.array(z.string()).min(1),
  /** Default: the trainer's. */
  max_position_embeddings: z.number().int().positive().default(2048),
});

async function readModel(
  name: string,
  home: string,
  cache?: ModelCache,
  hashes?: FileHashes,
): Promise<Model> {
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(name))
    throw new Error("its name has characters other than A-Z a-z 0-9 . _ -");
  const manifest = await readManifest(home);
  const directory =
    manifest.source && cache ? await fetchModel(cache, name, manifest.source) : home;
  const config = ModelConfig.parse(
    JSON.parse(await readFile(join(directory, "config.json"), "utf8")),
  );
  const architecture = config.architectures[0]!;
  const kind = manifest.kind ?? kindOf(architecture);
  const takesImages = kind === "image-classification";
  const tokenizerDocument = takesImages ? NO_TOKENIZER : await readTokenizerDocument(directory);
  return {
    name,
    kind,
    description:
      manifest.description ?? `${name}: a base model of the architecture ${architecture}.`,
    hash: await hashModel(directory, hashes),
    predefined: manifest.predefined ?? false,
    tokenizerHash: keccak256(tokenizerDocument),
    ...(!takesImages && { maxLength: config.max_position_embeddings }),
    rates: { ...defaultRates(kind, await weightBytes({ directory }), config), ...manifest.rates },
    directory,
    tokenizerDocument,
  };
}

async function readManifest(directory: string): Promise<z.infer<typeof Manifest>> {
  const text = await readFile(join(directory, MANIFEST_NAME), "utf8").catch(() => "{}");
  return Manifest.parse(JSON.parse(text));
}

function kindOf(architecture: string): Model["kind"] {
  if (architecture.endsWith("ForCausalLM")) return "causal-lm";
  if (/(ForSequenceClassification|ForMaskedLM)$/.test(architecture)) return "text-classification";
  if (architecture.endsWith("ForImageClassification")) return "image-classification";
  throw new Error(
    `its architecture ${architecture} is neither a causal language model nor a classifier of texts or images`,
  );
}

/** SHA-256 of the output of `sha256sum` for the model's files, sorted by path, so that anyone can verify it. */
export async function hashModel(directory: string, hashes?: FileHashes): Promise<string> {
  const listing = createHash("sha256");
  for (const name of await modelFiles(directory)) {
    const path = join(directory, name);
    const sha256 = await (hashes?.sha256(path) ?? sha256OfFile(path));
    listing.update(`${sha256}  ${name}\n`);
  }
  return `0x${listing.digest("hex")}`;
}

/**
 * Relative paths of a model's files, sorted. Links are followed, since download caches consist of links. Hidden files
 * and the provider's manifest are not part of the model.
 */
export async function modelFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  const visible = names.filter((name) => name !== MANIFEST_NAME && !/(^|[\\/])\./.test(name));
  const files: string[] = [];
  for (const name of visible) {
    if ((await stat(join(directory, name))).isFile()) files.push(name.replaceAll("\\", "/"));
  }
  return files.sort(byCodePoint);
}

/** Bytes of a model's weights. */
export async function weightBytes({ directory }: Pick<Model, "directory">): Promise<number> {
  const names = (await modelFiles(directory)).filter((name) => name.endsWith(".safetensors"));
  const sizes = names.map(async (name) => (await stat(join(directory, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function entryOf({
  name,
  kind,
  description,
  hash,
  predefined,
  tokenizerHash,
  maxLength,
  rates,
}: Model): CatalogueModel {
  const length = maxLength === undefined ? {} : { maxLength };
  return { name, kind, description, hash, predefined, tokenizerHash, ...length, rates };
}
