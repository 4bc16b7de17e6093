import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import { HDNodeWallet, Mnemonic } from "ethers";
import { after, before, describe, it } from "mocha";
import { readDeployment } from "../../../sdk/deployment.ts";
import { addressIn, ended, start } from "./deployProcess.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const CHAIN_ID = 16602;
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const DEPLOYER = HDNodeWallet.fromMnemonic(MNEMONIC, "m/44'/60'/0'/0/0");
/** What deploys, and what the package is built from. */
const COPIED = [
  ..."bin contracts deploy hardhat.config.ts package.json provider scripts sdk tasks".split(" "),
  ..."tsconfig.json artifacts cache generated types".split(" "),
];

/** A copy of this project, in which somebody deploys, and the package that is built there. */
describe("a deployment that travels with the package", () => {
  let folder: string;
  let project: string;
  let node: ChildProcess;
  let nodeUrl: string;
  /** An endpoint that counts what it is asked. */
  let silent: Server;
  let requests = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-published-"));
    project = join(folder, "project");
    await mkdir(project);
    for (const name of COPIED) await cp(join(ROOT, name), join(project, name), { recursive: true });
    await symlink(join(ROOT, "node_modules"), join(project, "node_modules"));
    await writeFile(join(project, "sdk/deployments.json"), "{}");
    node = start(["node", "--hostname", "127.0.0.1", "--port", "0", "--chain-id", `${CHAIN_ID}`]);
    nodeUrl = await addressIn(node);
    silent = createServer((_, response) => {
      requests++;
      response.end();
    }).listen(0, "127.0.0.1");
    await once(silent, "listening");
  });

  after(async () => {
    silent?.close();
    if (node?.exitCode === null) {
      node.kill();
      await once(node, "exit");
    }
    await rm(folder, { recursive: true });
  });

  /** Starts a program of the project in an empty folder. */
  const begin = (program: string, words: readonly string[], env: Record<string, string>) =>
    spawn(process.execPath, [join(project, program), ...words], {
      cwd: mkdtempSync(join(folder, "empty-")),
      env: { PATH: process.env.PATH, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    }) as ReturnType<typeof start>;
  const run = (...started: Parameters<typeof begin>) => ended(begin(...started));

  const daemon = (rpcUrl: string) => ({
    PROVIDER_PRIVATE_KEY: DEPLOYER.privateKey,
    RPC_ENDPOINT: rpcUrl,
    PYTHON: join(ROOT, ".venv/bin/python"),
    SANDBOX: "off",
    PROVIDER_PORT: "0",
    STORAGE_PORT: "0",
  });

  it("does not exist at first, which every program says in one sentence before any request", async () => {
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const env = { RPC_ENDPOINT: endpoint };
    for (const network of ["testnet", "mainnet"]) {
      for (const command of ["list-providers", "get-account", "update-provider"]) {
        const words = [command, "--network", network];
        for (const { stderr, exitCode } of [
          await ended(start(words, env, project)),
          await run("bin/anneal.ts", words, env),
        ]) {
          const chainId = network === "testnet" ? "16602" : "16661";
          expect(stderr).to.match(
            new RegExp(
              `^Error: There is no deployment on chain ${chainId} that this version knows\\.\\n` +
                `Use .+ANNEAL_DEPLOYMENTS.+: npx hardhat deploy --network ${network}\\)\\.\\n$`,
            ),
          );
          expect(exitCode).to.equal(1);
        }
      }
    }
    const { stderr, exitCode } = await run("bin/anneal.ts", ["provider"], daemon(endpoint));
    const [line, ...others] = stderr.trim().split("\n");
    const { msg, hint } = JSON.parse(line!);
    expect(msg).to.match(/^There is no deployment in .+\/deployments\/localhost\.$/);
    expect(hint).to.match(/^Use another deployment, .+DEPLOYMENT_DIR\)\.$/);
    expect({ others, exitCode }).to.deep.equal({ others: [], exitCode: 1 });
    expect(requests).to.equal(0);
  });

  it("is added by `hardhat deploy`, once", async () => {
    const env = { RPC_ENDPOINT: nodeUrl, ZG_PRIVATE_KEY: DEPLOYER.privateKey };
    const deploy = () => ended(start(["deploy", "--network", "testnet"], env, project));
    const { stderr, exitCode } = await deploy();
    expect(exitCode, stderr).to.equal(0);
    expect(stderr).to.contain("Added to sdk/deployments.json: commit it");
    expect(stderr).to.contain("Next: npx hardhat verify deployment --network testnet");
    expect((await deploy()).stderr).to.not.contain("sdk/deployments.json");
    const published = JSON.parse(await readFile(join(project, "sdk/deployments.json"), "utf8"));
    const deployment = await readDeployment(join(project, "deployments/testnet"));
    expect(published).to.deep.equal({ [CHAIN_ID]: { ...JSON.parse(JSON.stringify(deployment)) } });
  });

  it("is found by its chain id in a package that is built with it", async () => {
    const built = await run("scripts/package/build.ts", [], {});
    expect(built.exitCode, built.stderr).to.equal(0);
    const { deployments } = await import(join(project, "dist/sdk/deployments.js"));
    const { ledger } = await readDeployment(join(project, "deployments/testnet"));
    expect(deployments[CHAIN_ID].ledger.address).to.equal(ledger.address);
    const { stdout, stderr, exitCode } = await run(
      "dist/bin/anneal.js",
      ["list-providers", "--network", "testnet", "--json"],
      { RPC_ENDPOINT: nodeUrl },
    );
    expect(exitCode, stderr).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ providers: [] });
  });

  it("is found by the package's daemon, too", async () => {
    const started = begin("dist/bin/anneal.js", ["provider"], daemon(nodeUrl));
    const messages: string[] = [];
    for await (const line of createInterface({ input: started.stderr! })) {
      const { msg } = JSON.parse(line);
      if (messages.push(msg) && msg === "ready") started.kill("SIGTERM");
    }
    expect(messages).to.contain("ready");
  });
});
