import { resolve } from "node:path";
import { computeAddress, getAddress, getBytes, isAddress, parseUnits } from "ethers";
import { z } from "zod";
import { type ProxySettings, readProxies } from "../sdk/rpc/proxy.ts";
import { EncryptionKey } from "./EncryptionKey.ts";
import { ProviderError } from "./errors.ts";
import { openKeystore } from "./keystore.ts";

/**
 * The daemon's environment. This file alone reads it.
 *
 * | Variable                | Meaning                                                          | Default               |
 * |-------------------------|------------------------------------------------------------------|-----------------------|
 * | PROVIDER_KEYSTORE       | encrypted JSON file with the wallet key of the operator          | none                  |
 * | PROVIDER_PASSPHRASE_FILE| file whose first line opens it                                   | none                  |
 * | PROVIDER_PASSPHRASE     | the passphrase itself, instead of a file                         | none                  |
 * | PROVIDER_PRIVATE_KEY    | instead of a keystore, on local networks: the key as hex         | none                  |
 * | PROVIDER_ADDRESS        | the provider that this operator works for, whose money it is     | the key's own address |
 * | PROVIDER_ENCRYPTION_KEY | secp256k1 key for the fair exchange, 32 bytes as hex             | PROVIDER_DIR has it   |
 * | RPC_ENDPOINT            | the chain's JSON-RPC URL; more, by commas, to fall back on        | http://127.0.0.1:8545 |
 * | DEPLOYMENT_DIR          | addresses and ABIs of the contracts; if unset, those in          | none                  |
 * |                         | deployments/localhost, or else the public ones on the chain      |                       |
 * | CONFIRMATIONS           | blocks on top of a block before its events count                 | 0                     |
 * | POLL_INTERVAL_MS        | milliseconds between polls of the chain                          | 1000                  |
 * | MAX_GAS_PRICE           | gwei; no transaction bids more for a unit of gas                 | 100                   |
 * | PROVIDER_DIR            | state database, job directories                                  | .anneal/provider      |
 * | PROVIDER_HOST           | address the API listens on                                       | 127.0.0.1             |
 * | PROVIDER_PORT           | port the API listens on, 0 for any free one                      | 3080                  |
 * | PROVIDER_URL            | where users reach the API, as registered on chain                | http://host:port      |
 * | STORAGE_ENDPOINT        | remote storage servers, by commas, or the indexer of 0G           | none                  |
 * |                         | (0g+https://…); if unset, a server runs in the daemon            |                       |
 * | STORAGE_DIR             | blobs of the embedded storage server                             | PROVIDER_DIR/blobs    |
 * | STORAGE_HOST            | address the embedded storage server listens on                   | 127.0.0.1             |
 * | STORAGE_PORT            | its port, 0 for any free one                                     | 5678                  |
 * | STORAGE_MAX_BYTES       | bytes that all its blobs may take                                | 107374182400          |
 * | STORAGE_ADDRESS_BYTES   | bytes that one address may upload unsigned, without tasks for it  | 268435456             |
 * | STORAGE_WALLET_BYTES    | bytes that one wallet may upload before there are tasks for it    | 17179869184           |
 * | MODELS_DIR              | base models, one directory each                                  | .anneal/models        |
 * | MAX_MODEL_BYTES         | larger models are not fetched from a hub or storage              | 137438953472          |
 * | HF_ENDPOINT             | hub that models are fetched from and uploaded to                 | https://huggingface.co|
 * | TRACKER_HOSTS           | Weights & Biases hosts, by commas; .x allows all subdomains of x  | .wandb.ai,.wandb.io   |
 * | CHECKPOINT_DAYS         | days for which checkpoints of settled tasks can be continued      | 30                    |
 * | CHECKPOINT_TASKS        | tasks whose checkpoints are kept, the newest                     | 100                   |
 * | PYTHON                  | interpreter with the trainer's requirements                      | .venv/bin/python      |
 * | SANDBOX                 | on: jobs train under bubblewrap; off: with the daemon's rights    | on                    |
 * | MAX_FILE_BYTES          | largest file that a training run may write                       | 68719476736           |
 * | MAX_JOB_BYTES           | a training run that writes more in all is stopped; its task fails | 274877906944          |
 * | TRAINER                 | local, or slurm: jobs are submitted to a cluster                 | local                 |
 * | SLURM_OPTIONS           | further options of sbatch, separated by spaces                   | none                  |
 * | SLOTS                   | number of concurrent training runs                               | 1                     |
 * | MAX_DATASET_BYTES       | larger datasets are refused                                      | 1073741824            |
 * | COUNT_MEMORY_BYTES      | a dataset that takes more memory to count is refused             | 4294967296            |
 * | COUNT_SECONDS           | and one that takes more CPU seconds                              | 1800                  |
 * | LOG_LEVEL               | trace, debug, info, warn, error, fatal                           | info                  |
 *
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY have their usual meaning; loopback addresses are never proxied.
 * The trainer sees none of these: its environment consists of TRAINER_VARIABLES below, and nothing else.
 */
