// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Pages: pagination of lists
/// @notice Bounds the work of a view, however long a list grows.
library Pages {
    /// @notice Clamps [offset, offset + limit) to a list. Never overflows.
    /// @param length entries of the list
    /// @param offset index of the first entry asked for
    /// @param limit entries asked for at most
    /// @return start index of the page's first entry
    /// @return end index after its last entry; start if the page is empty
    function bounds(uint256 length, uint256 offset, uint256 limit) internal pure returns (uint256 start, uint256 end) {
        start = offset < length ? offset : length;
        end = limit < length - start ? start + limit : length;
    }

    /// @notice One page of a list of addresses.
    /// @param list the list
    /// @param offset index of the first entry asked for
    /// @param limit entries asked for at most
    /// @return page those of its entries that exist
    function slice(
        address[] storage list,
        uint256 offset,
        uint256 limit
    ) internal view returns (address[] memory page) {
        (uint256 start, uint256 end) = bounds(list.length, offset, limit);
        page = new address[](end - start);
        for (uint256 i = start; i < end; ++i) page[i - start] = list[i];
    }
}
