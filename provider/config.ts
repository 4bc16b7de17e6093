import { resolve } from "node:path";
import { getBytes } from "ethers";
import { z } from "zod";
import { ProviderError } from "./errors.ts";
import { EncryptionKey } from "./keys.ts";

/**
 * The daemon's environment. This file alone reads it.
 *
 * | Variable                | Meaning                                                          | Default               |
 * |-------------------------|------------------------------------------------------------------|-----------------------|
 * | PROVIDER_PRIVATE_KEY    | wallet key of the provider, 32 bytes as hex                      | none: required        |
 * | PROVIDER_ENCRYPTION_KEY | secp256k1 key for the fair exchange, 32 bytes as hex             | derived from the above|
 * | RPC_ENDPOINT            | the chain's JSON-RPC                                             | http://127.0.0.1:8545 |
 * | DEPLOYMENT_DIR          | addresses and ABIs of the contracts                              | deployments/localhost |
 * | CONFIRMATIONS           | blocks on top of a block before its events count                 | 0                     |
 * | POLL_INTERVAL_MS        | milliseconds between two looks at the chain                      | 1000                  |
 * | PROVIDER_DIR            | state database, job directories                                  | .anneal/provider      |
 * | PROVIDER_HOST           | address the API listens on                                       | 127.0.0.1             |
 * | PROVIDER_PORT           | port the API listens on, 0 for any free one                      | 3080                  |
 * | PROVIDER_URL            | where users reach the API, as registered on chain                | http://host:port      |
 * | STORAGE_ENDPOINT        | a storage server elsewhere; where unset, one runs in the daemon  | none                  |
 * | STORAGE_DIR             | blobs of the embedded storage server                             | PROVIDER_DIR/blobs    |
 * | STORAGE_HOST            | address the embedded storage server listens on                   | 127.0.0.1             |
 * | STORAGE_PORT            | its port, 0 for any free one                                     | 5678                  |
 * | STORAGE_MAX_BYTES       | bytes that all its blobs may take                                | 107374182400          |
 * | MODELS_DIR              | base models, one directory each                                  | .anneal/models        |
 * | PYTHON                  | interpreter with the trainer's requirements                      | .venv/bin/python      |
 * | SLOTS                   | trainings at the same time                                       | 1                     |
 * | MAX_DATASET_BYTES       | larger datasets are refused                                      | 1073741824            |
 * | LOG_LEVEL               | trace, debug, info, warn, error, fatal                           | info                  |
 *
 * The trainer sees none of these: its environment is made of TRAINER_VARIABLES below, and nothing else.
 */
const Environment = z.object({
  PROVIDER_PRIVATE_KEY: hexKey(),
  PROVIDER_ENCRYPTION_KEY: hexKey().optional(),
  RPC_ENDPOINT: z.url({ protocol: /^https?$/ }).default("http://127.0.0.1:8545"),
  DEPLOYMENT_DIR: z.string().default("deployments/localhost"),
  CONFIRMATIONS: integer(0, 10_000).default(0),
  POLL_INTERVAL_MS: integer(10, 600_000).default(1_000),
  PROVIDER_DIR: z.string().default(".anneal/provider"),
  PROVIDER_HOST: z.string().default("127.0.0.1"),
  PROVIDER_PORT: integer(0, 65_535).default(3080),
  PROVIDER_URL: z.url({ protocol: /^https?$/ }).optional(),
  STORAGE_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  STORAGE_DIR: z.string().optional(),
  STORAGE_HOST: z.string().default("127.0.0.1"),
  STORAGE_PORT: integer(0, 65_535).default(5678),
  STORAGE_MAX_BYTES: integer(1, 2 ** 50).default(100 * 2 ** 30),
  MODELS_DIR: z.string().default(".anneal/models"),
  PYTHON: z.string().default(".venv/bin/python"),
  SLOTS: integer(1, 1_000).default(1),
  MAX_DATASET_BYTES: integer(1, 2 ** 48).default(2 ** 30),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal"]).default("info"),
});

