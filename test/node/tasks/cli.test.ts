import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { commands } from "../../../tasks/index.ts";
import { writeDeployment } from "../../helpers/writeDeployment.ts";
import { temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PROGRAM = join(ROOT, "bin/anneal.ts");
const VERSION = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).version;

/** `anneal …` in its own process, without a terminal. */
function anneal(words: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...words], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", NO_COLOR: "1", ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("the program anneal", () => {
  const files = temporaryFolder();

  it("lists its commands, and the flags of each", () => {
    const overview = anneal([]);
    expect(overview.status).to.equal(0);
    for (const { path, description } of commands)
      expect(overview.stdout.replaceAll(/\s+/g, " ")).to.include(
        `${path.join(" ")} ${description}`,
      );
    expect(overview.stdout).to.include("Start the provider daemon");
    const help = anneal(["create-task", "--help"]);
    expect(help.status).to.equal(0);
    expect(help.stdout).to.include("--data-size <SIZE>").and.include("--network <NAME>");
    expect(anneal(["fine-tuning"]).stdout)
      .to.include("fine-tuning create")
      .and.not.include("deposit");
  });

  it("fits 80 columns if the width is unknown", () => {
    for (const words of [[], ["fine-tuning"], ["fine-tuning", "create", "--help"]]) {
      const lines = anneal(words).stdout.split("\n");
      expect(Math.max(...lines.map((line) => line.length))).to.be.at.most(80);
    }
  });

  it("prints its version", () => {
    for (const flag of ["--version", "-v"])
      expect(anneal([flag])).to.deep.include({ status: 0, stdout: `${VERSION}\n` });
  });

  it("suggests what was meant for a misspelling, and exits 2", () => {
    for (const [words, meant] of [
      [["depositt"], '"deposit"'],
      [["deposit", "--amout", "1"], '"--amount"'],
      [["fine-tuning", "creat"], '"create"'],
      [["fine-tuning", "create", "-lr", "1e-5"], "--learning-rate"],
      [["get-account", "--network", "testnetz"], '"testnet"'],
      [["fine-tuning", "status", "6b60", "6b61"], "npx anneal fine-tuning status --help"],
      [["fine-tuning", "create", "-v", "rows.jsonl"], "Use --validation-file."],
      [["deposit", "-Z"], "npx anneal deposit --help"],
      [["-z"], "npx anneal --help"],
      [["get-account", "--network"], "Missing value for --network."],
    ] as const) {
      const { status, stderr } = anneal(words);
      expect(status, words.join(" ")).to.equal(2);
      expect(stderr).to.include(meant);
    }
  });

  it("accepts a value that begins with a hyphen, and prints the same as JSON", () => {
    const words = ["fine-tuning", "download", "zzzz", "--step", "-1", "--json"];
    const { status, stdout } = anneal(words, { ANNEAL_DEPLOYMENTS: join(files.folder, "none") });
    const { error } = JSON.parse(stdout);
    expect(status).to.be.oneOf([1, 2]);
    expect(error.message).to.be.a("string").and.not.include("--step");
  });

  it("mentions no keystore, as it has none", () => {
    const deployment = join(files.folder, "testnet");
    const contract = { address: `0x${"11".repeat(20)}`, abi: [] };
    writeDeployment(deployment, { chainId: 16602, ledger: contract, serving: contract });
    const env = { ANNEAL_DEPLOYMENTS: deployment };
    const { status, stderr } = anneal(["get-account", "--network", "testnet"], env);
    expect(status).to.equal(2);
    expect(stderr).to.include("ZG_PRIVATE_KEY").and.not.include("keystore");
  });

  it("loads neither chain code nor Hardhat for commands that need neither", () => {
    const path = files.write("data.jsonl", '{"text":"one"}\n');
    const named = ["--data-path", path];
    for (const words of [["--help"], ["data-root", ...named], ["check-data", ...named]]) {
      const directory = join(files.folder, `loaded-${words[0]}`);
      const { status, stderr } = anneal(words, { NODE_V8_COVERAGE: directory });
      expect(status, stderr).to.equal(0);
      const loaded = readdirSync(directory).flatMap((name) => {
        const { result } = JSON.parse(readFileSync(join(directory, name), "utf8"));
        return result.map(({ url }: { url: string }) => url);
      });
      expect(loaded.some((url: string) => url.endsWith("tasks/cli/main.ts"))).to.equal(true);
      const heavy = loaded.filter((url: string) =>
        /node_modules\/(ethers|hardhat|undici|zod|@nomicfoundation)\//.test(url),
      );
      expect(heavy).to.deep.equal([]);
    }
  });
});
