// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Geometry} from "../../../contracts/libraries/Geometry.sol";
import {Assertions} from "../helpers/Assertions.sol";

/// @notice Where pages and their digests lie, for every size.
contract GeometryTest is Assertions {
    function pagesOf(uint256 size) private pure returns (uint256 pages) {
        (pages, , ) = Geometry.locate(size, 0);
    }

    function test_GivenBoundarySizes_TheNumberOfPagesIsAsCounted() public pure {
        eq(pagesOf(1), 1, "one byte");
        eq(pagesOf(4096), 1, "one page");
        eq(pagesOf(4097), 2 + 1, "two pages");
        eq(pagesOf(128 * 4096), 128 + 1, "a full hash page");
        eq(pagesOf(128 * 4096 + 1), 129 + 2 + 1, "a second hash page");
        eq(pagesOf(16_384 * 4096), 16_384 + 128 + 1, "two full levels");
        eq(pagesOf(16_384 * 4096 + 1), 16_385 + 129 + 2 + 1, "a third level");
        eq(pagesOf(2 ** 47), 2 ** 35 + 2 ** 28 + 2 ** 21 + 2 ** 14 + 2 ** 7 + 1, "the largest");
    }

    function test_GivenLargestSize_TheSegmentNumbersFit32Bits() public pure {
        check(pagesOf(Geometry.MAX_SIZE) / Geometry.SEGMENT_PAGES <= type(uint32).max, "32 bits");
    }

    function testFuzz_GivenPage_ItsEntryLiesBehindItInAHashPage(uint256 size, uint256 page) public pure {
        size = bound(size, 1, Geometry.MAX_SIZE);
        uint256 pages = pagesOf(size);
        page = bound(page, 0, pages - 1);
        (uint256 same, uint256 parent, uint256 entry) = Geometry.locate(size, page);
        eq(same, pages, "the number of pages is the size's alone");
        check(parent > page && parent >= (size + 4095) / 4096, "behind it, not among the data");
        check(entry < Geometry.PAGE_ENTRIES, "an entry");
        check(parent == pages ? page == pages - 1 && entry == 0 : parent < pages, "only the top page has none");
    }

    function testFuzz_GivenNeighbours_TheirEntriesAreNeighbours(uint256 size, uint256 page) public pure {
        size = bound(size, 4097, Geometry.MAX_SIZE);
        page = bound(page, 0, pagesOf(size) - 2);
        (, uint256 parent, uint256 entry) = Geometry.locate(size, page);
        (uint256 pages, uint256 nextParent, uint256 nextEntry) = Geometry.locate(size, page + 1);
        if (nextParent == parent) eq(nextEntry, entry + 1, "the next entry");
        else check(nextParent == parent + 1 && nextEntry == 0, "the next page's first entry");
        check(page + 1 < pages, "in the container");
    }

    function testFuzz_GivenNoSuchPage_ThereIsNoParent(uint256 size, uint256 beyond) public pure {
        size = bound(size, 1, Geometry.MAX_SIZE);
        uint256 pages = pagesOf(size);
        (, uint256 parent, ) = Geometry.locate(size, bound(beyond, pages, type(uint256).max));
        eq(parent, 0, "none");
    }

    function test_GivenKnownCounts_PaddingIs0Gs() public pure {
        uint256[2][9] memory known = [
            [uint256(1), 1],
            [uint256(3), 3],
            [uint256(17), 18],
            [uint256(31), 32],
            [uint256(33), 36],
            [uint256(129), 144],
            [uint256(132), 144],
            [uint256(256), 256],
            [uint256(264_209), 294_912]
        ];
        for (uint256 i = 0; i < known.length; ++i) {
            eq(Geometry.paddedPages(known[i][0]), known[i][1], "padded");
        }
    }

    /// @dev 0G counts chunks, of which a page has 16.
    function testFuzz_GivenPages_PaddingIsThatOfTheirChunks(uint256 pages) public pure {
        pages = bound(pages, 1, 2 ** 38);
        uint256 power = 1;
        while (power < pages * 16) power *= 2;
        uint256 unit = power / 16;
        eq(Geometry.paddedPages(pages) * 16, ((pages * 16 + unit - 1) / unit) * unit, "padded");
    }
}
