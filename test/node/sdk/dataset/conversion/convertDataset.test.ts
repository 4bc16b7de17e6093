import {
  createWriteStream,
  existsSync,
  linkSync,
  readFileSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { checkDataset } from "../../../../../sdk/dataset/checking/checkDataset.ts";
import {
  type ConvertOptions,
  convertDataset,
} from "../../../../../sdk/dataset/conversion/convertDataset.ts";
import { rejection } from "../../../../helpers/rejection.ts";
import { jsonl, temporaryFolder } from "../temporaryFolder.ts";

describe("convertDataset", () => {
  const { folder, write } = temporaryFolder();
  const output = join(folder, "output.jsonl");
  const convert = async (
    ending: string,
    content: string | Uint8Array,
    options: ConvertOptions = {},
  ) => {
    const input = write(ending, content);
    const { rows } = await convertDataset(input, output, { force: true, ...options });
    const lines = readFileSync(output, "utf8").split("\n").slice(0, -1);
    expect(lines).to.have.lengthOf(rows);
    return lines.map((line) => JSON.parse(line));
  };

  it("renames the keys of JSONL and drops the others", async () => {
    const content = jsonl(
      { id: 1, question: "a", answer: "b" },
      { id: 2, question: "c", answer: "d" },
    );
    const columns = { prompt: "question", completion: "answer" };
    expect(await convert(".jsonl", content, { columns })).to.deep.equal([
      { prompt: "a", completion: "b" },
      { prompt: "c", completion: "d" },
    ]);
    expect(await checkDataset(output, { kind: "causal-lm" })).to.include({ rows: 2, errors: 0 });
  });

  it("takes named columns of CSV and TSV", async () => {
    const columns = { text: "sentence", label: "class" };
    const rows = [{ text: "a, b", label: "x" }];
    expect(await convert(".csv", 'n,class,sentence\r\n1,x,"a, b"\r\n', { columns })).to.deep.equal(
      rows,
    );
    expect(await convert(".tsv", "n\tclass\tsentence\n1\tx\ta, b\n", { columns })).to.deep.equal(
      rows,
    );
  });

  it("takes numbered columns of a file without header", async () => {
    const columns = { text: 1, label: 0 };
    expect(await convert(".tsv", '1\t"a\n0\tb', { columns })).to.deep.equal([
      { text: '"a', label: "1" },
      { text: "b", label: "0" },
    ]);
    expect(await checkDataset(output, { kind: "text-classification" })).to.include({ errors: 0 });
  });

  it("takes any part of the file", async () => {
    const texts = Array.from({ length: 20 }, (_, n) => ({ t: `row ${n}` }));
    const columns = { text: "t" };
    await fc.assert(
      fc.asyncProperty(fc.nat(19), fc.integer({ min: 1, max: 25 }), async (offset, limit) => {
        const rows = await convert(".jsonl", jsonl(...texts), { columns, offset, limit });
        const expected = texts.slice(offset, offset + limit);
        expect(rows).to.deep.equal(expected.map(({ t }) => ({ text: t })));
      }),
      { numRuns: 30 },
    );
  });

  const columns = { text: "t" };
  const refusal = (input: string, target = output, options: object = {}) =>
    rejection(convertDataset(input, target, { columns, ...options }));

  it("never writes over its input, whatever it is called and whatever is forced", async () => {
    const content = jsonl({ t: "a" });
    const input = write(".jsonl", content);
    const other = join(folder, "hard-link.jsonl");
    linkSync(input, other);
    const link = join(folder, "link.jsonl");
    symlinkSync(input, link);
    for (const target of [input, other, link, relative(process.cwd(), input)]) {
      const { code, message } = await refusal(input, target, { force: true });
      expect(code).to.equal("usage");
      expect(message).to.contain("would destroy it");
    }
    expect(readFileSync(input, "utf8")).to.equal(content);
  });

  it("replaces another file only with --force", async () => {
    const target = write(".jsonl", "mine");
    const input = write(".jsonl", jsonl({ t: "a" }));
    expect((await refusal(input, target)).next).to.deep.equal({ parameter: "force" });
    expect(readFileSync(target, "utf8")).to.equal("mine");
    await convertDataset(input, target, { columns, force: true });
    expect(readFileSync(target, "utf8")).to.equal('{"text":"a"}\n');
  });

  it("leaves nothing behind, and an existing file unchanged, if a row is invalid or there are none", async () => {
    for (const [content, options] of [
      ['{"t":"a"}\n{"x":"b"}\n', {}],
      ["\n", {}],
      [jsonl({ t: "a" }), { offset: 1 }],
      [jsonl({ t: "a" }), { limit: 0 }],
    ] as const) {
      const input = write(".jsonl", content);
      const target = write(".jsonl", "mine");
      const fresh = join(folder, "fresh.jsonl");
      expect((await refusal(input, target, { force: true, ...options })).code).to.equal(
        "dataset-invalid",
      );
      await refusal(input, fresh, options);
      expect(readFileSync(target, "utf8")).to.equal("mine");
      expect(existsSync(fresh) || existsSync(`${fresh}.part`)).to.equal(false);
    }
  });

  it("writes JSON lines only to .jsonl files", async () => {
    for (const ending of [".csv", ".tsv", ".json", ""]) {
      const { code, message } = await refusal(write(".jsonl", "{}"), join(folder, `out${ending}`));
      expect(code).to.equal("usage");
      expect(message).to.contain("does not end in .jsonl");
    }
  });

  it("cannot be misled by an extension", async () => {
    const rows = [{ text: "a", label: "x" }];
    const csv = "text,label\na,x\n";
    for (const ending of [".jsonl", ".csv", ".tsv", ".txt", ".json", ""]) {
      expect(await convert(ending, csv), ending).to.deep.equal(rows);
      expect(await convert(ending, JSON.stringify(rows)), ending).to.deep.equal(rows);
      expect(await convert(ending, csv.replaceAll(",", "\t")), ending).to.deep.equal(rows);
    }
  });

  it("says what it takes if a file is something else", async () => {
    const { code, message, hint } = await refusal(write(".txt", "Hello, world.\n"));
    expect(code).to.equal("usage");
    expect(message).to.contain("is not JSON, not a table with commas or tabs, and not parquet");
    expect(hint).to.contain(".tsv");
  });

  it("names the row that lacks a field or cannot be read", async () => {
    for (const [ending, content, line] of [
      [".jsonl", '{"t":"a"}\n{"x":"b"}\n', 2],
      [".jsonl", '{"t":"a"}\nnull\n', 2],
      [".jsonl", "nonsense\n", 1],
      [".csv", 't,u\n1,2\n"3\n', 3],
      [".tsv", "a\tb\n1\t2\n", 2],
    ] as const) {
      const error = await convert(ending, content, { columns }).catch((e) => e);
      expect(error.code, content).to.equal("dataset-invalid");
      expect(error.message).to.contain(`${ending}:${line}: `);
    }
  });

  describe("of JSON that is no lines", () => {
    const rows = [
      { prompt: 'a\\"[', completion: "b\nc" },
      { prompt: "é", completion: "],}{" },
    ];

    it("takes an array and objects over several lines", async () => {
      for (const space of [0, 2, "\t"]) {
        const array = JSON.stringify(rows, null, space);
        const objects = rows.map((row) => JSON.stringify(row, null, space)).join("\n");
        for (const text of [array, `\ufeff\r\n ${array} \n`, objects]) {
          expect(await convert(".json", text, { from: "array" })).to.deep.equal(rows);
        }
      }
    });

    it("combines with every other conversion", async () => {
      const content = JSON.stringify([{ question: "a", answer: "b" }]);
      expect(await convert(".json", content)).to.deep.equal([{ prompt: "a", completion: "b" }]);
      const turns = [{ conversations: [{ from: "human", value: "Hi" }] }];
      expect(await convert(".json", JSON.stringify(turns, null, 2))).to.deep.equal([
        { messages: [{ role: "user", content: "Hi" }] },
      ]);
    });

    it("names the line of an element that is not JSON, missing or incomplete", async () => {
      for (const [content, line, message] of [
        ['[{"text":"a"},\n{text:"b"}]', 2, "not JSON"],
        ['[{"text":"a"},\n\n]', 3, "not JSON"],
        ['[{"text":"a"},\n7]', 2, "not an object"],
        ['[{"text":"a"},\n{"text":"b"', 2, "ends before its last bracket"],
        ['[{"text":"a"}\n,{"text":"b"}', 2, "ends before its last bracket"],
        ['[\n{"text":"a"}]\n[{"text":"b"}]', 3, "after the end"],
      ] as const) {
        const error = await rejection(
          convertDataset(write(".json", content), output, { force: true, from: "array" }),
        );
        expect(error.message, content).to.contain(`.json:${line}: `).and.contain(message);
      }
    });

    it("refuses an element of more than 16 MiB", async () => {
      const content = `[{"text":"a"},{"text":"${"a".repeat(17 << 20)}"}]`;
      const error = await rejection(
        convertDataset(write(".json", content), output, { force: true, from: "array" }),
      );
      expect(error.message).to.contain("longer than 16 MiB");
    });

    it("uses little memory, whatever the size of the array", async () => {
      const input = join(folder, "large.json");
      const row = JSON.stringify({ text: "a".repeat(50_000) });
      const parts = function* () {
        for (let n = 0; n < 4_000; n++) yield `${n === 0 ? "[" : ","}${row}`;
        yield "]";
      };
      await pipeline(Readable.from(parts()), createWriteStream(input));
      expect(statSync(input).size).to.be.greaterThan(190 * 2 ** 20);
      const before = process.memoryUsage.rss();
      let most = 0;
      const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
      const { rows } = await convertDataset(input, output, { force: true, from: "array" });
      clearInterval(watch);
      expect(rows).to.equal(4_000);
      expect(most - before).to.be.lessThan(150 * 2 ** 20);
    });
  });

  describe("of ShareGPT", () => {
    const call = { from: "function_call", value: '{"name":"add","arguments":{"a":1}}' };

    it("makes messages of all speakers, with calls and their results", async () => {
      const row = {
        id: 7,
        system: "Be brief.",
        tools: '[{"name":"add","parameters":{}}]',
        conversations: [
          { from: "human", value: "1+1?" },
          call,
          { from: "observation", value: "2" },
          { from: "gpt", value: "Two." },
        ],
      };
      const [converted] = await convert(".jsonl", jsonl(row));
      expect(converted).to.deep.equal({
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "1+1?" },
          {
            role: "assistant",
            content: null,
            tool_calls: [
              { id: "call_1", type: "function", function: { name: "add", arguments: '{"a":1}' } },
            ],
          },
          { role: "tool", tool_call_id: "call_1", content: "2" },
          { role: "assistant", content: "Two." },
        ],
        tools: [{ type: "function", function: { name: "add", parameters: {} } }],
      });
      const input = write(".jsonl", jsonl(row));
      const { from, dropped } = await convertDataset(input, output, { force: true });
      expect({ from, dropped }).to.deep.equal({ from: "sharegpt", dropped: ["id"] });
    });

    it("makes a dataset of plain conversations, also with OpenAI's keys", async () => {
      const turns = (who: string, what: string) => [
        { [who]: "human", [what]: "Hi" },
        { [who]: "gpt", [what]: "Hello" },
      ];
      const content = jsonl({ conversations: turns("from", "value") });
      const [row] = await convert(".jsonl", content);
      expect(await checkDataset(output, { kind: "causal-lm" })).to.include({ errors: 0, rows: 1 });
      for (const other of [
        { conversations: turns("role", "content") },
        { messages: turns("from", "value") },
      ]) {
        expect(await convert(".jsonl", jsonl(other))).to.deep.equal([row]);
      }
    });

    it("names the turn that is not one", async () => {
      for (const [turn, message] of [
        [{ from: "alien", value: "Hi" }, 'conversations[1] has the speaker "alien"'],
        [{ from: "gpt", value: null }, "conversations[1] has no text"],
        [{ ...call, value: "add(1)" }, "conversations[1] is a function_call, but"],
      ] as const) {
        const row = { conversations: [{ from: "human", value: "Hi" }, turn] };
        const { message: said } = await refusal(write(".jsonl", jsonl(row)), output, {
          columns: undefined,
          force: true,
        });
        expect(said).to.contain(`.jsonl:1: ${message}`);
      }
    });
  });

  it("makes messages of Alpaca's rows with a system message and a history", async () => {
    const rows = [
      {
        instruction: "Add.",
        input: "1, 2",
        output: "3",
        system: "Be brief.",
        history: [["Hi", "Hello"]],
      },
      { instruction: "Greet.", input: "", output: "Hi!", system: "", history: [] },
    ];
    expect(await convert(".jsonl", jsonl(...rows))).to.deep.equal([
      {
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hello" },
          { role: "user", content: "Add.\n1, 2" },
          { role: "assistant", content: "3" },
        ],
      },
      {
        messages: [
          { role: "user", content: "Greet." },
          { role: "assistant", content: "Hi!" },
        ],
      },
    ]);
  });

  it("recognizes columns with usual names, and says what it left out", async () => {
    for (const [asked, answered] of [
      ["question", "answer"],
      ["Question", "Answer"],
      ["query", "response"],
      ["instruction", "response"],
      ["source", "target"],
      ["input", "output"],
      ["prompt", "response"],
    ] as const) {
      const input = write(".jsonl", jsonl({ [asked]: "a", [answered]: "b", idx: 1 }));
      const result = await convertDataset(input, output, { force: true });
      expect(result).to.deep.equal({
        rows: 1,
        from: "columns",
        columns: { prompt: asked, completion: answered },
        dropped: ["idx"],
      });
      expect(readFileSync(output, "utf8")).to.equal(jsonl({ prompt: "a", completion: "b" }));
    }
  });

  it("keeps a context as the input of an instruction, also where it is missing", async () => {
    const content = jsonl(
      { instruction: "a", context: "b", response: "c" },
      { instruction: "d", context: null, response: "e" },
      { instruction: "f", response: "g" },
    );
    expect(await convert(".jsonl", content)).to.deep.equal([
      { instruction: "a", input: "b", output: "c" },
      { instruction: "d", output: "e" },
      { instruction: "f", output: "g" },
    ]);
  });

  it("asks for the columns if their names say nothing", async () => {
    for (const content of ["a,b\nc,d\n", jsonl({ a: "c", b: "d" }), jsonl({ question: "a" })]) {
      const { code, message, next } = await rejection(
        convertDataset(write(".csv", content), output, { force: true }),
      );
      expect(code).to.equal("usage");
      expect(message).to.match(/not recognized \(columns: "/);
      expect(next).to.deep.equal({ parameter: "columns" });
    }
  });

  it("takes texts and labels from parquet", async () => {
    // Written by pyarrow: a column of questions, one of answers, and one of 64-bit integers.
    const input = join(import.meta.dirname, "questions.parquet");
    const { rows, dropped } = await convertDataset(input, output, { force: true });
    expect({ rows, dropped }).to.deep.equal({ rows: 2, dropped: ["n"] });
    expect(readFileSync(output, "utf8")).to.equal(
      jsonl({ prompt: "1+1?", completion: "2" }, { prompt: "1+2?", completion: "3" }),
    );
    await convertDataset(input, output, { force: true, columns: { text: "question", label: "n" } });
    expect(JSON.parse(readFileSync(output, "utf8").split("\n")[1]!)).to.deep.equal({
      text: "1+2?",
      label: 2,
    });
  });

  it("says what has to be done first with a file that it cannot read", async () => {
    const { code, message, next } = await refusal(write(".jsonl", Buffer.from("1f8b08", "hex")));
    expect(code).to.equal("dataset-invalid");
    expect(message).to.match(/is compressed with gzip\.$/);
    expect(next).to.deep.nested.include({
      "prepare.foreign": { what: "compressed", method: "gzip" },
    });
  });
});
