import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { AbiCoder, Contract, HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import hre from "hardhat";
import { after, afterEach, before, describe, it } from "mocha";
import { parametersOf } from "../../../deploy/_parameters.ts";
import { type Deployment, readDeployment } from "../../../sdk/deployment.ts";
import {
  type StandInExplorer,
  type Submission,
  startExplorer,
} from "../../helpers/standInExplorer.ts";
import { writeDeployment } from "../../helpers/writeDeployment.ts";
import { addressIn, ended, start } from "./deployProcess.ts";

const CHAIN_ID = 16602;
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const DEPLOYER = HDNodeWallet.fromMnemonic(MNEMONIC, "m/44'/60'/0'/0/0");
const CONFIG = join(import.meta.dirname, "../../helpers/explorerConfig.ts");
const solc = createRequire(import.meta.url)("solc") as {
  compile(input: string): string;
  version(): string;
};

/** The part of the compiler's output that is compared. */
interface Compiled {
  readonly evm: {
    readonly bytecode: { readonly object: string };
    readonly deployedBytecode: { readonly object: string };
  };
}

/** Compiles what an explorer was sent, as the explorer does. */
function compile({ sourceCode, contractname }: Submission): Compiled {
  const { contracts, errors } = JSON.parse(solc.compile(sourceCode));
  const [file, name] = contractname.split(":") as [string, string];
  return contracts?.[file]?.[name] ?? expect.fail(JSON.stringify(errors));
}

describe("npx hardhat verify deployment", () => {
  let node: ChildProcess;
  let rpcUrl: string;
  let rpc: JsonRpcProvider;
  let explorer: StandInExplorer;
  let folder: string;
  let deployment: Deployment;
  /** Addresses in lower case. */
  let ledger: string;
  let serving: string;
  let rules: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-verify-"));
    node = start(["node", "--hostname", "127.0.0.1", "--port", "0", "--chain-id", `${CHAIN_ID}`]);
    rpcUrl = await addressIn(node);
    rpc = new JsonRpcProvider(rpcUrl, CHAIN_ID, { staticNetwork: true, batchMaxCount: 1 });
    explorer = await startExplorer();
    const deployed = await ended(
      start(["deploy", "--network", "testnet"], {
        RPC_ENDPOINT: rpcUrl,
        ZG_PRIVATE_KEY: DEPLOYER.privateKey,
        ANNEAL_DEPLOYMENTS: join(folder, "testnet"),
      }),
    );
    expect(deployed.exitCode, deployed.stderr).to.equal(0);
    deployment = await readDeployment(join(folder, "testnet"));
    ledger = deployment.ledger.address.toLowerCase();
    serving = deployment.serving.address.toLowerCase();
    const views = new Contract(serving, deployment.serving.abi, rpc);
    rules = (await views.getFunction("rules")()).toLowerCase();
  });

  afterEach(() => {
    explorer.refusals = {};
  });

  after(async () => {
    rpc?.destroy();
    await explorer?.close();
    if (node?.exitCode === null) {
      node.kill();
      await once(node, "exit");
    }
    await rm(folder, { recursive: true });
  });

  const verify = (env: Record<string, string> = {}, network = "testnet") =>
    ended(
      start(["--config", CONFIG, "verify", "deployment", "--network", network], {
        RPC_ENDPOINT: rpcUrl,
        EXPLORER_URL: explorer.url,
        ANNEAL_DEPLOYMENTS: join(folder, network),
        ...env,
      }),
    );

  const creationOf = async (name: string) => {
    const record = JSON.parse(await readFile(join(folder, `testnet/${name}.json`), "utf8"));
    return (await rpc.getTransaction(record.transaction.hash))!.data;
  };

  it("knows 0G's explorers", () => {
    const apiOf = (chainId: bigint) =>
      hre.config.chainDescriptors.get(chainId)?.blockExplorers.etherscan?.apiUrl;
    expect(apiOf(16602n)).to.equal("https://chainscan-galileo.0g.ai/open/api");
    expect(apiOf(16661n)).to.equal("https://chainscan.0g.ai/open/api");
  });

  it("is one sentence if the explorer refuses a source, or does not answer", async () => {
    const refused =
      /^Error: \w+ at 0x\w{40} is not verified: (.+)\.\nRun the same command again: .+\.\n$/;
    for (const [refusals, reason] of [
      [{ submission: "Invalid compiler version" }, "Invalid compiler version"],
      [{ status: "Fail - Unable to verify" }, "Fail - Unable to verify"],
    ] as const) {
      explorer.refusals = refusals;
      const { stdout, stderr, exitCode } = await verify();
      expect(refused.exec(stderr)?.[1], stderr).to.equal(reason);
      expect({ stdout, exitCode }).to.deep.equal({ stdout: "", exitCode: 10 });
    }
    const { stderr, exitCode } = await verify({ EXPLORER_URL: "http://127.0.0.1:1" });
    expect(refused.exec(stderr)?.[1], stderr).to.contain("ECONNREFUSED");
    expect(exitCode).to.equal(9);
    expect(explorer.verified.size).to.equal(0);
    explorer.submissions.length = 0;
  });

  it("sends what was deployed: sources, compiler and constructor arguments of every contract", async () => {
    const { stdout, stderr, exitCode } = await verify();
    expect(exitCode, stderr).to.equal(0);
    expect([...explorer.keys]).to.deep.equal(["none"]);
    const sent = new Map(
      explorer.submissions.map((each) => [each.contractaddress.toLowerCase(), each]),
    );
    expect([...sent.keys()].sort()).to.deep.equal([ledger, serving, rules].sort());
    for (const [address, submission] of sent) {
      expect(stdout).to.match(
        new RegExp(`^\\w+ is verified: ${explorer.url}/address/${address}#code$`, "mi"),
      );
      expect(submission.codeformat).to.equal("solidity-standard-json-input");
      expect(submission.compilerversion).to.match(/^v0\.8\.37\+commit\.\w{8}$/);
      expect(solc.version()).to.contain(submission.compilerversion.slice(1));
    }
    for (const [name, address] of [
      ["Ledger", ledger],
      ["FineTuningServing", serving],
    ] as const) {
      const submission = sent.get(address)!;
      const { bytecode } = compile(submission).evm;
      const created = `0x${bytecode.object}${submission.constructorArguments}`;
      expect(created === (await creationOf(name)), name).to.equal(true);
    }
    const { deployedBytecode } = compile(sent.get(rules)!).evm;
    expect(sent.get(rules)!.constructorArguments).to.equal("");
    expect(`0x${deployedBytecode.object}` === (await rpc.getCode(rules))).to.equal(true);
    const { lockPeriod } = parametersOf(CHAIN_ID);
    const coded = AbiCoder.defaultAbiCoder().encode(["uint256"], [lockPeriod]);
    expect(`0x${sent.get(ledger)!.constructorArguments}`).to.equal(coded);
  });

  it("leaves alone what is verified already", async () => {
    const before = explorer.submissions.length;
    expect((await verify()).exitCode).to.equal(0);
    expect(explorer.submissions.length).to.equal(before);
    explorer.verified.clear();
    explorer.refusals = { submission: "Contract source code already verified" };
    const { stderr, exitCode } = await verify();
    expect(exitCode, stderr).to.equal(0);
  });

  it("sends an API key from the environment", async () => {
    explorer.keys.clear();
    explorer.verified.add(ledger).add(serving).add(rules);
    expect((await verify({ EXPLORER_API_KEY: "secret" })).exitCode).to.equal(0);
    expect([...explorer.keys]).to.deep.equal(["secret"]);
  });

  it("says what is missing: a deployment, or an explorer", async () => {
    writeDeployment(join(folder, "localhost"), { ...deployment, chainId: 31337 });
    const local = await verify({}, "localhost");
    expect(local.stderr).to.match(/^Error: No explorer is configured for chain 31337\.\n/);
    expect(local.exitCode).to.equal(2);
    const { stderr } = await verify({ ANNEAL_DEPLOYMENTS: join(folder, "mainnet") }, "mainnet");
    expect(stderr).to.match(
      /^Error: There is no deployment in .+\.\n.+hardhat deploy --network mainnet\)\.\n$/,
    );
  });
});
