import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { hexlify, keccak256, toUtf8Bytes } from "ethers";
import type { FastifyInstance } from "fastify";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { createStorageServer } from "../../../provider/storage/storageServer.ts";
import type { Client } from "../../../sdk/client.ts";
import { parseTaskId } from "../../../sdk/ids.ts";
import { signChallenge } from "../../../sdk/service/challenge.ts";
import { settleCancelled } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { startLocalChain } from "../../helpers/localChain.ts";
import { ENCRYPTION_KEY, MarketFixture, makeFolder, RATES } from "../../helpers/MarketFixture.ts";
import type { TestChain } from "../../helpers/TestChain.ts";
import { writeDeployment } from "../../helpers/writeDeployment.ts";
import { type CommandRun, runCommand } from "./runCommand.ts";

const hashOf = (text: string) => keccak256(toUtf8Bytes(text));

const TOKENIZER = JSON.stringify({ tokenizer: {}, tokenizerConfig: {} });
/** A byte counts as a quarter of a unit of work in each epoch, so as one in the default four epochs. */
const rates = { ...RATES, full: 2_500 };
const CATALOGUE = JSON.stringify({
  models: [
    {
      name: "tiny-qwen2",
      kind: "causal-lm",
      description: "A tiny language model with random weights",
      hash: hashOf("tiny-qwen2"),
      predefined: true,
      tokenizerHash: hashOf(TOKENIZER),
      rates,
    },
    {
      name: "tiny-distilbert",
      kind: "text-classification",
      description: "A tiny classifier with random weights",
      hash: hashOf("tiny-distilbert"),
      predefined: false,
      tokenizerHash: hashOf(TOKENIZER),
      rates,
    },
  ],
});

export interface FakeDaemon {
  readonly url: string;
  queue: { slots: number; running: number; waiting: number; device?: string };
  /** Answers to GET /v1/tasks/:uuid; undefined is 404. */
  status: unknown;
  log: string[];
  events: object[];
  /** Secrets as received, sealed. */
  sealed: Uint8Array[];
  catalogue: string;
  /** Of every model. */
  tokenizer: string;
  /** Who it works for, and as whom, if not as the provider. */
  provider?: string;
  operator?: string;
}

const ORDERING = ["create-task", "fine-tuning create"];

interface RunOptions {
  readonly env?: Record<string, string | undefined>;
  readonly terminal?: number | undefined;
}

/** A market with a storage node and a provider's API, and commands that use them. No provider is registered. */
export class CommandFixture extends MarketFixture {
  /** The URLs and addresses that commands use. */
  readonly env: Record<string, string>;
  readonly #storage: FastifyInstance;
  #api: FakeApi | null = null;

  private constructor(chain: TestChain, folder: string, storage: FastifyInstance, url: string) {
    super(chain, url, folder);
    this.#storage = storage;
    this.env = {
      RPC_ENDPOINT: chain.rpcUrl,
      STORAGE_ENDPOINT: url,
      ANNEAL_DEPLOYMENTS: folder,
      XDG_CACHE_HOME: join(folder, "cache"),
    };
    writeDeployment(folder, chain.deployment);
  }

  static override async open(): Promise<CommandFixture> {
    const folder = makeFolder();
    const storage = await createStorageServer({
      directory: join(folder, "storage"),
      limits: {
        totalBytes: 2 ** 30,
        uploadBytes: 2 ** 30,
        freeDiskBytes: 0,
        abandonedAfterMs: 60_000,
      },
    });
    const url = await storage.listen({ host: "127.0.0.1", port: 0 });
    const market = new CommandFixture(await startLocalChain(), folder, storage, url);
    market.#api = await startFakeApi(market.provider);
    return market;
  }

  /** What the provider's API answers; tests change it. */
  get daemon(): FakeDaemon {
    return this.#api!.daemon;
  }