const Environment = z.object({
  PROVIDER_KEYSTORE: z.string().optional(),
  PROVIDER_PASSPHRASE_FILE: z.string().optional(),
  PROVIDER_PASSPHRASE: z.string().optional(),
  PROVIDER_PRIVATE_KEY: hexKey().optional(),
  PROVIDER_ADDRESS: address().optional(),
  PROVIDER_ENCRYPTION_KEY: hexKey().optional(),
  RPC_ENDPOINT: z
    .string()
    .refine((text) => text.split(",").every(isHttpUrl), "is not a URL, or several with commas")
    .default("http://127.0.0.1:8545"),
  DEPLOYMENT_DIR: z.string().optional(),
  CONFIRMATIONS: integer(0, 10_000).default(0),
  POLL_INTERVAL_MS: integer(10, 600_000).default(1_000),
  MAX_GAS_PRICE: z
    .string()
    .regex(/^\d{1,9}(\.\d{1,9})?$/, "is not a number of gwei with at most 9 decimals")
    .transform((text) => parseUnits(text, "gwei"))
    .refine((neuron) => neuron > 0n, "is zero")
    .prefault("100"),
  PROVIDER_DIR: z.string().default(".anneal/provider"),
  PROVIDER_HOST: z.string().default("127.0.0.1"),
  PROVIDER_PORT: integer(0, 65_535).default(3080),
  PROVIDER_URL: z.url({ protocol: /^https?$/ }).optional(),
  STORAGE_ENDPOINT: z
    .string()
    .regex(/^(0g\+)?https?:\/\//, "starts with neither http://, https:// nor 0g+https://")
    .refine((text) => text.split(",").every(isStorageUrl), "is not a URL")
    .optional(),
  STORAGE_DIR: z.string().optional(),
  STORAGE_HOST: z.string().default("127.0.0.1"),
  STORAGE_PORT: integer(0, 65_535).default(5678),
  STORAGE_MAX_BYTES: integer(1, 2 ** 50).default(100 * 2 ** 30),
  STORAGE_ADDRESS_BYTES: integer(1, 2 ** 50).default(256 * 2 ** 20),
  STORAGE_WALLET_BYTES: integer(1, 2 ** 50).default(16 * 2 ** 30),
  MODELS_DIR: z.string().default(".anneal/models"),
  MAX_MODEL_BYTES: integer(1, 2 ** 50).default(128 * 2 ** 30),
  HF_ENDPOINT: z.url({ protocol: /^https?$/ }).default("https://huggingface.co"),
  TRACKER_HOSTS: z.string().default(".wandb.ai,.wandb.io"),
  CHECKPOINT_DAYS: integer(0, 3_650).default(30),
  CHECKPOINT_TASKS: integer(0, 100_000).default(100),
  PYTHON: z.string().default(".venv/bin/python"),
  SANDBOX: z.enum(["on", "off"]).default("on"),
  MAX_FILE_BYTES: integer(1, 2 ** 50).default(64 * 2 ** 30),
  MAX_JOB_BYTES: integer(1, 2 ** 50).default(256 * 2 ** 30),
  TRAINER: z.enum(["local", "slurm"]).default("local"),
  SLURM_OPTIONS: z.string().default(""),
  SLOTS: integer(1, 1_000).default(1),
  MAX_DATASET_BYTES: integer(1, 2 ** 48).default(2 ** 30),
  COUNT_MEMORY_BYTES: integer(2 ** 29, 2 ** 50).default(4 * 2 ** 30),
  COUNT_SECONDS: integer(1, 1_000_000).default(1_800),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal"]).default("info"),
});

/** What a training run needs from the machine: programs, libraries, devices, and a place for temporary files. */
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
  readonly addressBytes: number;
  readonly walletBytes: number;
}

export interface Config {
  /** The operator's. */
  readonly privateKey: string;
  /** Address that the operator works for. */
  readonly provider: string;
  /** null: PROVIDER_DIR has the key. */
  readonly encryptionKey: EncryptionKey | null;
  readonly rpcUrl: string;
  readonly proxies: ProxySettings;
  /** Undefined if none was chosen. */
  readonly deploymentDirectory: string | undefined;
  readonly confirmations: number;
  /** Milliseconds. */
  readonly pollInterval: number;
  /** Neuron per unit of gas. */
  readonly maxGasPrice: bigint;
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
  /** For the processes that go online on behalf of training runs. */
  readonly onlineEnvironment: Readonly<Record<string, string>>;
  readonly trackerHosts: readonly string[];
  readonly checkpoints: { readonly days: number; readonly tasks: number };
  readonly maxModelBytes: number;
  readonly sandbox: { readonly maxFileBytes: number } | null;
  readonly maxJobBytes: number;
  readonly trainer:
    | { readonly kind: "local" }
    | { readonly kind: "slurm"; readonly options: string[] };
  readonly slots: number;
  readonly maxDatasetBytes: number;
  readonly counting: { readonly memoryBytes: number; readonly seconds: number };
  readonly logLevel: string;
}

