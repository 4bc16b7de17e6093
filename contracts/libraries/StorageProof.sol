// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Geometry} from "./Geometry.sol";

/// @title StorageProof: verifies that bytes are at a position of a file with a given storage root
/// @notice 0G Storage's tree: a leaf is the keccak256 of a chunk, a parent that of its two children, and an odd last
/// node is promoted unchanged. Leaves are hashes of 256 bytes and parents hashes of 64, so neither can pass for the
/// other.
library StorageProof {
    /// @notice Whether a path leads from a node to a root.
    /// @param root the root
    /// @param node the node's hash
    /// @param index place of the node in its row, below `count`
    /// @param count nodes of the row, at least 1
    /// @param path exactly one sibling for every step on which the node is not promoted, bottom first
    /// @return whether it does
    function leads(
        bytes32 root,
        bytes32 node,
        uint256 index,
        uint256 count,
        bytes32[] calldata path
    ) internal pure returns (bool) {
        uint256 used;
        for (uint256 last = count - 1; last != 0; last >>= 1) {
            bool isRight = index & 1 == 1;
            if (isRight || index < last) {
                if (used == path.length) return false;
                bytes32 sibling = path[used];
                node = isRight ? _parentOf(sibling, node) : _parentOf(node, sibling);
                unchecked {
                    ++used;
                }
            }
            index >>= 1;
        }
        return used == path.length && node == root;
    }

    /// @notice The node above the chunks of a page.
    /// @param page 4,096 bytes
    /// @return node its hash
    function nodeOf(bytes calldata page) internal pure returns (bytes32 node) {
        uint256 chunkBytes = Geometry.CHUNK_BYTES;
        uint256 count = Geometry.PAGE_CHUNKS;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // After all allocated memory. Each row of nodes overwrites the one it is computed from.
            let row := mload(0x40)
            calldatacopy(row, page.offset, mul(count, chunkBytes))
            for {
                let i := 0
            } lt(i, count) {
                i := add(i, 1)
            } {
                mstore(add(row, mul(i, 0x20)), keccak256(add(row, mul(i, chunkBytes)), chunkBytes))
            }
            for {
                let width := shr(1, count)
            } width {
                width := shr(1, width)
            } {
                for {
                    let i := 0
                } lt(i, width) {
                    i := add(i, 1)
                } {
                    mstore(add(row, mul(i, 0x20)), keccak256(add(row, mul(i, 0x40)), 0x40))
                }
            }
            node := mload(row)
        }
    }

    /// @notice The parent of two nodes.
    /// @dev Uses scratch memory: abi.encode would allocate on every step of a path.
    /// @param left the left node's hash
    /// @param right the right node's hash
    /// @return parent the parent's hash
    function _parentOf(bytes32 left, bytes32 right) private pure returns (bytes32 parent) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            parent := keccak256(0x00, 0x40)
        }
    }
}
