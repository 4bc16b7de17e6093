import { spawnSync } from "node:child_process";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { Wallet } from "ethers";
import { describe, it } from "mocha";
import { SCHEMA_VERSION } from "../../../provider/store/schema.ts";
import { EXIT } from "../../../provider/training/Trainer.ts";
import { FAIL_REASONS } from "../../../sdk/task/FailReason.ts";

/** docs/operating.md matches the daemon: names, codes and messages are taken from its sources. */

/** Of 100, as systemd-analyze rates it: below 40 it calls a service "OK". */
const MOST_EXPOSURE = 35;

const ROOT = resolve(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const GUIDE = read("docs/operating.md");
const CONFIG = read("provider/config.ts");

/** All sources of the daemon below a folder. */
const sourceOf = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(join(folder, name)))
    .join("\n");
const DAEMON = sourceOf("provider");

const matches = (text: string, pattern: RegExp) =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1]!))].sort();

/** The text below a heading, up to the next one; a single # is a comment in code. */
function section(heading: string): string {
  const start = GUIDE.indexOf(`\n${heading}\n`);
  expect(start, heading).to.be.greaterThan(-1);
  return GUIDE.slice(start + heading.length + 2).split(/\n##+ /, 1)[0]!;
}

/** The cells of a section's tables, without their headings. */
const rowsOf = (heading: string) =>
  section(heading)
    .split("\n")
    .filter((line, index, lines) => /^\| /.test(line) && !lines[index + 1]?.startsWith("|---"))
    .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));

/** The texts between backticks in the first cells of a section's tables. */
const namesIn = (heading: string) =>
  rowsOf(heading).flatMap(([cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));

/** The blocks of code in one language. */
const blocks = (language: string) =>
  [...GUIDE.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(
    (match) => match[1]!,
  );

/** Every variable that the daemon reads. */
const variables = () => {
  const schema = CONFIG.slice(CONFIG.indexOf("z.object({"), CONFIG.indexOf("\n});"));
  return matches(schema, /^ {2}([A-Z][A-Z_]+):/gm);
};

/** Defaults by the table in config.ts. */
const defaults = () =>
  new Map(
    [...CONFIG.matchAll(/^ \* \| ([A-Z][A-Z_]+) *\|[^|]+\| (\S.*?) *\|$/gm)].map((match) => [
      match[1]!,
      match[2]!,
    ]),
  );

/** "64 GiB" or "256 MiB" in bytes; anything else as it is. */
function inBytes(text: string): string {
  const size = /^(\d+) (G|M)iB$/.exec(text);
  return size ? String(Number(size[1]) * (size[2] === "G" ? 2 ** 30 : 2 ** 20)) : text;
}

/** The messages, texts or templates, that are not documented. The guide shows interpolations as … */
function missingFrom(text: string, messages: readonly string[]): string[] {
  const told = text.replaceAll(/\s+/g, " ");
  return messages.filter((message) => {
    const shown = message
      .replaceAll(/\$\{[^}]+\}/g, "…")
      .replace("…:…", "…")
      .replace(/\.$/, "");
    return !told.includes(`\`${shown}\``) && !told.includes(`\`${shown}.\``);
  });
}

/** The first text that is passed to an error constructor. */
const messagesOf = (constructors: string) => {
  const pattern = new RegExp(`new (?:${constructors})\\(\\s*(?:"([^"]+)"|\`([^\`]+)\`)`, "g");
  return [...DAEMON.matchAll(pattern)].map((match) => match[1] ?? match[2]!);
};

/** The daemon's log messages at the levels warn and error: the last text of each call. */
const warnings = () =>
  [...DAEMON.matchAll(/[lL]og(?:\.(?:warn|error)|\[[^\]]+\])\(([\s\S]*?)\)[;,]?\n/g)].flatMap(
    (call) => {
      const texts = [...call[1]!.matchAll(/"([^"]+)"|`([^`]+)`/g)];
      const last = texts.at(-1);
      return last ? [last[1] ?? last[2]!] : [];
    },
  );

