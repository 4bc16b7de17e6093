import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { renderTable } from "../../../tasks/terminal/renderTable.ts";

const overview = {
  title: "Overview",
  widths: [50, 81],
  rows: [
    ["Balance", "Value (OG)"],
    ["Total", "0.999999999820331942"],
    ["Locked (transferred to sub-accounts)", "0.000000000179668154"],
  ],
};

/** As the 0G documentation prints it. */
const OVERVIEW = `  Overview
┌──────────────────────────────────────────────────┬─────────────────────────────────────────────────────────────────────────────────┐
│ Balance                                          │ Value (OG)                                                                      │
├──────────────────────────────────────────────────┼─────────────────────────────────────────────────────────────────────────────────┤
│ Total                                            │ 0.999999999820331942                                                            │
├──────────────────────────────────────────────────┼─────────────────────────────────────────────────────────────────────────────────┤
│ Locked (transferred to sub-accounts)             │ 0.000000000179668154                                                            │
└──────────────────────────────────────────────────┴─────────────────────────────────────────────────────────────────────────────────┘`;

describe("tasks/table", () => {
  it("draws the boxes of the documentation exactly", () => {
    expect(renderTable(overview, { boxes: true, columns: 200 })).to.equal(OVERVIEW);
  });

  it("shrinks to its content in a narrow terminal", () => {
    const lines = renderTable(overview, { boxes: true, columns: 80 }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).to.be.at.most(80);
    expect(lines.join("\n")).to.contain("│ 0.000000000179668154 │");
  });

  it("aligns columns without boxes for a pipe, without trailing blanks", () => {
    expect(renderTable(overview, { boxes: false })).to.equal(
      [
        "Overview",
        "Balance                               Value (OG)",
        "Total                                 0.999999999820331942",
        "Locked (transferred to sub-accounts)  0.000000000179668154",
      ].join("\n"),
    );
  });

  it("wraps sentences between words", () => {
    const text = "DistilBERT is a transformers model, smaller and faster than BERT";
    const drawn = renderTable({ widths: [20, 30], rows: [["d", text]] }, { boxes: true });
    expect(drawn.split("\n")).to.have.length(5);
    expect(drawn).to.contain("│ d                  │ DistilBERT is a transformers │");
  });

  it("wraps the longest of many columns if they are wider than the terminal", () => {
    const address = `0x${"ab".repeat(20)}`;
    const description = "Qwen2 with random weights, small enough to train on a laptop in a minute";
    const heading = ["Model", "Type", "Provider", "Description", "Price"];
    const rows = [
      heading,
      ["tiny-qwen2", "Language Generation", address, description, "0.0006 full"],
    ];
    const table = { widths: [35, 25, 45, 60, 45], rows };
    const lines = renderTable(table, { boxes: true, columns: 125 }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).to.equal(125);
    expect(lines.join("\n")).to.contain(address).and.contain("│ 0.0006 full │");
  });

  it("wraps the last column if the content is wider than a narrow terminal", () => {
    const rows = [["Unpaid Tasks", "1234 refused, 12 failed, 123 expired, 12 slashed"]];
    const drawn = renderTable({ widths: [50, 50], rows }, { boxes: true, columns: 50 });
    expect(drawn.split("\n").slice(1, -1)).to.deep.equal([
      "│ Unpaid Tasks │ 1234 refused, 12 failed, 123    │",
      "│              │ expired, 12 slashed             │",
    ]);
  });

  it("writes fields without boxes if they do not fit, and a long value below its name", () => {
    const hash = `0x${"ab".repeat(32)}`;
    const rows = [
      ["Field", "Value"],
      ["ID", "6b607314"],
      ["Pre-trained Model Hash", hash],
      ["Progress", "Training"],
    ];
    const table = { title: "Task", widths: [35, 85], rows };
    expect(renderTable(table, { boxes: true, columns: 80 }).split("\n")).to.deep.equal([
      "  Task",
      "ID                      6b607314",
      "Pre-trained Model Hash",
      `  ${hash}`,
      "Progress                Training",
    ]);
  });

  it("writes records one below the other if their columns do not fit side by side", () => {
    const address = `0x${"ab".repeat(20)}`;
    const rows = [
      ["Model", "Type", "Provider", "Description"],
      ["tiny-qwen2", "Language Generation", address, "Qwen2 with random weights"],
      ["名前", "Text Classification", address, "-"],
    ];
    const table = { widths: [35, 25, 45, 60], rows };
    expect(renderTable(table, { boxes: true, columns: 80 })).to.equal(
      [
        "Model        tiny-qwen2",
        "Type         Language Generation",
        `Provider     ${address}`,
        "Description  Qwen2 with random weights",
        "",
        "Model        名前",
        "Type         Text Classification",
        `Provider     ${address}`,
        "Description  -",
      ].join("\n"),
    );
  });

  it("says that a list has no records", () => {
    const table = { title: "Tasks", widths: [35, 25, 45], rows: [["ID", "Model", "Fee"]] };
    for (const boxes of [true, false])
      expect(renderTable(table, { boxes })).to.match(/^ *Tasks\nnone$/);
  });

  it("never splits a word, keeps the lines of boxes equally long, and all lines within the terminal", () => {
    const word = fc.string({
      unit: fc.constantFrom("a", "7", "x", "-"),
      minLength: 1,
      maxLength: 70,
    });
    const cell = fc.array(word, { maxLength: 5 }).map((words) => words.join(" "));
    const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 20, max: 150 }), (drawnRows, columns) => {
        const table = { widths: [20, 30], rows: drawnRows };
        const drawn = renderTable(table, { boxes: true, columns });
        const lines = drawn.split("\n");
        const words = drawn.split(/[\s│]+/);
        for (const text of drawnRows.flat()) {
          for (const each of text.split(" ").filter(Boolean)) expect(words).to.include(each);
        }
        const lengths = lines.map((line) => line.length);
        if (drawn.startsWith("┌")) expect(new Set(lengths).size).to.equal(1);
        const widest = Math.max(...words.map((each) => each.length)) + 2;
        const names = Math.max(...drawnRows.map(([name]) => name.length));
        expect(Math.max(...lengths)).to.be.at.most(Math.max(columns, widest, names));
      }),
    );
  });

  it("does not let untrusted text move the cursor or clear the screen", () => {
    const rows = [["\u001b[2Jevil\r\n", "x\u0007"]];
    for (const boxes of [true, false]) {
      const drawn = renderTable({ widths: [20, 20], rows }, { boxes });
      expect(drawn.replaceAll("\n", "")).not.to.match(/\p{Cc}/u);
    }
  });
});
