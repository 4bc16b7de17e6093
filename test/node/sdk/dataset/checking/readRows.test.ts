import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { readRows } from "../../../../../sdk/dataset/checking/readRows.ts";
import type { DatasetKind } from "../../../../../sdk/dataset/formats/DatasetRow.ts";
import { collect, jsonl, temporaryFolder } from "../temporaryFolder.ts";

/** Any characters but halves of surrogate pairs. */
const text = fc.string({ unit: "binary", minLength: 1, maxLength: 30 });
const role = fc.constantFrom("system", "user", "assistant");

describe("readRows", () => {
  const { write } = temporaryFolder();
  const read = async (ending: string, content: string, kind: DatasetKind) =>
    (await collect(readRows(write(ending, content), { kind }))).map(({ row }) => row);
  const roundTrips = (name: string, property: fc.IAsyncProperty<unknown>) =>
    it(name, () => fc.assert(property, { numRuns: 60 }));

  roundTrips(
    "reads any texts as they were written",
    fc.asyncProperty(fc.array(text, { minLength: 1 }), async (texts) => {
      const content = jsonl(...texts.map((text) => ({ text })));
      expect(await read(".jsonl", content, "causal-lm")).to.deep.equal(
        texts.map((text) => ({ format: "text", text })),
      );
    }),
  );

  roundTrips(
    "reads any prompts and completions, whatever the order of their keys",
    fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1 }), async (pairs) => {
      const rows = pairs.map(([completion, prompt]) => ({ completion, prompt }));
      expect(await read(".jsonl", jsonl(...rows), "causal-lm")).to.deep.equal(
        rows.map((row) => ({ format: "prompt", ...row })),
      );
    }),
  );

  roundTrips(
    "reads any conversation in which the assistant speaks",
    fc.asyncProperty(fc.array(fc.record({ role, content: text })), text, async (turns, content) => {
      const messages = [...turns, { role: "assistant", content }];
      expect(await read(".jsonl", jsonl({ messages }), "causal-lm")).to.deep.equal([
        { format: "messages", messages },
      ]);
    }),
  );

  roundTrips(
    "reads any fields from CSV that quotes them",
    fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1 }), async (pairs) => {
      const quote = (field: string) => `"${field.replaceAll('"', '""')}"`;
      const lines = pairs.map((pair) => `${pair.map(quote).join(",")}\r\n`);
      expect(
        await read(".csv", `text,label\n${lines.join("")}`, "text-classification"),
      ).to.deep.equal(pairs.map(([text, label]) => ({ format: "label", text, label })));
    }),
  );

  roundTrips(
    "reads any fields without tabs and line ends from TSV, quotation marks as they are",
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(99), text), { minLength: 1 }), async (pairs) => {
      const rows = pairs.map(([label, text]) => ({
        format: "label",
        label: String(label),
        text: `"${text.replace(/[\t\r\n]/g, " ")}`,
      }));
      const lines = rows.map(({ label, text }) => `${label}\t${text}\n`);
      expect(await read(".tsv", lines.join(""), "text-classification")).to.deep.equal(rows);
    }),
  );

  it("puts an instruction's input on the line after it", async () => {
    const content = jsonl(
      { instruction: "Add.", input: "1, 2", output: "3" },
      { instruction: "Add.", input: "", output: "0" },
      { instruction: "Add.", output: "0" },
    );
    expect(await read(".jsonl", content, "causal-lm")).to.deep.equal([
      { format: "instruction", prompt: "Add.\n1, 2\n", completion: "3" },
      { format: "instruction", prompt: "Add.\n", completion: "0" },
      { format: "instruction", prompt: "Add.\n", completion: "0" },
    ]);
  });

  it("ends lines at line feeds only, as other separators belong to the text", async () => {
    const content = '{"text":"a\u2028b\u2029c\u0085d"}\r\n{"text":"e"}';
    expect(await read(".jsonl", content, "causal-lm")).to.deep.equal([
      { format: "text", text: "a\u2028b\u2029c\u0085d" },
      { format: "text", text: "e" },
    ]);
  });

  it("reads lines longer than a block of the file, with characters across block boundaries", async () => {
    const rows = Array.from({ length: 5 }, (_, n) => ({ text: `${"é😀".repeat(70_000 + n)}` }));
    const found = await read(".jsonl", jsonl(...rows), "causal-lm");
    expect(found.map((row) => (row as { text: string }).text)).to.deep.equal(
      rows.map(({ text }) => text),
    );
  });

  it("keeps line breaks inside quoted CSV fields and says where a row starts", async () => {
    const path = write(".csv", 'label,text\r\nx,"one\r\ntwo ""2"""\ny,th"ree\n');
    const rows = await collect(readRows(path, { kind: "text-classification" }));
    expect(rows).to.deep.equal([
      { line: 2, row: { format: "label", label: "x", text: 'one\r\ntwo "2"' } },
      { line: 4, row: { format: "label", label: "y", text: 'th"ree' } },
    ]);
  });

  it("accepts either order of the columns", async () => {
    const row = { format: "label", text: "a", label: "x" };
    for (const content of ["text\tlabel\na\tx\n", "label\ttext\r\nx\ta\r\n"]) {
      expect(await read(".tsv", content, "text-classification")).to.deep.equal([row]);
    }
  });

  it("stops at the first error and reports its place", async () => {
    const path = write(".jsonl", jsonl({ text: "a" }, { text: "" }, { text: 7 }));
    const seen: number[] = [];
    const error = await (async () => {
      for await (const { line } of readRows(path, { kind: "causal-lm" })) seen.push(line);
    })().catch((e) => e);
    expect(seen).to.deep.equal([1]);
    expect(error).to.include({
      code: "dataset-invalid",
      exitCode: 3,
      message: `${path}:2: text is empty.`,
      hint: "Fill it in or remove the row.",
    });
  });
});
