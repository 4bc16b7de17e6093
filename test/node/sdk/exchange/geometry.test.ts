import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import { geometryOf, levelOf, parentOf, segmentOf } from "../../../../sdk/exchange/geometry.ts";

const PAGE = 4096;

/** Pages per level, by the size of the plaintext: every size where the shape changes. */
const SHAPES: [size: number, pagesPerLevel: number[]][] = [
  [1, [1]],
  [PAGE - 1, [1]],
  [PAGE, [1]],
  [PAGE + 1, [2, 1]],
  [128 * PAGE, [128, 1]],
  [128 * PAGE + 1, [129, 2, 1]],
  [16_384 * PAGE, [16_384, 128, 1]],
  [16_384 * PAGE + 1, [16_385, 129, 2, 1]],
  [2 ** 40, [2 ** 28, 2 ** 21, 2 ** 14, 128, 1]],
];

const anySize = fc.oneof(
  fc.integer({ min: 1, max: 200 * PAGE }),
  fc.integer({ min: 1, max: 2 ** 47 }),
  fc.constantFrom(...SHAPES.map(([size]) => size)),
);

describe("container geometry", () => {
  for (const [size, pages] of SHAPES) {
    it(`of ${size} bytes has levels of ${pages.join(", ")} pages`, () => {
      const geometry = geometryOf(size);
      const total = pages.reduce((sum, count) => sum + count, 0);
      expect(geometry.levels.map((level) => level.pages)).to.deep.equal(pages);
      expect(geometry.totalPages).to.equal(total);
      expect(geometry.encryptedSize).to.equal(total * PAGE);
    });
  }

  it("adds at most 0.8 % and the pages of a few levels", () => {
    fc.assert(
      fc.property(anySize, (size) => {
        expect(geometryOf(size).encryptedSize).to.be.at.most(size * 1.008 + 9 * PAGE);
      }),
    );
  });

  it("gives every page but the top one its own entry in a page of the level above", () => {
    fc.assert(
      fc.property(anySize, fc.nat(2 ** 32), (size, choice) => {
        const geometry = geometryOf(size);
        const page = choice % geometry.totalPages;
        const parent = parentOf(geometry, page);
        if (parent === null) {
          expect(page).to.equal(geometry.totalPages - 1);
          return;
        }
        const level = levelOf(geometry, page);
        expect(levelOf(geometry, parent.page)).to.equal(level + 1);
        expect(parent.entry).to.be.within(0, 127);
        const place = (parent.page - geometry.levels[level + 1]!.firstPage) * 128 + parent.entry;
        expect(geometry.levels[level]!.firstPage + place).to.equal(page);
      }),
    );
  });

  it("keeps segment numbers within the 32 bits of key and nonce, at the largest size too", () => {
    const { totalPages } = geometryOf(2 ** 47);
    expect(segmentOf(totalPages - 1)).to.be.below(2 ** 32);
    expect([segmentOf(63), segmentOf(64)]).to.deep.equal([0, 1]);
  });

  it("refuses impossible sizes", () => {
    for (const size of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 47 + 1]) {
      expect(() => geometryOf(size))
        .to.throw(ProtocolError)
        .with.property("code", "usage");
    }
  });
});
