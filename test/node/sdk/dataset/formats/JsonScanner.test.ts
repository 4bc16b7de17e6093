import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { JsonScanner } from "../../../../../sdk/dataset/formats/JsonScanner.ts";

/** The elements of a text that arrives in pieces of `size` bytes. */
function scan(text: string, size = text.length) {
  const bytes = Buffer.from(text);
  const scanner = new JsonScanner();
  const found: (readonly [line: number, text: string])[] = [];
  const problems: string[] = [];
  const note = (pieces: ReturnType<JsonScanner["feed"]>) => {
    for (const { line, bytes, problem } of pieces) {
      if (problem) problems.push(`${line} ${problem}`);
      else found.push([line, bytes.toString()]);
    }
  };
  for (let at = 0; at < bytes.length; at += size) note(scanner.feed(bytes.subarray(at, at + size)));
  note(scanner.end());
  return { found, problems };
}

/** Values as JSON has them: without a negative zero. */
const asJson = (values: readonly unknown[]) => JSON.parse(JSON.stringify(values));

describe("JsonScanner", () => {
  const space = fc.constantFrom(undefined, 1, "\t");
  const size = fc.integer({ min: 1, max: 9 });

  it("cuts any array into its elements, however it is written and arrives", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 5 }),
        space,
        size,
        (values, indent, step) => {
          const { found, problems } = scan(JSON.stringify(values, null, indent), step);
          expect(found.map(([, text]) => JSON.parse(text))).to.deep.equal(asJson(values));
          expect(problems).to.deep.equal([]);
        },
      ),
    );
  });

  it("cuts any sequence of objects", () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(fc.array(object, { maxLength: 4 }), space, size, (values, indent, step) => {
        const text = values.map((value) => JSON.stringify(value, null, indent)).join("\n");
        const { found, problems } = scan(text, step);
        expect(found.map(([, each]) => JSON.parse(each))).to.deep.equal(asJson(values));
        expect(problems).to.deep.equal([]);
      }),
    );
  });

  it("knows the line on which an element starts", () => {
    expect(scan("\n[\n1,\n\n{\n},2\n]").found.map(([line]) => line)).to.deep.equal([3, 5, 6]);
  });

  it("reports an array without its end, and text after it", () => {
    for (const [text, problem] of [
      ["[1,\n2", "2 unfinished"],
      ["[1", "1 unfinished"],
      ["[\n", "2 unfinished"],
      ['[{"a":"]', "1 unfinished"],
      ['{"a":1}\n{"a"', "2 unfinished"],
      ["[1]\nx", "2 after-end"],
    ] as const) {
      expect(scan(text).problems, text).to.deep.equal([problem]);
    }
  });

  it("leaves a missing element to its reader, which finds that it is not JSON", () => {
    expect(scan("[1,,2]").found.map(([, text]) => text)).to.deep.equal(["1", "", "2"]);
    expect(scan("[1,]").found.map(([, text]) => text)).to.deep.equal(["1", ""]);
    expect(scan("[ ]").found).to.deep.equal([]);
  });
});
