// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Geometry: where everything is in the container of an archive
/// @notice A container has data pages, then hash pages with their digests, then hash pages with the digests of those,
/// until one page is left: the top page. All positions follow from the archive's size, so that neither a proof nor a
/// provider can choose them.
/// docs/protocol.md defines it, sdk/exchange builds it.
library Geometry {
    /// @notice 128 TiB: keeps segment numbers, hash pages included, within 32 bits, and chunk numbers within 40.
    uint256 internal constant MAX_SIZE = 2 ** 47;
    /// @notice Bytes of a page, the unit of a proof.
    uint256 internal constant PAGE_BYTES = 4096;
    /// @notice Bytes of a chunk, the leaf of the storage tree.
    uint256 internal constant CHUNK_BYTES = 256;
    /// @notice Chunks of a page.
    uint256 internal constant PAGE_CHUNKS = PAGE_BYTES / CHUNK_BYTES;
    /// @notice Digests in a hash page, 32 bytes each.
    uint256 internal constant PAGE_ENTRIES = PAGE_BYTES / 32;
    /// @notice Digests in a chunk of a hash page.
    uint256 internal constant CHUNK_ENTRIES = CHUNK_BYTES / 32;
    /// @notice Pages of a segment, which share a key.
    uint256 internal constant SEGMENT_PAGES = 64;

    /// @notice The position of a page's digest.
    /// @param size bytes of the archive, 1 to MAX_SIZE
    /// @param page number of the page in the container
    /// @return pages number of pages in the container
    /// @return parent page that holds the digest; equal to `pages` for the top page, which has none above it; 0 if
    /// there is no such page
    /// @return entry place of the digest among the parent's entries
    function locate(uint256 size, uint256 page) internal pure returns (uint256 pages, uint256 parent, uint256 entry) {
        // Nothing overflows: no container has more than 2^36 pages.
        unchecked {
            uint256 level = _ceilDiv(size, PAGE_BYTES); // pages of the current level; `pages` counts those below it
            while (true) {
                uint256 above = pages + level; // first page of the next level
                if (page >= pages && page < above) {
                    parent = above + (page - pages) / PAGE_ENTRIES;
                    entry = (page - pages) % PAGE_ENTRIES;
                }
                pages = above;
                if (level == 1) break;
                level = _ceilDiv(level, PAGE_ENTRIES);
            }
        }
    }

    /// @notice Pages under the storage tree of a file. 0G Storage pads with zeros to a multiple of a sixteenth of the
    /// next power of two.
    /// @param pages pages of the file, at least 1
    /// @return pages with the padding
    function paddedPages(uint256 pages) internal pure returns (uint256) {
        unchecked {
            uint256 power = 1;
            while (power < pages) power *= 2;
            uint256 unit = power > 16 ? power / 16 : 1;
            return _ceilDiv(pages, unit) * unit;
        }
    }

    /// @notice A quotient, rounded up.
    /// @param dividend at most 2^47, like every size here
    /// @param divisor 1 to 4,096
    /// @return the quotient
    function _ceilDiv(uint256 dividend, uint256 divisor) private pure returns (uint256) {
        unchecked {
            return (dividend + divisor - 1) / divisor;
        }
    }
}
