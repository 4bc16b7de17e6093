import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect } from "chai";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { before, describe, it } from "mocha";
import yazl from "yazl";
import { jsonl, temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";
import { EXAMPLES } from "../sdk/dataset/trainer.ts";
import { runCommand } from "./runCommand.ts";

const PROGRAM = resolve(import.meta.dirname, "../../../bin/anneal.ts");

const ROWS = [
  { prompt: "1+1=", completion: "2" },
  { prompt: "1+2=", completion: "3" },
];
const LINES = jsonl(...ROWS);
const LABELS = "text,label\ngood,x\nbad,y\n";
const QUESTIONS = [
  { question: "1+1?", answer: "2", id: 1 },
  { question: "1+2?", answer: "3", id: 2 },
];
const CHATS = ["Hi", "Bye"].map((value, id) => ({
  id,
  conversations: [
    { from: "human", value },
    { from: "gpt", value: "Hello" },
  ],
}));
const example = (name: string) => readFileSync(join(EXAMPLES, "invalid", name));

/** An archive with one file. */
function zip(name: string, content: string): Promise<Buffer> {
  const archive = new yazl.ZipFile();
  archive.addBuffer(Buffer.from(content), name);
  archive.end();
  return buffer(archive.outputStream);
}

/** A file of elsewhere: what it is said to be, and the start of the command that makes a dataset of it. */
interface Case {
  readonly name: string;
  readonly content: string | Uint8Array | Promise<Buffer>;
  readonly is: string;
  readonly cure: string;
  /** Not on every machine. */
  readonly program?: string;
}

const convert = "npx hardhat convert-data --data-path";
const isArray = "is a JSON array, not one JSON object on each line";
const CASES: readonly Case[] = [
  { name: "a.jsonl", content: gzipSync(LINES), is: "is compressed with gzip", cure: "gunzip -c" },
  {
    name: "a.jsonl.gz",
    content: gzipSync(LINES),
    is: "is compressed with gzip",
    cure: "gunzip -c",
  },
  { name: "a.csv", content: gzipSync(LABELS), is: "is compressed with gzip", cure: "gunzip -c" },
  {
    name: "a.jsonl.zst",
    content: zstdCompressSync(LINES),
    is: "is compressed with zstd",
    cure: "zstd -dc",
    program: "zstd",
  },
  {
    name: "a.jsonl",
    content: example("compressed-bzip2.jsonl"),
    is: "is compressed with bzip2",
    cure: "bunzip2 -c",
    program: "bunzip2",
  },
  {
    name: "a.jsonl",
    content: example("compressed-xz.jsonl"),
    is: "is compressed with xz",
    cure: "xz -dc",
    program: "xz",
  },
  {
    name: "a.zip",
    content: zip("data/train.jsonl", LINES),
    is: "is a zip archive that contains data/train.jsonl",
    cure: "unzip -p",
    program: "unzip",
  },
  {
    name: "a.jsonl",
    content: zip("a.jsonl", LINES),
    is: "is a zip archive that",
    cure: "unzip -p",
    program: "unzip",
  },
  {
    name: "a.jsonl",
    content: Buffer.from(`\ufeff${LINES}`, "utf16le"),
    is: "is UTF-16 text, not UTF-8",
    cure: "iconv -f UTF-16 -t UTF-8",
    program: "iconv",
  },
  {
    name: "a.csv",
    content: Buffer.from(LABELS, "utf16le"),
    is: "is UTF-16LE text, not UTF-8",
    cure: "iconv -f UTF-16LE",
    program: "iconv",
  },
  { name: "a.json", content: JSON.stringify(ROWS), is: isArray, cure: convert },
  { name: "a.jsonl", content: JSON.stringify(ROWS), is: isArray, cure: convert },
  { name: "a.jsonl", content: JSON.stringify(ROWS, null, 2), is: isArray, cure: convert },
  { name: "a.json", content: JSON.stringify(CHATS, null, 2), is: isArray, cure: convert },
  { name: "a.jsonl", content: JSON.stringify(QUESTIONS), is: isArray, cure: convert },
  {
    name: "a.json",
    content: ROWS.map((row) => JSON.stringify(row, null, 2)).join("\n"),
    is: "has JSON objects over several lines",
    cure: convert,
  },
  {
    name: "a.json",
    content: JSON.stringify({ version: "1", data: ROWS }, null, 2),
    is: 'is one JSON object with its rows under the key "data"',
    cure: "jq -c '.data[]'",
    program: "jq",
  },
  {
    name: "a.jsonl",
    content: jsonl(...CHATS),
    is: "has conversations in the format of ShareGPT",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: jsonl({ instruction: "Add", input: "1", output: "2", system: "Be brief." }),
    is: "has rows in the format of Alpaca with other keys",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: jsonl(...QUESTIONS),
    is: "has the columns question and answer, not prompt and completion",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: jsonl({ sentence: "a", class: "x" }, { sentence: "b", class: "y" }),
    is: "has the columns sentence and class, not text and label",
    cure: convert,
  },
  {
    name: "a.csv",
    content: "question,answer\n1+1?,2\n",
    is: "has the columns question and answer, not prompt and completion",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: "Question\tAnswer\n1+1?\t2\n",
    is: "has the columns Question and Answer, not prompt and completion",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: jsonl({ ...ROWS[0], id: 1 }, { ...ROWS[1], id: 2 }),
    is: "has keys that are not part of its format: id",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: LABELS,
    is: "is comma-separated, but its name does not end in .csv",
    cure: "mv -n",
  },
  {
    name: "a.tsv",
    content: LABELS,
    is: "is comma-separated, but its name does not end in .csv",
    cure: "mv -n",
  },
  {
    name: "a.csv",
    content: LINES,
    is: "is JSON lines, but its name does not end in .jsonl",
    cure: "mv -n",
  },
  {
    name: "a.txt",
    content: LINES,
    is: "is JSON lines, but its name does not end in .jsonl",
    cure: "mv -n",
  },
  {
    name: "a.json",
    content: LINES,
    is: "is JSON lines, but its name does not end in .jsonl",
    cure: "mv -n",
  },
  {
    name: "a.parquet",
    content: readFileSync(join(import.meta.dirname, "../sdk/dataset/conversion/questions.parquet")),
    is: "is a parquet file of texts, not of token ids",
    cure: convert,
  },
  {
    name: "a.jsonl",
    content: readFileSync(join(EXAMPLES, "tokens.parquet")),
    is: "is a parquet file, but its name does not end in .parquet",
    cure: "mv -n",
  },
];

describe("tasks: files that are no datasets yet", () => {
  const { folder } = temporaryFolder();
  let hre: HardhatRuntimeEnvironment;
  before(async () => {
    hre = (await import("hardhat")).default as HardhatRuntimeEnvironment;
  });
  const check = (dataPath: string, flags = {}) =>
    runCommand(hre, "check-data", { dataPath, ...flags });

  const home = join(folder, "it's here");

  /** The file in an empty folder. */
  async function place({ name, content }: Pick<Case, "name" | "content">): Promise<string> {
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home);
    const path = join(home, name);
    writeFileSync(path, await content);
    return path;
  }

  /** Runs a suggested command in a shell. */
  function follow(command: string): void {
    const program = `npx() { shift; '${process.execPath}' '${PROGRAM}' "$@"; }`;
    const { status, stderr } = spawnSync("bash", ["-c", `${program}; ${command}`], {
      encoding: "utf8",
    });
    expect(status, stderr).to.equal(0);
  }

  for (const example of CASES) {
    it(`${example.name} ${example.is}: ${example.cure}`, async function () {
      const path = await place(example);
      const { stdout, stderr, exitCode } = await check(path);
      expect(exitCode).to.equal(3);
      expect(stdout).to.equal("");
      const [, sentence, command] = /^Error: (.+)\.\n[^:]+: (.+)\n$/.exec(stderr) ?? [];
      expect(sentence?.startsWith(`${path} ${example.is}`), stderr).to.equal(true);
      expect(command!.startsWith(example.cure), command).to.equal(true);
      if (spawnSync("which", [example.program ?? "bash"]).status !== 0) {
        console.warn(`    SKIPPED: ${example.program} is not installed.`);
        this.skip();
      }
      follow(command!);
      const [output] = readdirSync(home).filter((name) => join(home, name) !== path);
      const after = await check(join(home, output!));
      expect(after.exitCode, after.stderr).to.equal(0);
    });
  }

  it("suggests no command that replaces a file", async () => {
    for (const { name, content, cure } of CASES) {
      const path = await place({ name, content });
      const suggested = async () => (await check(path)).stderr.split("\n")[1]!;
      const outputs = [
        "a.jsonl",
        "a.csv",
        "a.tsv",
        "a.parquet",
        "train.jsonl",
        "a-converted.jsonl",
      ];
      const taken = [...outputs, "a-unpacked.jsonl", "a-utf-8.csv"].filter((each) => each !== name);
      for (const each of taken) writeFileSync(join(home, each), "mine");
      follow((await suggested()).replace(/^[^:]+: /, ""));
      for (const each of taken) {
        expect(readFileSync(join(home, each), "utf8"), cure).to.equal("mine");
      }
    }
  });

  it("says how an Excel workbook becomes a dataset", async () => {
    const path = await place({ name: "a.xlsx", content: example("workbook.csv") });
    const { stderr, exitCode } = await check(path);
    expect(exitCode).to.equal(3);
    expect(stderr).to.contain(
      "a.xlsx is an Excel workbook.\nSave its sheet as CSV UTF-8, then convert",
    );
    expect(stderr).to.match(
      /: npx hardhat convert-data --data-path .*a\.csv' --output .*a\.jsonl'\n$/,
    );
  });

  it("leaves an archive of images alone that has a list of them", async () => {
    const images = readFileSync(join(EXAMPLES, "images.zip"));
    expect((await check(await place({ name: "a.zip", content: images }))).exitCode).to.equal(0);
  });

  it("finds a label after a long text", async () => {
    const rows = ["x", "y"].map((label) => ({ text: label.repeat(100_000), label }));
    const { stdout, exitCode } = await check(
      await place({ name: "a.jsonl", content: jsonl(...rows) }),
    );
    expect(exitCode).to.equal(0);
    expect(stdout).to.contain("valid dataset for text-classification: 2 rows");
  });

  it("gives a program the same as a code", async () => {
    const path = await place({ name: "a.jsonl", content: gzipSync(LINES) });
    const { stdout, exitCode } = await check(path, { json: true });
    expect(exitCode).to.equal(3);
    const { problems, groups, valid } = JSON.parse(stdout);
    expect({ valid, problems: problems.length, groups: groups.length }).to.deep.equal({
      valid: false,
      problems: 1,
      groups: 1,
    });
    expect(problems[0]).to.deep.include({
      rule: "compressed",
      foreign: { what: "compressed", method: "gzip" },
    });
  });

  it("has no raw error of the operating system", async () => {
    for (const [path, sentence] of [
      [join(folder, "none.jsonl"), "does not exist."],
      [join(folder, "none.txt"), "does not exist."],
      [join(folder, "none.zip"), "does not exist."],
      [folder, "is a folder, not a file."],
    ] as const) {
      for (const name of ["check-data", "convert-data"]) {
        const output = join(folder, "never.jsonl");
        const { stderr, exitCode } = await runCommand(hre, name, { dataPath: path, output });
        expect(exitCode).to.equal(2);
        expect(stderr)
          .to.match(/^Error: .+\.\n.+\.\n$/)
          .and.contain(`${path} ${sentence}`);
      }
    }
  });
});

