import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { isError } from "../../../../sdk/dataset/formats/Finding.ts";
import { parseJsonRow } from "../../../../sdk/dataset/formats/parseRow.ts";
import { EXAMPLES } from "./trainer.ts";

const read = (name: string) => readFileSync(join(EXAMPLES, "rows", name), "utf8");
const lines = (name: string) =>
  read(name)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

interface Malformed {
  readonly line: string;
  readonly rule: string;
  readonly message: string;
}

/** Row and texts of each documented row; the trainer's tests fill them in alike. */
const documented = JSON.parse(read("texts.json")).flatMap((texts: readonly string[]) =>
  lines("documented.jsonl").map(({ source, row }) => ({
    source,
    line: texts.reduce((text, value, index) => {
      const inner = JSON.stringify(value).slice(1, -1);
      const twice = JSON.stringify(JSON.stringify(value)).slice(1, -1);
      return text
        .replaceAll(`\\"$${index + 1}\\"`, () => twice)
        .replaceAll(`$${index + 1}`, () => inner);
    }, JSON.stringify(row)),
  })),
) as { readonly source: string; readonly line: string }[];

describe("rows as others document them", () => {
  it("are accepted", () => {
    expect(documented).to.have.lengthOf.at.least(200);
    for (const { source, line } of documented) {
      const { row, findings } = parseJsonRow(line, "causal-lm");
      expect(findings.filter(isError), source).to.deep.equal([]);
      expect(row, source).to.be.an("object");
    }
  });

  it("are refused by the trainer's rules, in its words, if they are malformed", () => {
    const malformed = lines("malformed.jsonl") as Malformed[];
    expect(malformed).to.have.lengthOf.at.least(60);
    for (const { line, rule, message } of malformed) {
      const [first] = parseJsonRow(line, "causal-lm").findings.filter(isError);
      expect({ rule: first?.rule, message: first?.message }, line).to.deep.equal({ rule, message });
    }
  });
});