const STORAGE = sourceOf("provider/storage");
const storageCodes = () => [
  ...matches(STORAGE, /new StorageError\([^"]*"([a-z-]+)"/g),
  ...matches(
    read("provider/storage/storageServer.ts")
      .split("\n")
      .filter((line) => /^ +code: /.test(line))
      .join("\n"),
    /"([a-z-]+)"/g,
  ),
];
const apiCodes = () => {
  const declared = /readonly code: ([^;]+);/.exec(read("provider/api/ApiError.ts"))![1]!;
  const others = /const code = ([^;]+);/.exec(read("provider/api/apiServer.ts"))![1]!;
  return matches(`${declared} ${others}`, /"([a-z-]+)"/g);
};
const statusesOf = (text: string, error: string) =>
  matches(text, new RegExp(`new ${error}\\(\\s*(\\d{3})`, "g"));

/** In place of what needs root or systemd. */
const STAND_INS = 'sudo() { "$@"; }; systemctl() { :; };';

/**
 * The output of a block of commands, run by a shell as the guide shows them. A longer path must precede its parents.
 * @param places by path in the guide, the path that takes its place
 */
function type(block: string, places: Readonly<Record<string, string>>): string {
  const script = Object.entries({ ...places, "/opt/anneal": ROOT }).reduce(
    (text, [path, place]) => text.replaceAll(path, place),
    block,
  );
  const options = { cwd: ROOT, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", `${STAND_INS}\n${script}`], options);
  expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
  return stdout.trim();
}

/** The only block of shell commands with this text. */
function commands(text: string): string {
  const found = blocks("bash").filter((block) => block.includes(text));
  expect(found, text).to.have.length(1);
  return found[0]!;
}

describe("docs/operating.md", () => {
  it("lists every setting of the daemon, and no other", () => {
    expect(variables().length).to.be.greaterThan(30);
    expect(
      namesIn("## Settings")
        .filter((name) => /^[A-Z_]+$/.test(name))
        .sort(),
    ).to.deep.equal(variables());
  });

  it("gives the defaults of config.ts", () => {
    const known = defaults();
    expect([...known.keys()].sort()).to.deep.equal(variables());
    const wrong = rowsOf("## Settings").filter((cells) => {
      const name = cells[0]!.replaceAll("`", "");
      return inBytes(cells.at(-1)!) !== known.get(name);
    });
    expect(wrong).to.deep.equal([]);
  });

  it("lists every key of anneal.json, and no other", () => {
    const keys = matches(read("provider/models/Manifest.ts"), /^ {2}([a-z]+): /gm);
    expect(keys).to.include("predefined");
    expect(namesIn("## Models").sort()).to.deep.equal(keys);
  });

  it("has a service file that systemd can read, with existing settings only", () => {
    const units = blocks("ini");
    expect(units).to.have.length(2);
    const lines = units.flatMap((unit) => unit.split("\n"));
    const unreadable = lines.filter(
      (line) => !/^(|#.*|\[[A-Z][a-z]+\]|[A-Z][A-Za-z]+=.*)$/.test(line),
    );
    expect(unreadable).to.deep.equal([]);
    const set = matches(units.join("\n"), /^Environment="?([^=]+)=/gm);
    expect(set).to.include.members(["PROVIDER_KEYSTORE", "PROVIDER_PASSPHRASE_FILE"]);
    expect(set.filter((name) => !variables().includes(name))).to.deep.equal([]);
    for (const name of ["Restart=always", "KillSignal=SIGTERM", "OOMPolicy=continue"])
      expect(units[0]).to.include(`\n${name}\n`);
    expect(units[0]).to.match(/^\[Unit\]\n[\s\S]+\n\[Service\]\n[\s\S]+\n\[Install\]\n/);
  });

  it("has a service file that systemd rates as well confined", function () {
    const folder = mkdtempSync(join(tmpdir(), "anneal-unit-"));
    try {
      const unit = join(folder, "anneal.service");
      writeFileSync(unit, blocks("ini")[0]!);
      const options = ["--offline=yes", `--threshold=${MOST_EXPOSURE}`, "--no-pager"];
      const { error, status, stdout } = spawnSync(
        "systemd-analyze",
        ["security", ...options, unit],
        { encoding: "utf8" },
      );
      if (error || !stdout.includes("Overall exposure level")) {
        console.log("      SKIPPED: there is no systemd-analyze of version 250 or later.");
        this.skip();
      }
      expect(status, stdout).to.equal(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("gives the daemon more time to stop than it needs", () => {
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(blocks("ini")[0]!)![1]);
    const homes = ["provider/processes/terminateProcess.ts", "provider/training/SlurmTrainer.ts"];
    const graces = homes.map((home) =>
      Number(/const GRACE_MS = ([\d_]+);/.exec(read(home))![1]!.replaceAll("_", "")),
    );
    expect(graces.every((grace) => seconds * 1_000 >= grace + 30_000)).to.equal(true);
    const [local, slurm] = graces.map((grace) => grace / 1_000);
    expect(section("## Install")).to.include(`${local} s (${slurm} s on Slurm)`);
  });

  it("creates a persistent keystore that the daemon opens and that nobody else can read", () => {
    const making = commands("encryptSync");
    const showing = commands("openKeystore");
    const folder = mkdtempSync(join(tmpdir(), "anneal-keys-"));
    const places = { "/etc/anneal": folder };
    try {
      const address = type(making, places);
      const files = readdirSync(folder).map((name) => join(folder, name));
      expect(files).to.have.length(2);
      for (const file of files) expect(statSync(file).mode & 0o077, file).to.equal(0);
      const before = files.map((file) => readFileSync(file, "utf8"));
      expect(type(making, places)).to.equal(address);
      expect(files.map((file) => readFileSync(file, "utf8"))).to.deep.equal(before);
      expect(new Wallet(type(showing, places)).address).to.equal(address);
      rmSync(join(folder, "keystore.json")); // interrupted before the keystore was written
      const second = type(making, places);
      expect(new Wallet(type(showing, places)).address).to.equal(second);
      // The shell in which it is typed creates files as before.
      expect(type(`umask 022\n${making}\numask`, places)).to.equal(`${second}\n0022`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("installs models that every user can read, whatever the downloads and the shell allow", () => {
    const folder = mkdtempSync(join(tmpdir(), "anneal-guide-"));
    try {
      const [download, models] = [join(folder, "download"), join(folder, "models")];
      mkdirSync(join(download, "onnx"), { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, "cached"), "weights", { mode: 0o600 });
      symlinkSync(join(folder, "cached"), join(download, "model.safetensors"));
      writeFileSync(join(download, "onnx/config.json"), "{}", { mode: 0o600 });
      const install = `umask 077\n${commands("/srv/models")}`;
      const places = { "<DOWNLOADED-MODEL>": download, "<MODEL>": "tiny", "/srv/models": models };
      for (const _ of ["installed", "updated"]) type(install, places);
      expect(readdirSync(join(models, "tiny")).sort()).to.deep.equal(["model.safetensors", "onnx"]);
      const modeOf = (path: string) => lstatSync(join(models, path)).mode.toString(8);
      for (const path of [".", "tiny", "tiny/onnx"]) expect(modeOf(path), path).to.match(/5$/);
      for (const path of ["tiny/model.safetensors", "tiny/onnx/config.json"])
        expect(modeOf(path), path).to.equal("100644");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("backs up and restores everything but fetched models, with modes and hard links", () => {
    const folder = mkdtempSync(join(tmpdir(), "anneal-guide-"));
    try {
      const [state, backup] = [join(folder, "state"), join(folder, "backup")];
      for (const name of ["models", "jobs", "checkpoints/models"])
        mkdirSync(join(state, name), { recursive: true });
      writeFileSync(join(state, "encryption-keys"), "secret", { mode: 0o600 });
      writeFileSync(join(state, "models/weights"), "can be fetched again");
      writeFileSync(join(state, "jobs/weights"), "trained");
      linkSync(join(state, "jobs/weights"), join(state, "checkpoints/models/weights"));
      const places = { "/var/lib/anneal": state, "/backup": backup, "-o anneal -g anneal": "" };
      type(commands("tar --create"), places);
      expect(statSync(backup).mode & 0o077).to.equal(0);
      rmSync(state, { recursive: true });
      type(commands("tar --extract"), places);
      expect(readdirSync(state).sort()).to.deep.equal(["checkpoints", "encryption-keys", "jobs"]);
      expect(statSync(join(state, "encryption-keys")).mode & 0o777).to.equal(0o600);
      const [job, kept] = ["jobs/weights", "checkpoints/models/weights"].map((name) =>
        statSync(join(state, name)),
      );
      expect(kept!.ino).to.equal(job!.ino);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("installs the build of torch that the trainer is tested with", () => {
    const pin = /^torch==\S+$/m.exec(read("provider/trainer/requirements.txt"))![0];
    expect(matches(GUIDE, /(torch==\S+)/g)).to.deep.equal([pin]);
  });

  it("names every metric, and no other", () => {
    const own = matches(DAEMON, /name: "(anneal_\w+)"/g);
    expect(own.length).to.be.greaterThan(3);
    expect(matches(GUIDE, /`(anneal_\w+)`/g)).to.deep.equal(own);
  });

  it("has a remedy for every error of the daemon", () => {
    const messages = messagesOf("ProviderError|StateUnusableError");
    expect(messages.length).to.be.greaterThan(20);
    expect(missingFrom(GUIDE, messages)).to.deep.equal([]);
  });

  it("explains every warning in the log", () => {
    expect(warnings().length).to.be.greaterThan(15);
    expect(missingFrom(GUIDE, warnings())).to.deep.equal([]);
  });

  it("explains every reason for failing a task, and no other", () => {
    expect(namesIn("### Reasons for giving a task up").sort()).to.deep.equal(
      [...FAIL_REASONS].sort(),
    );
  });

  it("explains every exit code of the trainer, under its name", () => {
    const rows = rowsOf("### Exit codes of the trainer");
    const codes = rows.map(([code]) => Number(code)).filter((code) => !Number.isNaN(code));
    expect(codes).to.include.members(Object.values(EXIT));
    const named = matches(
      read("provider/trainer/anneal_trainer/errors.py"),
      /^ {4}code = "([a-z-]+)"/gm,
    );
    expect(named).to.include("bad-data");
    for (const name of named)
      expect(
        rows.some((cells) => cells[1]!.includes(`\`${name}\``)),
        name,
      ).to.equal(true);
  });

  it("explains everything that the API and the storage refuse, and nothing else", () => {
    expect(namesIn("### What the API refuses").sort()).to.deep.equal(apiCodes());
    const known = [...new Set(storageCodes())].sort();
    expect(known).to.include.members(["quota-exceeded", "range-outside", "disk-full"]);
    expect(namesIn("### What the storage refuses").sort()).to.deep.equal(known);
  });

  it("gives the HTTP status of each", () => {
    const statuses = (heading: string) =>
      rowsOf(heading)
        .map((cells) => cells[1]!)
        .join(" ");
    for (const status of statusesOf(sourceOf("provider/api"), "ApiError"))
      expect(statuses("### What the API refuses")).to.include(status);
    for (const status of statusesOf(STORAGE, "StorageError"))
      expect(statuses("### What the storage refuses")).to.include(status);
  });

  it("gives the version of the database", () => {
    expect(GUIDE).to.include(`schema version ${SCHEMA_VERSION}.`);
  });

  it("is linked from where people look for it", () => {
    expect(read("README.md")).to.include("](docs/operating.md)");
  });
});
