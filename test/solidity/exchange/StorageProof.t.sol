// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {StorageProof} from "../../../contracts/libraries/StorageProof.sol";
import {Assertions} from "../helpers/Assertions.sol";
import {Trees} from "../helpers/Trees.sol";

/// @notice The library's functions take calldata; this is how a test hands it over.
contract StorageProofCaller {
    function leads(
        bytes32 root,
        bytes32 node,
        uint256 index,
        uint256 count,
        bytes32[] calldata path
    ) external pure returns (bool) {
        return StorageProof.leads(root, node, index, count, path);
    }

    function nodeOf(bytes calldata page) external pure returns (bytes32) {
        return StorageProof.nodeOf(page);
    }
}

contract StorageProofTest is Assertions {
    using Trees for Trees.Climber;

    bytes32 private constant LEAF = keccak256("leaf");

    StorageProofCaller private _proofs = new StorageProofCaller();

    function climbed(uint256 index, uint256 count) private pure returns (bytes32 root, bytes32[] memory path) {
        Trees.Climber memory self = Trees.climber(index, LEAF);
        root = self.climb(Trees.climber(index, LEAF), count);
        path = self.path;
    }

    function test_GivenEveryLeafOfSmallTrees_ItsPathAndNoOtherPlaceLeadsToTheRoot() public view {
        for (uint256 count = 1; count <= 20; ++count) {
            for (uint256 index = 0; index < count; ++index) {
                (bytes32 root, bytes32[] memory path) = climbed(index, count);
                for (uint256 claimed = 0; claimed < count; ++claimed) {
                    bool led = _proofs.leads(root, LEAF, claimed, count, path);
                    check(led == (claimed == index), "its own place alone");
                }
            }
        }
    }

    function testFuzz_GivenAnyTree_OnlyTheExactPathLeadsToTheRoot(
        uint256 index,
        uint256 count,
        uint256 bit
    ) public view {
        count = bound(count, 2, 2 ** 42);
        index = bound(index, 0, count - 1);
        (bytes32 root, bytes32[] memory path) = climbed(index, count);
        check(_proofs.leads(root, LEAF, index, count, path), "leads");
        check(!_proofs.leads(root, keccak256("another"), index, count, path), "another leaf");
        check(!_proofs.leads(root ^ bytes32(uint256(1)), LEAF, index, count, path), "another root");
        uint256 which = bit % path.length;
        path[which] ^= bytes32(1 << (bit >> 248));
        check(!_proofs.leads(root, LEAF, index, count, path), "another sibling");
        path[which] ^= bytes32(1 << (bit >> 248));
        bytes32[] memory longer = new bytes32[](path.length + 1);
        bytes32[] memory shorter = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < path.length; ++i) {
            longer[i] = path[i];
            if (i < shorter.length) shorter[i] = path[i];
        }
        check(!_proofs.leads(root, LEAF, index, count, longer), "one more");
        check(!_proofs.leads(root, LEAF, index, count, shorter), "one less");
    }

    function test_GivenSeveralLeaves_WhenALowerNodeIsTheRoot_AShorterPathDoesNotLeadThere() public view {
        check(_proofs.leads(LEAF, LEAF, 0, 1, new bytes32[](0)), "a tree of one leaf");
        check(!_proofs.leads(LEAF, LEAF, 0, 2, new bytes32[](0)), "not of two");
    }

    function test_GivenPageOfZeros_ItsNodeIsTheStorageRootOf4096Zeros() public view {
        bytes32 root = 0x09c7082879180d28c789c05fafe7030871c76cedbe82c948b165d6a1d66ac15b;
        eq(_proofs.nodeOf(new bytes(4096)), root, "root");
    }

    function testFuzz_GivenPage_EveryBitCountsInItsNode(bytes32 content, uint256 bit) public view {
        bytes memory page = new bytes(4096);
        for (uint256 i = 0; i < 128; ++i) {
            bytes32 word = keccak256(abi.encode(content, i));
            assembly {
                mstore(add(add(page, 0x20), mul(i, 0x20)), word)
            }
        }
        bytes32 node = _proofs.nodeOf(page);
        bit %= 4096 * 8;
        page[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        check(_proofs.nodeOf(page) != node, "another node");
    }
}