  /** Runs a command against this market. Orders are agreed to in advance, unless the flags say otherwise. */
  async run(
    name: string,
    flags: Record<string, unknown> = {},
    { env, terminal }: RunOptions = {},
  ): Promise<CommandRun> {
    const hre = (await import("hardhat")).default as HardhatRuntimeEnvironment;
    const agreed = ORDERING.includes(name) ? { yes: true, ...flags } : flags;
    return runCommand(hre, name, agreed, {
      env: { ...this.env, ZG_PRIVATE_KEY: undefined, ...env },
      terminal,
    });
  }

  /** The same with --json: its output on stdout, which must be one document. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  async json(name: string, flags: Record<string, unknown> = {}): Promise<any> {
    const { stdout } = await this.run(name, { ...flags, json: true });
    return JSON.parse(stdout);
  }

  override async close(): Promise<void> {
    await this.#api!.close();
    await this.#storage.close();
    await super.close();
  }
}

interface FakeApi {
  readonly daemon: FakeDaemon;
  close(): Promise<void>;
}

/** Starts the API of a provider, which signs with its client. */
export async function startFakeApi(client: Client): Promise<FakeApi> {
  const daemon: FakeDaemon & { url: string } = {
    url: "",
    queue: { slots: 1, running: 0, waiting: 0 },
    status: undefined as unknown,
    log: [] as string[],
    events: [] as object[],
    sealed: [] as Uint8Array[],
    catalogue: CATALOGUE,
    tokenizer: TOKENIZER,
  };
  const server = createServer((request, response) => {
    answer(client, daemon, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  daemon.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { daemon, close };
}

async function answer(
  client: Client,
  daemon: FakeDaemon,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const reply = (body: string | Uint8Array, status = 200) => response.writeHead(status).end(body);
  const missing = {
    code: "not-found",
    message: "There is no such thing.",
    hint: "Look elsewhere.",
  };
  if (pathname === "/v1/models") reply(daemon.catalogue);
  else if (pathname === "/v1/queue") reply(JSON.stringify(daemon.queue));
  else if (pathname === "/v1/terms") reply(JSON.stringify(await termsOf(client, daemon)));
  else if (pathname === "/v1/challenge") {
    const nonce = searchParams.get("nonce")!;
    reply(JSON.stringify(await signChallenge(client, { nonce })));
  } else if (pathname.endsWith("/usage")) reply(EMPTY_ZIP);
  else if (pathname.endsWith("/tokenizer")) reply(daemon.tokenizer);
  else if (pathname.endsWith("/log")) reply(daemon.log.map((line) => `${line}\n`).join(""));
  else if (pathname.endsWith("/events")) {
    reply(daemon.events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  } else if (pathname.endsWith("/secrets") && request.method === "PUT") {
    daemon.sealed.push(await buffer(request));
    reply(JSON.stringify({ stored: true }));
  } else if (pathname.endsWith("/cancellation")) {
    reply(await answerCancellation(client, request));
  } else if (daemon.status !== undefined) reply(JSON.stringify(daemon.status));
  else reply(JSON.stringify(missing), 404);
}

/** Half of a fee of 140 is due, and is settled when the user agrees. */
async function answerCancellation(client: Client, request: IncomingMessage): Promise<string> {
  const uuid = request.url!.split("/").at(-2)!;
  if (request.method === "GET") {
    return JSON.stringify({ id: uuid, amount: "70", fee: "140", until: 2_000_000_000 });
  }
  const { amount, ...consent } = JSON.parse((await buffer(request)).toString());
  const settlement = { ...consent, id: parseTaskId(uuid), amount: BigInt(amount) };
  await send(client, settleCancelled(client, settlement));
  return JSON.stringify({ accepted: true });
}

async function termsOf(client: Client, { catalogue, ...daemon }: FakeDaemon) {
  const address = await client.signer!.getAddress();
  return {
    provider: daemon.provider ?? address,
    operator: daemon.operator ?? address,
    catalogueHash: keccak256(toUtf8Bytes(catalogue)),
    encryptionKey: ENCRYPTION_KEY,
  };
}

const EMPTY_ZIP = Buffer.concat([Buffer.from("PK\x05\x06", "latin1"), Buffer.alloc(18)]);

/** 32 random-looking bytes that are the same in every run. */
export const fixedBytes = (seed: string) => hexlify(toUtf8Bytes(seed.padEnd(32, ".")));
