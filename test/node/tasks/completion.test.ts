import { spawnSync } from "node:child_process";
import { expect } from "chai";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { before, describe, it } from "mocha";
import { skip } from "../../helpers/skip.ts";
import { temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";
import { runCommand } from "./runCommand.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** How to query the completions of each shell for a line. */
const ASK: Record<Shell, (script: string, words: readonly string[]) => string> = {
  bash: (script, words) => `source ${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_anneal; printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: (
    script,
    words,
  ) => `compdef() { :; }; compadd() { print -l -- "$@"; }; _files() { print FILES; }
_describe() { print -l -- "\${(@P)2%%:*}"; }
source ${script}
words=(${words.map((word) => `'${word}'`).join(" ")}); CURRENT=${words.length}
_anneal`,
  fish: (script, words) => `source ${script}; complete -C '${words.join(" ")}'`,
};

const isThere = (shell: Shell) => spawnSync(shell, ["--version"]).error === undefined;

describe("tasks: completion", () => {
  const files = temporaryFolder();
  let hre: HardhatRuntimeEnvironment;
  before(async () => {
    hre = (await import("hardhat")).default as HardhatRuntimeEnvironment;
  });

  const scriptOf = async (shell: string) => {
    const { stdout, exitCode } = await runCommand(hre, "completion", { shell, json: true });
    expect(exitCode).to.equal(0);
    return JSON.parse(stdout).script as string;
  };

  for (const shell of SHELLS) {
    it(`${shell}: offers commands, verbs, flags and networks`, async function () {
      const script = await scriptOf(shell);
      expect(script).to.contain("add-account").and.contain("list-checkpoints");
      if (!isThere(shell)) {
        skip(this, `${shell} is not installed: its completion script was written, but not run.`);
      }
      const path = files.write(`.${shell}`, script);
      const offers = (...words: string[]) => {
        const { stdout, stderr } = spawnSync(shell, ["-c", ASK[shell](path, words)], {
          encoding: "utf8",
        });
        expect(stderr).to.equal("");
        return stdout.split(/[\n\t]/);
      };
      expect(offers("npx", "hardhat", ""))
        .to.include("deposit")
        .and.include("fine-tuning");
      expect(offers("hardhat", "fine-tuning", "")).to.include("list-events");
      expect(offers("npx", "hardhat", "fine-tuning", "create", "--")).to.include("--n-epochs");
      expect(offers("npx", "hardhat", "deposit", "--")).to.include("--amount");
      expect(offers("npx", "hardhat", "deposit", "--")).not.to.include("--n-epochs");
      expect(offers("npx", "hardhat", "deposit", "--network", "")).to.include("testnet");
    });
  }

  it("asks for the shell if none is given", async () => {
    const { stderr, exitCode } = await runCommand(hre, "completion", { shell: "Fish" });
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain('Did you mean "fish"?');
  });
});
