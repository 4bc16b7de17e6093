import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { type Parameters, parametersOf } from "../../deploy/_parameters.ts";
import { renderReference, renderRules } from "../../scripts/generateReference.ts";
import { parseOg } from "../../sdk/units.ts";
import { toKebabCase } from "../../tasks/flags/letterCase.ts";
import { commands, FAMILIES } from "../../tasks/index.ts";

/** The commands, links and claims about the contracts in the documentation are checked against the code. */

const ROOT = resolve(import.meta.dirname, "../..");
const PAGES = [".", "docs", "docs/decisions"].flatMap((place) =>
  readdirSync(join(ROOT, place))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(place, name)),
);
/** Hardhat's own commands that the documentation mentions, with their flags. */
const HARDHATS: Record<string, readonly string[]> = {
  deploy: ["--dry-run", "--tags"],
  keystore: [],
  node: ["--hostname", "--port"],
  test: [],
  verify: [],
  "--help": [],
};
const GLOBAL_FLAGS = ["--network", "--help", "--show-stack-traces"];

const read = (page: string) => readFileSync(join(ROOT, page), "utf8");

/** The anchors of a page's headings. */
const headingsOf = (page: string) =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-"),
  );

/** Every `npx hardhat …` on a page, in code blocks and in sentences. */
const typed = (page: string) =>
  [...read(page).matchAll(/npx hardhat ([^\n`#]+)/g)].map((match) => match[1]!.trim());

function flagsOf(name: string): string[] | undefined {
  const command = commands.find(({ path }) => path.join(" ") === name);
  if (!command) return name in FAMILIES ? [] : undefined;
  return Object.entries(command.parameters).flatMap(([long, parameter]) => [
    `--${toKebabCase(long)}`,
    ...(parameter.kind === "option" && parameter.short ? [`-${parameter.short}`] : []),
  ]);
}

/** The unknown commands and flags of a command line. */
function unknownWords(line: string): string[] {
  // In other projects the commands are below `anneal`.
  const [first = "", ...rest] = line.replace(/^anneal\s+/, "").split(/\s+/);
  if (/^[…<]/.test(first)) return [];
  const isFamily = first === "fine-tuning" && rest[0] !== undefined && !rest[0].startsWith("-");
  const name = isFamily ? `${first} ${rest[0]}` : first;
  const words = isFamily ? rest.slice(1) : rest;
  const flags = HARDHATS[name] ?? flagsOf(name);
  if (!flags) return [name];
  const known = [...flags, ...GLOBAL_FLAGS];
  return words.filter((word) => /^-(-|[a-z]$)/.test(word) && !known.includes(word));
}

/** The commands and flags of 0G's fine-tuning command line and of Together's, as their documentation names them. */
const THEIRS: Record<string, readonly string[]> = {
  "0g-compute-cli add-account": ["--amount"],
  "0g-compute-cli list-providers": [],
  "0g-compute-cli list-models": [],
  "0g-compute-cli model-usage": ["--provider", "--model", "--output"],
  "0g-compute-cli upload": ["--data-path"],
  "0g-compute-cli calculate-token": ["--model", "--dataset-path", "--provider"],
  "0g-compute-cli create-task": [
    ...["--provider", "--model", "--dataset", "--config-path", "--data-size", "--gas-price"],
  ],
  "0g-compute-cli get-task": ["--provider", "--task"],
  "0g-compute-cli get-log": ["--provider", "--task"],
  "0g-compute-cli acknowledge-model": ["--provider", "--data-path"],
  "0g-compute-cli decrypt-model": ["--provider", "--encrypted-model", "--output"],
  "0g-compute-cli get-account": [],
  "0g-compute-cli deposit": ["--amount"],
  "0g-compute-cli refund": ["--amount"],
  "0g-compute-cli get-sub-account": ["--provider"],
  "0g-compute-cli retrieve-fund": [],
  "0g-compute-cli list-tasks": ["--provider"],
  "0g-compute-cli download": ["--data-path", "--data-root"],
  "0g-compute-cli cancel-task": ["--provider", "--task"],
  "together fine-tuning": ["--help"],
  "together fine-tuning create": [
    ...["--model", "-m", "--training-file", "-t", "--validation-file", "--suffix", "-s"],
    ...["--n-epochs", "-ne", "--n-evals", "--n-checkpoints", "-c", "--batch-size", "-b"],
    ...["--learning-rate", "-lr", "--lr-scheduler-type", "--min-lr-ratio"],
    ...["--scheduler-num-cycles", "--warmup-ratio", "--max-grad-norm", "--weight-decay"],
    ...["--wandb-api-key", "--wandb-base-url", "--wandb-project-name", "--wandb-name"],
    ...["--train-on-inputs", "--from-checkpoint", "--from-hf-model", "--hf-model-revision"],
    ...["--hf-api-token", "--hf-output-repo-name", "--lora", "--lora-r", "--lora-alpha"],
    ...["--lora-dropout", "--lora-trainable-modules"],
  ],
  "together fine-tuning list": [],
  "together fine-tuning retrieve": [],
  "together fine-tuning list-events": [],
  "together fine-tuning cancel": [],
  "together fine-tuning status": [],
  "together fine-tuning list-checkpoints": [],
  "together fine-tuning download": ["--output", "-o", "--step", "-s"],
};

/** The rows of all tables of a page, without their headings. */
const rowsOf = (page: string) =>
  read(page)
    .split("\n")
    .filter((line, index, lines) => /^\| /.test(line) && !lines[index + 1]?.startsWith("|---"))
    .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));

/** The tests that a text names: a link to their file, then their titles. */
const namedTests = (text: string) =>
  [...text.matchAll(/\]\(\.\.\/([^)]+)\)((?: `[^`]+`)+)/g)].flatMap(([, file, titles]) =>
    [...titles!.matchAll(/`([^`]+)`/g)].map((title) => ({ file: file!, title: title[1]! })),
  );

/**
 * Whether the file has a test with this title, in the language of its extension; … stands for what a title
 * interpolates.
 */
function hasTest({ file, title }: { file: string; title: string }): boolean {
  if (!existsSync(join(ROOT, file))) return false;
  if (file.endsWith(".sol")) return read(file).includes(`function ${title}(`);
  const pattern = title.split("…").map(literally).join("\\$\\{[^}]+\\}");
  return new RegExp(`\\bit\\(["\`]${pattern}["\`]`).test(read(file));
}

const literally = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

const INTERFACES = [
  ...["ILedger", "IFineTuningServing"],
  ...["IServiceRegistry", "ITaskRegistry", "IChunkDemands", "IDisputes"],
].map((name) => `contracts/interfaces/${name}.sol`);

/** The verbs of the contracts: functions that change their state. */
const verbs = () =>
  INTERFACES.flatMap((file) =>
    [...read(file).matchAll(/function (\w+)\(([^;]*);/g)]
      .filter(([, , rest]) => !/\b(view|pure)\b/.test(rest!))
      .map(([, name]) => name!),
  );

const SECONDS: Record<string, bigint> = { s: 1n, min: 60n, h: 3600n };

/** "24 h" in seconds, "0.1 OG" in neuron. */
function quantity(words: string): bigint {
  const [amount = "", unit = ""] = words.split(" ");
  return unit === "OG" ? parseOg(amount) : BigInt(amount) * SECONDS[unit]!;
}

const everywhere = (find: (page: string) => string[]) =>
  PAGES.flatMap((page) => find(page).map((what) => `${page}: ${what}`));

describe("documentation", () => {
  it("names only commands and flags that exist", () => {
    expect(everywhere((page) => typed(page).flatMap(unknownWords))).to.deep.equal([]);
  });

  it("names only npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = (page: string) =>
      [...read(page).matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!);
    const unknown = everywhere((page) => named(page).filter((name) => !(name in scripts)));
    expect(unknown).to.deep.equal([]);
  });

  it("links only to files that exist", () => {
    const links = (page: string) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((match) => match[1]!);
    const broken = everywhere((page) =>
      links(page).filter((link) => !existsSync(join(ROOT, dirname(page), link))),
    );
    expect(broken).to.deep.equal([]);
  });

  it("links only to headings that exist", () => {
    const links = (page: string) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)].map((match) => ({
        target: match[1] === "" ? page : join(dirname(page), match[1]!),
        heading: match[2]!,
      }));
    const broken = everywhere((page) =>
      links(page)
        .filter(({ target, heading }) => !headingsOf(target).includes(heading))
        .map(({ target, heading }) => `${target}#${heading}`),
    );
    expect(broken).to.deep.equal([]);
  });

  it("README shows the commands that lead from nothing to a decrypted model, in this order", () => {
    const road = ["add-account", "upload", "calculate-token", "create-task", "get-task"];
    const end = ["acknowledge-model", "decrypt-model"];
    const shown = typed("README.md").map((line) => line.split(" ")[0]!);
    const positions = [...road, ...end].map((name) => shown.indexOf(name));
    expect(positions).to.not.include(-1);
    expect(positions).to.deep.equal(positions.toSorted((a, b) => a - b));
  });

  it("README orders with files that exist", () => {
    const named = typed("README.md").flatMap((line) => line.match(/examples\/[\w.-]+/g) ?? []);
    expect(new Set(named).size).to.equal(3);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
  });

  it("commands.md matches the definitions: node scripts/generateReference.ts", () => {
    expect(read("docs/commands.md")).to.equal(renderReference());
  });

  it("data.md has every rule of the checker: node scripts/generateReference.ts", () => {
    expect(read("docs/data.md")).to.equal(renderRules());
  });

  it("parity.md has a row for every command and flag of 0G's and Together's command lines", () => {
    const told = rowsOf("docs/parity.md").map(([theirs]) => theirs!.replaceAll("`", ""));
    const named = Object.entries(THEIRS).flatMap(([command, flags]) => [
      ...(command === "together fine-tuning" ? [] : [command]),
      ...flags.map((flag) => `${command} ${flag}`),
    ]);
    expect(named.filter((line) => !told.includes(line))).to.deep.equal([]);
  });

  it("parity.md names a test for each row, and every one of them exists", () => {
    const rows = rowsOf("docs/parity.md");
    expect(rows.length).to.be.greaterThan(80);
    const bare = rows.filter(([, , tests]) => namedTests(` ${tests}`).length === 0);
    expect(bare.map(([theirs]) => theirs)).to.deep.equal([]);
    const missing = namedTests(read("docs/parity.md")).filter((test) => !hasTest(test));
    expect([...new Set(missing.map(({ title }) => title))]).to.deep.equal([]);
  });

  it("threats.md names a test for each threat, and every one of them exists", () => {
    const rows = rowsOf("docs/threats.md");
    expect(rows.length).to.be.greaterThan(30);
    const bare = rows.filter(([, , tests]) => namedTests(` ${tests}`).length === 0);
    expect(bare.map(([threat]) => threat)).to.deep.equal([]);
    const missing = namedTests(read("docs/threats.md")).filter((test) => !hasTest(test));
    expect(missing).to.deep.equal([]);
  });

  it("protocol.md gives the effects and requirements of every verb, and names no other", () => {
    const told = rowsOf("docs/protocol.md")
      .filter((cells) => cells.length >= 4)
      .flatMap((cells) => cells.slice(0, 2).flatMap((cell) => cell.match(/`\w+\(/g) ?? []))
      .map((start) => start.slice(1, -1));
    expect([...new Set(told)].sort()).to.deep.equal([...new Set(verbs())].sort());
  });

  it("names only errors, events and state that the contracts have", () => {
    const sources = readdirSync(join(ROOT, "contracts"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".sol"))
      .map((name) => read(join("contracts", name)))
      .join("\n");
    const unknown = everywhere((page) =>
      [...read(page).matchAll(/`((?:Ledger|Serving|Task|Key)[A-Z]\w+)`/g)]
        .map((match) => match[1]!)
        .filter((name) => !new RegExp(`\\b${name}\\b`).test(sources)),
    );
    expect(unknown).to.deep.equal([]);
  });

  it("protocol.md shows the parameters that are deployed", () => {
    const keys: Record<string, keyof Parameters> = {
      "lock period": "lockPeriod",
      "ack period": "ackPeriod",
      "reveal period": "revealPeriod",
      "dispute period": "disputePeriod",
      "minimum stake": "minimumStake",
    };
    const shown = rowsOf("docs/protocol.md").filter(([name]) => name! in keys);
    expect(shown).to.have.length(Object.keys(keys).length);
    for (const [name, local, others] of shown) {
      const [here, testnet, mainnet] = [31337, 16602, 16661].map(
        (id) => parametersOf(id)[keys[name!]!],
      );
      expect([name, quantity(local!), quantity(others!), mainnet]).to.deep.equal([
        name,
        here,
        testnet,
        testnet,
      ]);
    }
  });
});
