import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { expect } from "chai";
import { Contract, ContractFactory, type InterfaceAbi, JsonRpcProvider } from "ethers";
import { after, before, describe, it } from "mocha";
import { parametersOf } from "../../../deploy/_parameters.ts";
import { readDeployment } from "../../../sdk/deployment.ts";
import { rejection } from "../../helpers/rejection.ts";
import { addressIn, ended, start } from "./deployProcess.ts";

const CHAIN_ID = 31337;

/**
 * The real command line, against a real node in its own process. The tests are one sequence and depend on each other.
 */
describe("npx hardhat deploy", () => {
  let node: ChildProcess;
  let rpcUrl: string;
  let rpc: JsonRpcProvider;
  let folder: string;
  let deployments: string;
  let announced: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-deploy-"));
    deployments = join(folder, "localhost");
    node = start(["node", "--hostname", "127.0.0.1", "--port", "0"]);
    rpcUrl = await addressIn(node);
    rpc = new JsonRpcProvider(rpcUrl, CHAIN_ID, {
      staticNetwork: true,
      batchMaxCount: 1,
      cacheTimeout: -1,
    });
  });

  after(async () => {
    rpc?.destroy();
    if (node?.exitCode === null) {
      node.kill();
      await once(node, "exit");
    }
    await rm(folder, { recursive: true });
  });

  const deploy = async (flags: string[] = [], env: Record<string, string> = {}) => {
    const child = start(["deploy", "--network", "localhost", ...flags], {
      RPC_ENDPOINT: rpcUrl,
      ANNEAL_DEPLOYMENTS: deployments,
      ...env,
    });
    return ended(child);
  };

  /** Transactions that the deployer has sent. */
  const sent = async () => rpc.getTransactionCount(await rpc.getSigner(0));

  /** The contents of a deployment's files, by name. */
  const files = async () => {
    const names = (await readdir(deployments)).filter((name) => name.endsWith(".json")).sort();
    const entries = names.map(async (name) => [
      name,
      await readFile(join(deployments, name), "utf8"),
    ]);
    return Object.fromEntries(await Promise.all(entries)) as Record<string, string>;
  };

  /** Runs `work` with a changed deployment file. */
  async function withFile<T>(
    name: string,
    change: (text: string) => string,
    work: () => Promise<T>,
  ) {
    const file = join(deployments, name);
    const before = await readFile(file, "utf8");
    await writeFile(file, change(before));
    try {
      return await work();
    } finally {
      await writeFile(file, before);
    }
  }

  it("shows with --dry-run what it would send, and sends and writes nothing", async () => {
    const { stdout, exitCode } = await deploy(["--dry-run"]);
    announced = stdout;
    expect(exitCode).to.equal(0);
    const { lockPeriod, minimumStake } = parametersOf(CHAIN_ID);
    const deployer = (await rpc.getSigner(0)).address.toLowerCase();
    expect(stdout)
      .to.match(/Would deploy Ledger\n/)
      .and.match(/Would deploy FineTuningServing\n/);
    expect(stdout).to.match(new RegExp(`Deployer +${deployer}`));
    expect(stdout).to.match(new RegExp(`lockPeriod_ +${lockPeriod}\n`));
    expect(stdout).to.match(new RegExp(`parameters.minimumStake +${minimumStake}\n`));
    expect(stdout)
      .to.match(/Gas +[1-9]\d+\n/)
      .and.match(/Cost \(OG\) +0\.\d+\n/);
    expect(stdout).to.match(/Nothing was sent\.\n$/);
    expect(await sent()).to.equal(0);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("deploys to no chain in memory, which would end with the command", async () => {
    for (const flags of [[], ["--network", "default"]]) {
      const { stdout, stderr, exitCode } = await ended(start(["deploy", ...flags]));
      expect(exitCode).to.equal(1);
      expect(stdout).to.equal("");
      expect(stderr).to.match(/^Error: .+\n.*--network localhost, testnet or mainnet\.\n$/);
    }
  });

  it("says in one sentence that the endpoint does not answer, or that the network is unknown", async () => {
    const dead = await deploy([], { RPC_ENDPOINT: "http://127.0.0.1:1" });
    expect(dead.stderr).to.equal(
      "Error: The RPC endpoint of the network localhost does not answer.\nStart its node, or correct RPC_ENDPOINT.\n",
    );
    for (const words of [["deploy"], ["verify", "deployment"]]) {
      const { stderr } = await ended(start([...words, "--network", "localhots"]));
      expect(stderr).to.equal(
        'Error: There is no network "localhots" with an RPC endpoint.\nDid you mean "localhost"?\n',
      );
    }
  });

  it("deploys at the addresses it announced, with the parameters of the chain, and shows them", async () => {
    const { stdout, exitCode } = await deploy();
    expect(exitCode).to.equal(0);
    const { chainId, ledger, serving } = await readDeployment(deployments);
    expect(stdout).to.match(new RegExp(`^Deployed on localhost \\(chain ${CHAIN_ID}\\)$`, "m"));
    expect(stdout).to.match(new RegExp(`^Ledger +${ledger.address}$`, "m"));
    expect(stdout).to.match(new RegExp(`^FineTuningServing +${serving.address}$`, "m"));
    expect(stdout).to.match(/\nVerified: .+\n$/);
    expect(chainId).to.equal(CHAIN_ID);
    expect(announced).to.include(ledger.address).and.include(serving.address);
    const { lockPeriod, minimumStake, ackPeriod } = parametersOf(CHAIN_ID);
    const view = (name: string) =>
      new Contract(serving.address, serving.abi, rpc).getFunction(name)();
    expect(
      await new Contract(ledger.address, ledger.abi, rpc).getFunction("lockPeriod")(),
    ).to.equal(lockPeriod);
    expect((await view("ledger")).toLowerCase()).to.equal(ledger.address);
    expect(await view("minimumStake")).to.equal(minimumStake);
    expect(await view("ackPeriod")).to.equal(ackPeriod);
  });

  it("asks the next endpoint if the first does not answer, and refuses an invalid one", async () => {
    const { exitCode, stderr } = await deploy([], { RPC_ENDPOINT: `http://127.0.0.1:1,${rpcUrl}` });
    expect(exitCode, stderr).to.equal(0);
    const wrong = await deploy([], { RPC_ENDPOINT: `${rpcUrl},localhost` });
    expect(wrong.stderr)
      .to.contain("Error: The RPC endpoint is not a URL")
      .and.contain("RPC_ENDPOINT");
    expect(wrong.exitCode).to.equal(1);
  });

  it("sends and changes nothing when it runs again", async () => {
    const before = { sent: await sent(), files: await files() };
    expect((await deploy()).exitCode).to.equal(0);
    expect({ sent: await sent(), files: await files() }).to.deep.equal(before);
    const { stdout } = await deploy(["--dry-run"]);
    expect(stdout).to.match(/Everything is deployed already and verified\.\nNothing was sent\.\n$/);
  });

  it("refuses a contract with other parameters before it sends anything", async () => {
    const { abi, bytecode } = JSON.parse((await files())["Ledger.json"]!);
    const other = await place(rpc, abi, bytecode, parametersOf(CHAIN_ID).lockPeriod + 1n);
    const before = await sent();
    const { stderr, exitCode } = await withFile("Ledger.json", addressed(other), () => deploy());
    expect(exitCode).to.equal(1);
    expect(stderr).to.include(`Ledger at ${other} has lockPeriod 61 instead of 60.`);
    expect(await sent()).to.equal(before);
  });

  it("refuses two contracts that do not belong together", async () => {
    const pair = await files();
    const ledger = JSON.parse(pair["Ledger.json"]!);
    const other = await place(rpc, ledger.abi, ledger.bytecode, parametersOf(CHAIN_ID).lockPeriod);
    // the Serving's file records the other Ledger as its argument, so that nothing looks new
    const claimed = (address: string) => address.slice(2).toLowerCase();
    const claim = (text: string) => text.replaceAll(claimed(ledger.address), claimed(other));
    const { stderr, exitCode } = await withFile("Ledger.json", addressed(other), () =>
      withFile("FineTuningServing.json", claim, () => deploy()),
    );
    expect(exitCode).to.equal(1);
    expect(stderr).to.match(/FineTuningServing at 0x\w+ has ledger 0x\w+ instead of 0x\w+\./);
  });

  it("refuses other code, and an address without any", async () => {
    const { serving } = await readDeployment(deployments);
    const nobody = `0x${"ab".repeat(20)}`;
    const other = await withFile("Ledger.json", addressed(serving.address), () => deploy());
    const none = await withFile("FineTuningServing.json", addressed(nobody), () => deploy());
    expect([other.exitCode, none.exitCode]).to.deep.equal([1, 1]);
    expect(other.stderr).to.include(`The code at ${serving.address} is not that of Ledger.`);
    expect(other.stderr).to.include("remove that file to deploy Ledger again");
    expect(none.stderr).to.include(`The code at ${nobody} is not that of FineTuningServing.`);
  });

  it("refuses a serving contract whose rules are others", async () => {
    const { serving } = await readDeployment(deployments);
    const rules = await new Contract(serving.address, serving.abi, rpc).getFunction("rules")();
    const code = await rpc.getCode(rules);
    await rpc.send("hardhat_setCode", [rules, code.replace("0x60", "0x61")]);
    const { stderr, exitCode } = await deploy();
    await rpc.send("hardhat_setCode", [rules, code]);
    expect(exitCode).to.equal(1);
    expect(stderr).to.include(
      `FineTuningServing at ${serving.address} has rules ${rules}, whose code is different.`,
    );
  });

  /** Runs `work` while the chain has none of the contracts, as after a restart of the node. */
  async function withoutCode<T>(work: () => Promise<T>): Promise<T> {
    const addresses = Object.entries(await files()).map(([, text]) => JSON.parse(text).address);
    const codes = await Promise.all(addresses.map((address) => rpc.getCode(address)));
    const put = (codeOf: (index: number) => string) =>
      Promise.all(addresses.map((it, index) => rpc.send("hardhat_setCode", [it, codeOf(index)])));
    await put(() => "0x");
    try {
      return await work();
    } finally {
      await put((index) => codes[index]!);
    }
  }

  it("ignores the files of a local chain that no longer exists, and leaves them alone with --dry-run", async () => {
    const before = { sent: await sent(), files: await files() };
    const { stdout, stderr } = await withoutCode(() => deploy(["--dry-run"]));
    expect(stderr).to.contain("it was restarted");
    expect(stdout).to.include("Would deploy Ledger");
    expect({ sent: await sent(), files: await files() }).to.deep.equal(before);
  });

  it("deploys again on a local chain that was restarted", async () => {
    const folder2 = join(folder, "second/localhost");
    const second = { ANNEAL_DEPLOYMENTS: folder2 };
    expect((await deploy([], second)).exitCode).to.equal(0);
    const first = await readDeployment(folder2);
    const none = await Promise.all(
      [first.ledger, first.serving].map(({ address }) =>
        rpc.send("hardhat_setCode", [address, "0x"]),
      ),
    );
    expect(none).to.deep.equal([true, true]);
    const flow = JSON.parse(await readFile(join(folder2, "Flow.json"), "utf8"));
    await rpc.send("hardhat_setCode", [flow.address, "0x"]);
    expect((await deploy([], second)).exitCode).to.equal(0);
    const { ledger } = await readDeployment(folder2);
    expect(ledger.address).to.not.equal(first.ledger.address);
    expect(await rpc.getCode(ledger.address)).to.not.equal("0x");
  });

  it("keeps a deployment whose contracts exist, whatever the endpoint says about the first block", async () => {
    const before = { sent: await sent(), files: await files() };
    const other = (text: string) => text.replace(/("genesisHash":\s*"0x)../, "$1ff");
    const { exitCode } = await withFile(".chain", other, () => deploy());
    expect(exitCode).to.equal(0);
    expect({ sent: await sent(), files: await files() }).to.deep.equal(before);
  });

  it("sends nothing if the deployer cannot pay for everything", async () => {
    const deployer = (await rpc.getSigner(0)).address;
    const before = await sent();
    const balance = await rpc.getBalance(deployer);
    await rpc.send("hardhat_setBalance", [deployer, "0x1"]);
    const { stderr, exitCode } = await deploy([], {
      ANNEAL_DEPLOYMENTS: join(folder, "poor/localhost"),
    });
    await rpc.send("hardhat_setBalance", [deployer, `0x${balance.toString(16)}`]);
    expect(exitCode).to.equal(1);
    expect(stderr).to.match(
      /The deployment costs about 0\.\d+ OG, but the deployer 0x\w+ has 0\.0/,
    );
    expect(await sent()).to.equal(before);
  });

  it("refuses tags that no contract has", async () => {
    const place = { ANNEAL_DEPLOYMENTS: join(folder, "nothing/localhost") };
    const { stderr, exitCode } = await deploy(["--tags", "Ledgre"], place);
    expect(exitCode).to.equal(1);
    expect(stderr).to.include("No contract has the tag Ledgre.");
  });

  it("refuses a chain without parameters", async () => {
    const methods: string[] = [];
    const server = createServer(async (request, response) => {
      const { id, method } = (await json(request)) as { id: number; method: string };
      methods.push(method);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result: "0x1092" }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { stderr, exitCode } = await deploy([], { RPC_ENDPOINT: `http://127.0.0.1:${port}` });
    server.close();
    expect(exitCode).to.equal(1);
    expect(stderr).to.include("There are no parameters for a deployment on chain 4242.");
    expect(new Set(methods)).to.deep.equal(new Set(["eth_chainId"]));
    expect((await rejection(() => parametersOf(4242))).hint).to.include("deploy/_parameters.ts");
  });

  it("refuses a deployments folder that is not named after the network", async () => {
    const { stderr, exitCode } = await deploy([], {
      ANNEAL_DEPLOYMENTS: join(folder, "elsewhere"),
    });
    expect(exitCode).to.equal(1);
    expect(stderr).to.include("does not end in the network's name, localhost.");
  });
});

/** Deploys without the scripts, from an account that is not the deployer. */
async function place(
  rpc: JsonRpcProvider,
  abi: InterfaceAbi,
  bytecode: string,
  ...args: unknown[]
): Promise<string> {
  const factory = new ContractFactory(abi, bytecode, await rpc.getSigner(1));
  const contract = await factory.deploy(...args);
  await contract.waitForDeployment();
  return (await contract.getAddress()).toLowerCase();
}

/** The same file with another address in it. */
const addressed = (address: string) => (text: string) =>
  JSON.stringify({ ...JSON.parse(text), address });