/**
 * Reads the environment. Relative paths are relative to the working directory.
 * @throws ProviderError that names the invalid variable. It never contains keys.
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const present = Object.entries(environment).filter(([, value]) => value !== "");
  const parsed = Environment.safeParse(Object.fromEntries(present));
  if (!parsed.success) throw invalidConfigError(parsed.error);
  const values = parsed.data;
  const directory = resolve(values.PROVIDER_DIR);
  const privateKey = readPrivateKey(values);
  return {
    privateKey,
    provider: values.PROVIDER_ADDRESS ?? computeAddress(privateKey),
    encryptionKey: values.PROVIDER_ENCRYPTION_KEY
      ? new EncryptionKey(getBytes(values.PROVIDER_ENCRYPTION_KEY))
      : null,
    rpcUrl: values.RPC_ENDPOINT,
    proxies: readProxies(environment),
    deploymentDirectory: values.DEPLOYMENT_DIR && resolve(values.DEPLOYMENT_DIR),
    confirmations: values.CONFIRMATIONS,
    pollInterval: values.POLL_INTERVAL_MS,
    maxGasPrice: values.MAX_GAS_PRICE,
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
          addressBytes: values.STORAGE_ADDRESS_BYTES,
          walletBytes: values.STORAGE_WALLET_BYTES,
        },
    modelsDirectory: resolve(values.MODELS_DIR),
    python: values.PYTHON.includes("/") ? resolve(values.PYTHON) : values.PYTHON,
    trainerEnvironment: pickTrainerEnvironment(environment),
    onlineEnvironment: {
      ...pick(environment, ONLINE_VARIABLES),
      HF_ENDPOINT: values.HF_ENDPOINT.replace(/\/+$/, ""),
    },
    trackerHosts: values.TRACKER_HOSTS.split(",").map((host) => host.trim().toLowerCase()),
    checkpoints: { days: values.CHECKPOINT_DAYS, tasks: values.CHECKPOINT_TASKS },
    maxModelBytes: values.MAX_MODEL_BYTES,
    sandbox: values.SANDBOX === "on" ? { maxFileBytes: values.MAX_FILE_BYTES } : null,
    maxJobBytes: values.MAX_JOB_BYTES,
    trainer:
      values.TRAINER === "local"
        ? { kind: "local" }
        : { kind: "slurm", options: values.SLURM_OPTIONS.split(/\s+/).filter(Boolean) },
    slots: values.SLOTS,
    maxDatasetBytes: values.MAX_DATASET_BYTES,
    counting: { memoryBytes: values.COUNT_MEMORY_BYTES, seconds: values.COUNT_SECONDS },
    logLevel: values.LOG_LEVEL,
  };
}

/** What a connection to a hub or tracker needs: proxies and certificates. */
const ONLINE_VARIABLES = [
  "PATH",
  "HOME",
  "LANG",
  "LC_ALL",
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

function isHttpUrl(text: string): boolean {
  return URL.canParse(text.trim()) && /^https?:/.test(text.trim());
}

function isStorageUrl(text: string): boolean {
  return URL.canParse(text.trim().replace(/^0g\+/, ""));
}

function pickTrainerEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const picked = pick(environment, TRAINER_VARIABLES);
  return { ...picked, HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" };
}

function pick(environment: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  const picked = names.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(picked);
}

function readPrivateKey(values: z.output<typeof Environment>): string {
  const { PROVIDER_KEYSTORE: path, PROVIDER_PRIVATE_KEY: privateKey } = values;
  if (path !== undefined) {
    return openKeystore({
      path: resolve(path),
      passphrase: values.PROVIDER_PASSPHRASE,
      passphraseFile: values.PROVIDER_PASSPHRASE_FILE,
    });
  }
  if (privateKey !== undefined) return privateKey;
  throw new ProviderError("PROVIDER_PRIVATE_KEY is not set.", {
    retryable: false,
    hint: "Set PROVIDER_KEYSTORE and PROVIDER_PASSPHRASE_FILE, or on a local network PROVIDER_PRIVATE_KEY.",
  });
}

function hexKey() {
  return z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{64}$/, "is not 32 bytes of hexadecimal")
    .transform((text) => (text.startsWith("0x") ? text : `0x${text}`))
    .refine((text) => EncryptionKey.isValid(getBytes(text)), "is not a secp256k1 key");
}

function address() {
  return z
    .string()
    .refine((text) => text.startsWith("0x") && isAddress(text), "is not an address")
    .transform((text) => getAddress(text));
}

function integer(minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d+$/, "is not a whole number")
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum));
}

function invalidConfigError(error: z.ZodError): ProviderError {
  const issue = error.issues[0]!;
  const name = String(issue.path[0]);
  const missing = issue.code === "invalid_type" && issue.message.includes("undefined");
  return new ProviderError(missing ? `${name} is not set.` : `${name} ${issue.message}.`, {
    retryable: false,
    hint: "The table at the top of provider/config.ts explains each variable.",
  });
}
