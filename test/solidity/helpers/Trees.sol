// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Merkle trees of any size, in which only one or two nodes matter; all others are made up. An odd last node
/// moves up unchanged.
library Trees {
    /// @notice A node, its place in its row, and the siblings met so far on its way up.
    struct Climber {
        bytes32 node;
        uint256 index;
        bytes32[] path;
    }

    function climber(uint256 index, bytes32 node) internal pure returns (Climber memory self) {
        self.index = index;
        self.node = node;
    }

    /// @notice Climbs from a row of `count` nodes to the root. One climber may be the other's sibling, or both meet.
    function climb(Climber memory a, Climber memory b, uint256 count) internal pure returns (bytes32 root) {
        for (; count > 1; count = (count + 1) / 2) {
            bytes32 siblingOfA = siblingOf(a, b, count);
            bytes32 siblingOfB = siblingOf(b, a, count);
            step(a, count, siblingOfA);
            step(b, count, siblingOfB);
        }
        return a.node;
    }

    function siblingOf(Climber memory self, Climber memory other, uint256 count) private pure returns (bytes32) {
        uint256 place = self.index ^ 1;
        return place == other.index ? other.node : keccak256(abi.encode("made up", count, place));
    }

    function step(Climber memory self, uint256 count, bytes32 sibling) private pure {
        bool isAlone = (self.index ^ 1) >= count;
        if (!isAlone) {
            (bytes32 left, bytes32 right) = self.index % 2 == 0 ? (self.node, sibling) : (sibling, self.node);
            self.node = keccak256(abi.encode(left, right));
            self.path = longer(self.path, sibling);
        }
        self.index /= 2;
    }

    function longer(bytes32[] memory path, bytes32 last) private pure returns (bytes32[] memory copy) {
        copy = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            copy[i] = path[i];
        }
        copy[path.length] = last;
    }
}
