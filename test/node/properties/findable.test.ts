import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";

/** Every property of docs/protocol.md has a test whose name contains it: P1, P2, … */

const ROOT = resolve(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** Solidity functions and mocha titles, that is, what a runner prints. */
function testNames(): string[] {
  const solidity = globSync("test/solidity/**/*.t.sol", { cwd: ROOT });
  const mocha = globSync("test/node/**/*.ts", { cwd: ROOT });
  const found = [
    ...solidity.map((path) => [...read(path).matchAll(/function ((?:test|invariant)\w+)/g)]),
    ...mocha.map((path) => [...read(path).matchAll(/\b(?:it|describe)\(\s*["'`]([^\n]+)/g)]),
  ];
  return found.flat().map((match) => match[1]!);
}

describe("properties", () => {
  const properties = [...new Set(read("docs/protocol.md").match(/\bP\d+\b/g))];
  const names = testNames();

  it("are listed in protocol.md, all 34", () => {
    expect(properties).to.include.members(Array.from({ length: 34 }, (_, i) => `P${i + 1}`));
  });

  for (const property of properties) {
    it(`${property} is named by a test`, () => {
      const word = new RegExp(`(^|[^A-Za-z0-9])${property}([^0-9]|$)`);
      expect(names.filter((name) => word.test(name))).not.to.deep.equal([]);
    });
  }
});
