import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { commands } from "../../tasks/index.ts";

/** What the documentation tells people to type and to open exists. */

const ROOT = resolve(import.meta.dirname, "../..");
const PAGES = ["README.md", "docs", "docs/decisions"].flatMap((place) =>
  place.endsWith(".md")
    ? [place]
    : readdirSync(join(ROOT, place))
        .filter((name) => name.endsWith(".md"))
        .map((name) => join(place, name)),
);
/** Hardhat's own commands and options that the documentation mentions. */
const HARDHATS = ["deploy", "keystore", "node", "--help"];
const GLOBAL_FLAGS = ["--network", "--help", "--show-stack-traces"];

const read = (page: string) => readFileSync(join(ROOT, page), "utf8");

/** Every `npx hardhat …` of a page, in code blocks and in sentences. */
const typed = (page: string) =>
  [...read(page).matchAll(/npx hardhat ([^\n`#]+)/g)].map((match) => match[1]!.trim());

const kebab = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The words of one command line that nothing answers to. */
function unknownWords(line: string): string[] {
  const [name = "", ...words] = line.split(/\s+/);
  if (HARDHATS.includes(name) || name.startsWith("…")) return [];
  const command = commands.find(({ id }) => id.join(" ") === name);
  if (!command) return [name];
  const options = "options" in command ? Object.values(command.options) : [];
  const known = [...options.map((option) => `--${kebab(option.name)}`), ...GLOBAL_FLAGS];
  return words.filter((word) => word.startsWith("--") && !known.includes(word));
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

  it("links only to what is there", () => {
    const links = (page: string) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((match) => match[1]!);
    const broken = everywhere((page) =>
      links(page).filter((link) => !existsSync(join(ROOT, dirname(page), link))),
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
});