/** What a training needs from the machine: programs, libraries, devices, and where temporary files go. */
const TRAINER_VARIABLES = [
  "PATH",
  "HOME",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "LD_LIBRARY_PATH",
  "CUDA_VISIBLE_DEVICES",
  "OMP_NUM_THREADS",
];

export interface EmbeddedStorage {
  readonly kind: "embedded";
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  readonly maxBytes: number;
}

export interface Config {
  readonly privateKey: string;
  readonly encryptionKey: EncryptionKey;
  readonly rpcUrl: string;
  readonly deploymentDirectory: string;
  readonly confirmations: number;
  /** Milliseconds. */
  readonly pollInterval: number;
  readonly directory: string;
  readonly api: {
    readonly host: string;
    readonly port: number;
    readonly publicUrl: string | undefined;
  };
  readonly storage: { readonly kind: "remote"; readonly url: string } | EmbeddedStorage;
  readonly modelsDirectory: string;
  readonly python: string;
  readonly trainerEnvironment: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly maxDatasetBytes: number;
  readonly logLevel: string;
}

/**
 * Reads the environment; relative paths count from the working directory.
 * @throws ProviderError naming the variable that is wrong. Keys are never repeated in it.
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const present = Object.entries(environment).filter(([, value]) => value !== "");
  const parsed = Environment.safeParse(Object.fromEntries(present));
  if (!parsed.success) throw invalid(parsed.error);
  const values = parsed.data;
  const directory = resolve(values.PROVIDER_DIR);
  const privateKey = getBytes(values.PROVIDER_PRIVATE_KEY);
  return {
    privateKey: values.PROVIDER_PRIVATE_KEY,
    encryptionKey: values.PROVIDER_ENCRYPTION_KEY
      ? new EncryptionKey(getBytes(values.PROVIDER_ENCRYPTION_KEY))
      : EncryptionKey.derive(privateKey),
    rpcUrl: values.RPC_ENDPOINT,
    deploymentDirectory: resolve(values.DEPLOYMENT_DIR),
    confirmations: values.CONFIRMATIONS,
    pollInterval: values.POLL_INTERVAL_MS,
    directory,
    api: { host: values.PROVIDER_HOST, port: values.PROVIDER_PORT, publicUrl: values.PROVIDER_URL },
    storage: values.STORAGE_ENDPOINT
      ? { kind: "remote", url: values.STORAGE_ENDPOINT }
      : {
          kind: "embedded",
          directory: resolve(values.STORAGE_DIR ?? `${directory}/blobs`),
          host: values.STORAGE_HOST,
          port: values.STORAGE_PORT,
          maxBytes: values.STORAGE_MAX_BYTES,
        },
    modelsDirectory: resolve(values.MODELS_DIR),
    python: values.PYTHON.includes("/") ? resolve(values.PYTHON) : values.PYTHON,
    trainerEnvironment: pickTrainerEnvironment(environment),
    slots: values.SLOTS,
    maxDatasetBytes: values.MAX_DATASET_BYTES,
    logLevel: values.LOG_LEVEL,
  };
}

function pickTrainerEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const picked = TRAINER_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(picked), HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" };
}

function hexKey() {
  return z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{64}$/, "is not 32 bytes of hexadecimal")
    .transform((text) => (text.startsWith("0x") ? text : `0x${text}`))
    .refine((text) => EncryptionKey.isValid(getBytes(text)), "is not a secp256k1 key");
}

function integer(minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d+$/, "is not a whole number")
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum));
}

function invalid(error: z.ZodError): ProviderError {
  const issue = error.issues[0]!;
  const name = String(issue.path[0]);
  const missing = issue.code === "invalid_type" && issue.message.includes("undefined");
  return new ProviderError(missing ? `${name} is not set.` : `${name} ${issue.message}.`, {
    retryable: false,
    hint: "The table at the top of provider/config.ts says what each variable means.",
  });
}
