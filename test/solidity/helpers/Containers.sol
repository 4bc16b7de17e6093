// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MisbehaviourProof} from "../../../contracts/types/MisbehaviourProof.sol";
import {DeliveryOrder, TaskOrder} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {StreamCipher} from "./StreamCipher.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @notice A place in a container of a given size, worked out by hand, not by the contract.
struct Place {
    uint64 size; // bytes of the archive
    uint256 leaves; // pages under the storage tree, padding included
    uint256 page;
    uint256 parent; // page that holds its digest; unused for the top page
    uint256 entry; // place of the digest there
    bool isTop;
}

/// @notice Providers that deliver containers of any size, of which only one page and the entry above it exist; all
/// other chunks are made up.
abstract contract Containers is World {
    using Trees for Trees.Climber;

    StreamCipher private immutable _cipher = new StreamCipher();

    /// @notice A revealed task, and what its user can say about the page. If not `honest`, one bit of the page was
    /// changed after its digest had been taken.
    function sold(Place memory place, bool honest) internal returns (TaskId id, MisbehaviourProof memory proof) {
        id = serving.taskIdOf(user, provider, serving.taskCount(user, provider));
        proof.key = KEY;
        proof.page = place.page;
        proof.contentRoot = CONTENT_ROOT;
        chooseBlinds(place, proof);
        bytes32 root = seal(id, place, proof, honest);
        trade(id, place.size, root, proof);
    }

    function chooseBlinds(Place memory place, MisbehaviourProof memory proof) private pure {
        proof.blind = keccak256("blind of the page");
        uint256 j = (place.page / 64) % 4096;
        uint256 k = (place.parent / 64) % 4096;
        Trees.Climber memory a = Trees.climber(j, keccak256(abi.encode(proof.blind)));
        if (place.isTop || k == j) {
            proof.blindRoot = a.climb(Trees.climber(j, a.node), 4096);
        } else {
            proof.entryBlind = keccak256("blind of the entry");
            Trees.Climber memory b = Trees.climber(k, keccak256(abi.encode(proof.entryBlind)));
            proof.blindRoot = a.climb(b, 4096);
            proof.entryBlindPath = b.path;
        }
        proof.blindPath = a.path;
    }

    function seal(
        TaskId id,
        Place memory place,
        MisbehaviourProof memory proof,
        bool honest
    ) private view returns (bytes32 root) {
        bytes memory page = new bytes(4096);
        put(page, 100, keccak256("some content"));
        bytes32 digest = sha256(page);
        if (!honest) page[4095] ^= 0x01;
        proof.pageBytes = crypt(id, place.page, 0, proof.blind, page);
        Trees.Climber memory a = Trees.climber(place.page, nodeOf(proof.pageBytes));
        if (place.isTop) {
            proof.contentRoot = digest;
            root = a.climb(Trees.climber(a.index, a.node), place.leaves);
        } else {
            Trees.Climber memory b = sealEntry(id, place, proof, digest);
            root = a.climb(b, place.leaves);
            proof.entryPath = b.path;
        }
        proof.pagePath = a.path;
    }

    /// @dev The chunk with the digest, climbed to the node of its page.
    function sealEntry(
        TaskId id,
        Place memory place,
        MisbehaviourProof memory proof,
        bytes32 digest
    ) private view returns (Trees.Climber memory chunk) {
        bytes memory clear = new bytes(256);
        put(clear, place.entry % 8, digest);
        bytes32 blind = proof.entryBlind == 0 ? proof.blind : proof.entryBlind;
        proof.entryChunk = crypt(id, place.parent, (place.entry / 8) * 4, blind, clear);
        chunk = Trees.climber(place.entry / 8, keccak256(proof.entryChunk));
        chunk.climb(Trees.climber(chunk.index, chunk.node), 16);
        chunk.index = place.parent;
    }

    function trade(TaskId id, uint64 size, bytes32 root, MisbehaviourProof memory proof) private {
        TaskOrder memory wanted = order();
        wanted.blindRoot = proof.blindRoot;
        vm.prank(provider);
        serving.updateService(terms()); // accepts again after a dispute that it lost
        vm.prank(user);
        serving.createTask(wanted);
        DeliveryOrder memory posted = delivery(id);
        (posted.size, posted.root, posted.contentRoot) = (size, root, proof.contentRoot);
        vm.startPrank(OPERATOR);
        serving.acceptTask(id);
        serving.deliver(posted);
        vm.stopPrank();
        vm.prank(user);
        serving.acknowledge(id, root);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, proof.blindRoot, proof.contentRoot);
    }

    /// @dev Encrypts `clear`, which begins `block_` ChaCha20 blocks after the start of page `page`.
    function crypt(
        TaskId id,
        uint256 page,
        uint256 block_,
        bytes32 blind,
        bytes memory clear
    ) private view returns (bytes memory) {
        uint32 r = uint32(page / 64);
        bytes32 key = keccak256(abi.encodePacked("FX1", TaskId.unwrap(id), r, blind, KEY));
        bytes memory nonce = abi.encodePacked(uint8(r), uint8(r >> 8), uint8(r >> 16), uint8(r >> 24), uint64(0));
        return _cipher.xor(key, bytes12(nonce), uint32((page % 64) * 64 + block_), clear);
    }

    /// @dev The node above the 16 chunks of a page.
    function nodeOf(bytes memory page) private pure returns (bytes32) {
        bytes32[] memory nodes = new bytes32[](16);
        for (uint256 i = 0; i < 16; ++i) {
            bytes memory chunk = new bytes(256);
            for (uint256 j = 0; j < 256; ++j) {
                chunk[j] = page[i * 256 + j];
            }
            nodes[i] = keccak256(chunk);
        }
        for (uint256 width = 8; width > 0; width /= 2) {
            for (uint256 i = 0; i < width; ++i) {
                nodes[i] = keccak256(abi.encode(nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        return nodes[0];
    }

    /// @dev Writes the 32 bytes of place `place`.
    function put(bytes memory page, uint256 place, bytes32 word) private pure {
        assembly {
            mstore(add(add(page, 0x20), mul(place, 0x20)), word)
        }
    }
}
