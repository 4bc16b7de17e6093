import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { keccak256 } from "ethers";
import type { Logger } from "pino";
import { z } from "zod";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import type { ProviderError } from "../errors.ts";
import { byCodePoint } from "../files/archive.ts";
import { sha256OfFile } from "../files/sha256OfFile.ts";
import { defaultRates, SizeConfig } from "./defaultRates.ts";
import type { FileHashes } from "./FileHashes.ts";
import { fetchModel, type ModelCache } from "./fetchModel.ts";
import { MANIFEST_NAME, readManifest } from "./Manifest.ts";
import { PositionConfig, readableTokens } from "./readableTokens.ts";
import { readJsonFile } from "./readJsonFile.ts";
import { NO_TOKENIZER, readTokenizerDocument } from "./tokenizerDocument.ts";

/** A model that this provider can train. */
export interface Model extends CatalogueModel {
  /** Directory in the Hugging Face layout, never written to. */
  readonly directory: string;
  /** The exact response of GET /v1/models/:name/tokenizer. */
  readonly tokenizerDocument: Uint8Array;
}

/** What the models of a catalogue are read with. */
export interface CatalogueOptions {
  /** Larger datasets are refused. */
  readonly maxDatasetBytes: number;
  readonly log: Logger;
  /** Where models are fetched to that have a source. */
  readonly cache?: ModelCache;
  /** Hashes kept from an earlier start. */
  readonly hashes?: FileHashes;
}

/** What this provider can train, and the exact bytes whose hash is registered on chain. */
export class Catalogue {
  readonly models: readonly Model[];
  readonly bytes: Uint8Array;
  /** keccak256 of `bytes`. */
  readonly hash: string;

  constructor(
    models: readonly Model[],
    { maxDatasetBytes }: Pick<CatalogueOptions, "maxDatasetBytes">,
  ) {
    this.models = models.toSorted((a, b) => byCodePoint(a.name, b.name));
    const document = { models: this.models.map(entryOf), maxDatasetBytes };
    this.bytes = Buffer.from(JSON.stringify(document));
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
   * fetched into the cache. Invalid ones are omitted and logged.
   */
  static async read(directory: string, options: CatalogueOptions): Promise<Catalogue> {
    const { log, cache, hashes } = options;
    const models: Model[] = [];
    for (const name of await visibleNames(directory, log)) {
      const home = join(directory, name);
      try {
        models.push(await readModel(name, home, cache, hashes));
      } catch (error) {
        log.warn({ model: name, ...explain(error, home) }, "model omitted from the catalogue");
      }
    }
    await hashes?.save().catch((err) => log.info({ err }, "the hashes of models cannot be saved"));
    return new Catalogue(models, options);
  }
}

/** Nothing if there is no such directory. */
async function visibleNames(directory: string, log: Logger): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => !name.startsWith("."));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      log.warn(explain(error, directory), "the models cannot be read");
    return [];
  }
}

/** Why a model is omitted, in one sentence, and what to do if that is known. */
function explain(error: unknown, directory: string): { reason: string; hint?: string } {
  const { code, path = directory, message, hint } = error as NodeJS.ErrnoException & ProviderError;
  if (code === "ENOENT") return { reason: `${path} does not exist` };
  if (code === "ENOTDIR") return { reason: `${directory} is not a directory` };
  if (code === "EACCES") {
    const reason = `${path} is not readable for the daemon's user`;
    return { reason, hint: `Run as root: chmod -R a+rX ${directory}` };
  }
  return { reason: message, ...(hint && { hint }) };
}

const ModelConfig = PositionConfig.extend({
  ...SizeConfig.shape,
  architectures: z.array(z.string()).min(1),
  quantization_config: z.looseObject({ quant_method: z.string().optional() }).optional(),
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
  const config = await readJsonFile(directory, "config.json", ModelConfig);
  if (config.quantization_config)
    throw new Error(
      `its weights are quantized (${config.quantization_config.quant_method ?? "by an unnamed method"}), which cannot be trained`,
    );
  const architecture = config.architectures[0]!;
  const kind = manifest.kind ?? kindOf(architecture);
  const takesImages = kind === "image-classification";
  const bytes = await weightBytes({ directory });
  const tokenizerDocument = takesImages ? NO_TOKENIZER : await readTokenizerDocument(directory);
  return {
    name,
    kind,
    ...(manifest.type && { type: manifest.type }),
    description:
      manifest.description ?? `${name}: a base model of the architecture ${architecture}.`,
    hash: await hashModel(directory, hashes),
    predefined: manifest.predefined ?? false,
    weightBytes: bytes,
    ...(manifest.license && { license: manifest.license }),
    tokenizerHash: keccak256(tokenizerDocument),
    ...(!takesImages && { maxLength: readableTokens(config) }),
    rates: { ...defaultRates(kind, bytes, config), ...manifest.rates },
    directory,
    tokenizerDocument,
  };
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

function entryOf({ directory: _, tokenizerDocument: __, ...entry }: Model): CatalogueModel {
  return entry;
}
