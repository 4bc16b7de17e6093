import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { createStorageServer } from "../../../provider/storage/storageServer.ts";
import { rootOfFile } from "../../../sdk/storage/root.ts";
import { startHttpProxy } from "../../helpers/httpProxy.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");

/** Runs the real command line in its own process, without a terminal. */
async function hardhat(words: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [HARDHAT, ...words], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, CI: "true", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((done) => child.once("close", done)),
  ]);
  return { stdout, stderr, exitCode };
}

describe("tasks: the command line as a process", () => {
  let folder: string;
  let file: string;
  let deployments: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-cli-"));
    file = join(folder, "data.jsonl");
    await writeFile(file, '{"text":"one"}\n{"text":"two"}\n');
    deployments = join(folder, "localhost");
    await mkdir(deployments);
    await writeFile(join(deployments, ".chain"), '{"chainId":"31337"}');
    for (const name of ["Ledger", "FineTuningServing"]) {
      const artifact = join(ROOT, `artifacts/contracts/${name}.sol/${name}.json`);
      const { abi } = JSON.parse(await readFile(artifact, "utf8"));
      const contract = { address: `0x${"11".repeat(20)}`, abi };
      await writeFile(join(deployments, `${name}.json`), JSON.stringify(contract));
    }
  });
  after(() => rm(folder, { recursive: true }));

  it("explains every flag of a command with --help", async () => {
    const { stdout, exitCode } = await hardhat(["create-task", "--help"]);
    expect(exitCode).to.equal(0);
    for (const flag of ["provider", "model", "dataset", "config-path", "data-size", "gas-price"]) {
      expect(stdout).to.match(new RegExp(`^  --${flag} <[A-Z]+> +[(\\w]`, "m"));
    }
  });

  it("explains commands as the program without Hardhat does", async () => {
    for (const words of [
      ["fine-tuning", "create", "--help"],
      ["deposit", "-h"],
      ["--help", "deposit"],
    ]) {
      const { stdout, exitCode } = await hardhat(words);
      const own = spawnSync(process.execPath, [join(ROOT, "bin/anneal.ts"), ...words], {
        encoding: "utf8",
      });
      expect(exitCode).to.equal(0);
      expect(stdout).to.equal(own.stdout.replaceAll("npx anneal", "npx hardhat"));
      expect(stdout).not.to.contain("STRING");
    }
  });

  it("lists its commands before those of Hardhat, whose help is as it was", async () => {
    const { stdout, exitCode } = await hardhat(["--help"]);
    expect(exitCode).to.equal(0);
    const positions = ["  add-account ", "  fine-tuning create ", "  build "].map((each) =>
      stdout.indexOf(`\n${each}`),
    );
    expect(positions).to.not.include(-1);
    expect(positions).to.deep.equal(positions.toSorted((a, b) => a - b));
    expect((await hardhat(["build", "--help"])).stdout).to.contain("--no-tests");
  });

  it("tells mistakes that Hardhat's parser would refuse in its own words, with exit code 2", async () => {
    const create = ["fine-tuning", "create", "-m", "x", "-t", "y"];
    for (const [words, sentence] of [
      [[...create, "--weight-decay", "-0.1"], '--weight-decay cannot be "-0.1".'],
      [[...create, "--weight-decay=-0.1"], '--weight-decay cannot be "-0.1".'],
      [[...create, "-xyz"], "Unknown flag -xyz"],
      [["fine-tuning", "create", "-v", "file"], "fine-tuning create has no flag -v."],
      [["deposit", "5"], 'Unexpected argument "5" for deposit.'],
      [["deposit", "-Z"], "deposit has no flag -Z."],
      [["deposit", "-"], 'Unexpected argument "-" for deposit.'],
      [["deposit", "--amount", "1", "--amount", "2"], "--amount is given twice."],
      [["--amount", "1", "deposit"], "--amount is in front of the command."],
      [["get-account", "--network"], "Missing value for --network."],
      [
        ["get-account", "--network", "testnet", "--network", "mainnet"],
        "--network is given twice.",
      ],
      [["-z"], "There is no flag -z."],
    ] as const) {
      const { stdout, stderr, exitCode } = await hardhat(words);
      expect(exitCode, words.join(" ")).to.equal(2);
      expect(stderr)
        .to.match(/^Error: .+\.\n.+\n$/)
        .and.contain(sentence);
      expect(stdout).to.equal("");
    }
  });

  it("lists the verbs of a family with --help", async () => {
    for (const words of [["fine-tuning"], ["fine-tuning", "--help"]]) {
      const { stdout, exitCode } = await hardhat(words);
      expect(exitCode).to.equal(0);
      for (const verb of ["create", "list", "retrieve", "list-events", "cancel", "status"]) {
        expect(stdout).to.match(new RegExp(`^  fine-tuning ${verb} +\\w`, "m"));
      }
    }
  });

  it("accepts short flags", async () => {
    const create = ["fine-tuning", "create", "-m", "tiny-qwen2", "-t", file];
    const refused = await hardhat([...create, "-s", "no blanks", "-b", "0", "-c", "0"]);
    expect(refused.exitCode).to.equal(2);
    expect(refused.stderr).to.contain("--suffix is").and.contain("--batch-size is");
    expect(refused.stderr).to.contain("--n-checkpoints is");
    const rpc = { RPC_ENDPOINT: "http://127.0.0.1:1", ANNEAL_DEPLOYMENTS: join(folder, "none") };
    expect((await hardhat(create, rpc)).stderr).to.contain("There is no deployment");
    const download = ["fine-tuning", "download", "6b60", "-o", "model.zip", "-s", "last"];
    expect((await hardhat(download)).stderr).to.contain('--step is "last"');
  });

  it("suggests what to write for short flags of two letters", async () => {
    for (const [short, long] of [
      ["-ne", "--n-epochs"],
      ["-lr", "--learning-rate"],
    ] as const) {
      const { stderr, exitCode } = await hardhat(["fine-tuning", "create", short, "3"]);
      expect(exitCode).to.equal(2);
      expect(stderr).to.contain(`Use ${long}.`);
    }
  });

  it("refuses an unknown flag and suggests the one that was meant, with exit code 2", async () => {
    const { stdout, stderr, exitCode } = await hardhat(["deposit", "--amout", "1"]);
    expect(exitCode).to.equal(2);
    expect(stdout).to.equal("");
    expect(stderr).to.contain("--amout").and.contain('Did you mean "--amount"?');
  });

  it("refuses an unknown command and suggests the one that was meant, with exit code 2", async () => {
    const { stderr, exitCode } = await hardhat(["get-acount"]);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain('Did you mean "get-account"?');
  });

  it("computes a root offline, as one JSON document on stdout", async () => {
    const { stdout, exitCode } = await hardhat(["data-root", "--data-path", file, "--json"]);
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({ root: (await rootOfFile(file)).root, size: 30 });
    expect(stdout.trimEnd().split("\n")).to.have.length(1);
  });

  it("uploads, sends nothing the second time, and downloads the same bytes", async () => {
    const storage = await createStorageServer({
      directory: join(folder, "storage"),
      limits: {
        totalBytes: 2 ** 20,
        uploadBytes: 2 ** 20,
        freeDiskBytes: 0,
        abandonedAfterMs: 60_000,
      },
    });
    try {
      const env = { STORAGE_ENDPOINT: await storage.listen({ host: "127.0.0.1", port: 0 }) };
      const { root } = await rootOfFile(file);
      const upload = await hardhat(["upload", "--data-path", file], env);
      expect(upload).to.include({ stdout: `Root hash: ${root}\n`, exitCode: 0 });
      const again = await hardhat(["upload", "--data-path", file, "--json"], env);
      expect(JSON.parse(again.stdout)).to.deep.equal({ root, size: 30, sent: 0 });
      const target = join(folder, "copy.jsonl");
      const words = ["download", "--data-root", root, "--data-path", target];
      expect((await hardhat(words, env)).exitCode).to.equal(0);
      expect((await rootOfFile(target)).root).to.equal(root);
    } finally {
      await storage.close();
    }
  });

  it("reports in one sentence that its output cannot be written", async () => {
    // a file size limit simulates a full disk: the kernel refuses the write in the same way
    const script = 'trap "" XFSZ; ulimit -f 0; exec "$@"';
    const path = join(folder, "printed");
    for (const flags of [[], ["--json"]]) {
      const printed = await open(path, "w");
      const words = [process.execPath, HARDHAT, "completion", "bash", ...flags];
      const child = spawn("bash", ["-c", script, "bash", ...words], {
        cwd: ROOT,
        env: { PATH: process.env.PATH, HOME: process.env.HOME, CI: "true" },
        stdio: ["ignore", printed.fd, "pipe"],
      });
      const exited = new Promise((done) => child.once("close", done));
      const stderr = await text(child.stderr!);
      await printed.close();
      expect(await exited).to.equal(1);
      expect(stderr).to.match(/^Error: The output cannot be written \(EFBIG\).+\.\n.+\.\n$/);
    }
  });

  it("refuses a missing and an empty file in one sentence each", async () => {
    const empty = join(folder, "empty.jsonl");
    await writeFile(empty, "");
    for (const path of [join(folder, "none.jsonl"), empty]) {
      const { stderr, exitCode } = await hardhat(["upload", "--data-path", path]);
      expect(exitCode).to.equal(2);
      expect(stderr)
        .to.match(/^Error: .+\.\n.+\.\n$/)
        .and.contain(path);
    }
  });

  it("exits 9 with a sentence if storage does not answer", async () => {
    const env = { STORAGE_ENDPOINT: "http://127.0.0.1:1" };
    const { stderr, exitCode } = await hardhat(["upload", "--data-path", file], env);
    expect(exitCode).to.equal(9);
    expect(stderr).to.match(/^Error: .+\.\n.+\.\n$/);
  });

  it("requires a key on a network with real money instead of using a public one", async () => {
    const env = { RPC_ENDPOINT: "http://127.0.0.1:1", ANNEAL_DEPLOYMENTS: deployments };
    const { stderr, exitCode } = await hardhat(["get-account", "--network", "testnet"], env);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("ZG_PRIVATE_KEY");
  });

  it("suggests the network that a misspelling may mean", async () => {
    const { stderr, exitCode } = await hardhat(["get-account", "--network", "tesnet"]);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain('Did you mean "testnet"?');
  });

  it("accepts several RPC endpoints, also for commands that need none", async () => {
    const env = { RPC_ENDPOINT: "http://127.0.0.1:1, http://127.0.0.1:2" };
    expect((await hardhat(["check-data", "--data-path", file], env)).exitCode).to.equal(0);
    const { stderr, exitCode } = await hardhat(["list-providers"], {
      ...env,
      ANNEAL_DEPLOYMENTS: deployments,
    });
    expect(stderr).to.match(/^Error: The chain's node at http:\/\/127.0.0.1:\d does not answer\./);
    expect(exitCode).to.equal(9);
  });

  it("reaches the chain's node through the proxy that the environment names", async () => {
    const proxy = await startHttpProxy();
    const env = { RPC_ENDPOINT: "http://chain.invalid:1", ANNEAL_DEPLOYMENTS: deployments };
    const { exitCode } = await hardhat(["list-providers"], { ...env, http_proxy: proxy.url });
    await proxy.close();
    expect(exitCode).to.equal(9);
    expect(proxy.asked.join()).to.contain("chain.invalid");
  });

  it("reports what is wrong with the RPC endpoint's URL", async () => {
    for (const [address, sentence] of [
      ["127.0.0.1:8545", "is not a URL that starts with http://"],
      ["http://127.0.0.1:1,localhost", "is not a URL that starts with http://"],
      ["wss://127.0.0.1:1", "is a websocket URL"],
    ] as const) {
      const env = { RPC_ENDPOINT: address, ANNEAL_DEPLOYMENTS: deployments };
      const { stderr, exitCode } = await hardhat(["list-providers"], env);
      expect(stderr).to.contain(`Error: The RPC endpoint ${sentence}`).and.contain("RPC_ENDPOINT");
      expect(exitCode).to.equal(2);
      expect((await hardhat(["check-data", "--data-path", file], env)).exitCode).to.equal(0);
    }
  });
});
