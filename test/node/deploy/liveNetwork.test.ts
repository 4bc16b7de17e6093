import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { HDNodeWallet, JsonRpcProvider, keccak256, Mnemonic } from "ethers";
import { after, afterEach, before, describe, it } from "mocha";
import { readDeployment } from "../../../sdk/deployment.ts";
import { addressIn, ended, start } from "./deployProcess.ts";

const CHAIN_ID = 16602;
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const DEPLOYER = HDNodeWallet.fromMnemonic(MNEMONIC, "m/44'/60'/0'/0/0");

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: unknown[];
}

/** The answer of an endpoint in place of its node; undefined asks the node. */
type Spoil = (request: Request) => { result: unknown } | undefined;

/** `npx hardhat deploy` on a chain with the id of 0G's testnet, whose endpoint misbehaves. */
describe("npx hardhat deploy on a live network", () => {
  let node: ChildProcess;
  let rpc: JsonRpcProvider;
  let nodeUrl: string;
  let endpoint: Server;
  let spoil: Spoil = () => undefined;
  let folder: string;
  let deployments: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-live-"));
    deployments = join(folder, "testnet");
    const words = ["node", "--hostname", "127.0.0.1", "--port", "0"];
    node = start([...words, "--chain-id", `${CHAIN_ID}`]);
    nodeUrl = await addressIn(node);
    rpc = new JsonRpcProvider(nodeUrl, CHAIN_ID, {
      staticNetwork: true,
      batchMaxCount: 1,
      cacheTimeout: -1,
    });
    endpoint = createServer(async (incoming, response) => {
      const request = (await json(incoming)) as Request;
      const instead = spoil(request);
      const body = instead
        ? JSON.stringify({ jsonrpc: "2.0", id: request.id, ...instead })
        : await forward(request);
      response.setHeader("content-type", "application/json").end(body);
    }).listen(0, "127.0.0.1");
    await once(endpoint, "listening");
  });

  afterEach(() => {
    spoil = () => undefined;
  });

  after(async () => {
    rpc?.destroy();
    endpoint?.closeAllConnections();
    endpoint?.close();
    if (node?.exitCode === null) {
      node.kill();
      await once(node, "exit");
    }
    await rm(folder, { recursive: true });
  });

  const forward = async (request: Request) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(request);
    return (await fetch(nodeUrl, { method: "POST", headers, body })).text();
  };

  const begin = (flags: string[] = [], place = deployments) =>
    start(["deploy", "--network", "testnet", ...flags], {
      RPC_ENDPOINT: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`,
      ZG_PRIVATE_KEY: DEPLOYER.privateKey,
      ANNEAL_DEPLOYMENTS: place,
    });
  const deploy = (flags?: string[], place?: string) => ended(begin(flags, place));

  const sent = () => rpc.getTransactionCount(DEPLOYER.address);

  const files = async () => {
    const entries = (await readdir(deployments)).sort().map(async (name) => {
      return [name, await readFile(join(deployments, name), "utf8")] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  };

  const swallow =
    (count: number): Spoil =>
    ({ method, params }) => {
      if (method !== "eth_sendRawTransaction" || count-- <= 0) return undefined;
      return { result: keccak256(params[0] as string) };
    };

  it("refuses a missing or malformed key, and the endpoint of another network, in one sentence", async () => {
    const run = async (network: string, key: string) => {
      const child = start(["deploy", "--network", network], {
        RPC_ENDPOINT: nodeUrl,
        ZG_PRIVATE_KEY: key,
        ANNEAL_DEPLOYMENTS: join(folder, "refused", network),
      });
      const { stderr, exitCode } = await ended(child);
      expect(exitCode).to.equal(1);
      return stderr;
    };
    expect(await run("testnet", "")).to.match(/^Error: .*private key is not set\.\nSet ZG_.+\n$/);
    const wrong = await run("testnet", `${DEPLOYER.privateKey}ff`);
    expect(wrong).to.match(/^Error: ZG_PRIVATE_KEY is not 32 bytes in hexadecimal\.\nSet ZG_.+\n$/);
    expect(wrong).not.to.contain(DEPLOYER.privateKey.slice(2));
    expect(await run("mainnet", DEPLOYER.privateKey)).to.match(
      /^Error: .*is on chain 16602, but the network mainnet is chain 16661\.\n.*RPC_ENDPOINT\.\n$/,
    );
    expect(await sent()).to.equal(0);
  });

  it("ends after --timeout if the endpoint has lost a transaction, and the next run sends it again", async () => {
    spoil = swallow(1);
    const lost = await deploy(["--timeout", "3"]);
    expect(lost.exitCode).to.equal(1);
    const said = /accepted transaction (0x\w{64}), but after 3 seconds does not know it/;
    expect(lost.stderr).to.match(said);
    const hash = said.exec(lost.stderr)![1]!;
    expect(await sent()).to.equal(0);
    expect(await readdir(deployments)).to.contain(".pending_transactions.json");

    const healthy = await deploy();
    expect(healthy.exitCode, healthy.stderr).to.equal(0);
    expect(healthy.stderr).to.contain(`${hash} of an interrupted deployment was lost`);
    expect(await sent()).to.equal(2);
    expect(await readdir(deployments)).to.not.contain(".pending_transactions.json");
    const { ledger, serving } = await readDeployment(deployments);
    for (const { address } of [ledger, serving]) {
      expect(await rpc.getCode(address)).to.not.equal("0x");
    }
  });

  it("keeps the files if a node that dropped old blocks reports another first block", async () => {
    const before = { sent: await sent(), files: await files() };
    spoil = ({ method, params }) =>
      method === "eth_getBlockByNumber" && (params[0] === "earliest" || params[0] === "0x0")
        ? { result: { hash: `0x${"ab".repeat(32)}`, number: "0x10" } }
        : undefined;
    const { exitCode, stderr } = await deploy();
    expect(exitCode, stderr).to.equal(0);
    expect({ sent: await sent(), files: await files() }).to.deep.equal(before);
  });

  it("keeps the files and sends nothing if an endpoint has none of the contracts", async () => {
    const before = { sent: await sent(), files: await files() };
    spoil = ({ method }) => (method === "eth_getCode" ? { result: "0x" } : undefined);
    const { exitCode, stderr } = await deploy();
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain("has no code at 0x").and.contain("Use another endpoint");
    expect({ sent: await sent(), files: await files() }).to.deep.equal(before);
  });

  it("keeps the files and sends nothing if the endpoint is on another chain", async () => {
    const chain = join(deployments, ".chain");
    const before = await readFile(chain, "utf8");
    await writeFile(chain, before.replace("16602", "16661"));
    const count = await sent();
    const { exitCode, stderr } = await deploy();
    await writeFile(chain, before);
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain("is a deployment on chain 16661, but the endpoint is on chain");
    expect(await sent()).to.equal(count);
  });

  it("replaces no contract that is deployed, not even with other code", async () => {
    const path = join(deployments, "Ledger.json");
    const before = await readFile(path, "utf8");
    const ledger = JSON.parse(before);
    const bytecode = ledger.bytecode.replace("0x60", "0x61");
    await writeFile(path, JSON.stringify({ ...ledger, bytecode }));
    const count = await sent();
    const { exitCode, stderr } = await deploy();
    await writeFile(path, before);
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain("deploying would replace").and.contain("deploy a second pair");
    expect(await sent()).to.equal(count);
  });

  it("an interrupted run with a lost transaction does not stop the next one", async () => {
    const place = join(folder, "interrupted/testnet");
    const count = await sent();
    spoil = swallow(1);
    const interrupted = begin([], place);
    while (!existsSync(join(place, ".pending_transactions.json"))) await sleep(50);
    interrupted.kill("SIGINT");
    await ended(interrupted);
    const { exitCode, stderr } = await deploy([], place);
    expect(exitCode, stderr).to.equal(0);
    expect(await sent()).to.equal(count + 2);
  });

  it("does not send a deployed contract again, even if the endpoint has forgotten the transaction", async () => {
    const place = join(folder, "forgotten/testnet");
    spoil = ({ method }) => (method === "eth_getTransactionReceipt" ? { result: null } : undefined);
    expect((await deploy(["--timeout", "2"], place)).exitCode).to.equal(1);
    const count = await sent();
    spoil = ({ method }) =>
      /^eth_getTransaction(Receipt|ByHash)$/.test(method) ? { result: null } : undefined;
    const { exitCode, stderr } = await deploy([], place);
    expect(exitCode).to.equal(1);
    expect(stderr).to.contain("Use another endpoint that knows the transaction");
    expect(await sent()).to.equal(count);
    spoil = () => undefined;
    expect((await deploy([], place)).exitCode).to.equal(0);
    expect(await sent()).to.equal(count + 1);
  });

  it("continues to wait for a pending transaction, and sends it once", async () => {
    const place = join(folder, "slow/testnet");
    const count = await sent();
    await rpc.send("evm_setAutomine", [false]);
    await rpc.send("evm_setIntervalMining", [0]);
    const slow = await deploy(["--timeout", "2"], place);
    expect(slow.exitCode).to.equal(1);
    expect(slow.stderr).to.match(/Transaction 0x\w{64} is not in a block after 2 seconds\./);
    const next = begin([], place);
    await rpc.send("evm_setAutomine", [true]);
    await rpc.send("evm_mine", []);
    const { exitCode, stderr } = await ended(next);
    expect(exitCode, stderr).to.equal(0);
    expect(await sent()).to.equal(count + 2);
  });
});