describe("tasks: problems that repeat", () => {
  const { write } = temporaryFolder();
  let hre: HardhatRuntimeEnvironment;
  before(async () => {
    hre = (await import("hardhat")).default as HardhatRuntimeEnvironment;
  });
  const rows = Array.from({ length: 1_000 }, (_, n) => ({
    prompt: `${n}`,
    completion: "",
    Compl: 1,
  }));
  const first = { prompt: "a", completion: "b" };

  it("are said once, with their number and first lines", async () => {
    const dataPath = write(".jsonl", jsonl(first, ...rows));
    const { stdout } = await runCommand(hre, "check-data", { dataPath });
    expect(stdout.split("\n")).to.have.lengthOf(2);
    expect(stdout).to.contain(`${dataPath}:2: error unknown-field: The row has the key "Compl", `);
    expect(stdout).to.contain("(1,000 times: lines 2, 3, 4, 5, 6, …). ");
  });

  it("fit a terminal, broken between words", async () => {
    const dataPath = write(".jsonl", jsonl(first, ...rows));
    for (const terminal of [80, 120]) {
      const { stdout } = await runCommand(hre, "check-data", { dataPath }, { terminal });
      const [place, ...others] = stdout.trimEnd().split("\n");
      expect(place!.startsWith(dataPath)).to.equal(true);
      for (const line of others)
        expect(line)
          .to.match(/^ {2}\S/)
          .and.have.length.at.most(terminal);
    }
  });

  it("name the key that is meant, and one warning in the singular", async () => {
    const misspelt = write(".jsonl", jsonl(first, { promt: "a", completion: "b" }));
    const { stdout } = await runCommand(hre, "check-data", { dataPath: misspelt });
    expect(stdout).to.contain(
      'The row has the key "promt", which is not part of its format. Did you mean "prompt"?',
    );
    const twice = write(".jsonl", jsonl(first, first));
    const valid = await runCommand(hre, "check-data", { dataPath: twice });
    expect(valid.stdout).to.contain("2 rows, 1 warning.");
  });
});
