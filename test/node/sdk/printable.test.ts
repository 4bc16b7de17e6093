import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { printable } from "../../../sdk/printable.ts";

describe("printable", () => {
  it("removes everything that ends a line, controls a terminal or changes the text direction", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(printable(text)).not.to.match(
          /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u,
        );
      }),
    );
    expect(printable("a\u001b[2J\r\nTask settled\u202e")).to.equal("a [2J Task settled ");
  });

  it("keeps every other text unchanged", () => {
    for (const text of ["Ärger: 50 %  of 日本語", "שלום", "👩‍🚀", ""]) {
      expect(printable(text)).to.equal(text);
    }
  });

  it("truncates long text without leaving half of a character", () => {
    expect(printable("abcdef", 3)).to.equal("abc");
    expect(printable("ab😀", 3)).to.equal("ab\ufffd");
  });
});
