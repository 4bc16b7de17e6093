// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRules} from "./interfaces/IRules.sol";
import {Geometry} from "./libraries/Geometry.sol";
import {Misbehaviour} from "./libraries/Misbehaviour.sol";
import {StorageProof} from "./libraries/StorageProof.sol";
import {TermsRules} from "./libraries/TermsRules.sol";
import {MisbehaviourProof} from "./types/MisbehaviourProof.sol";
import {ServiceTerms} from "./types/Service.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title Rules: the rules of the market that need none of its state
/// @notice interfaces/IRules.sol is the manual.
/// @custom:security-contact see SECURITY.md
contract Rules is IRules {
    /// @inheritdoc IRules
    function checkTerms(ServiceTerms calldata terms) external pure {
        TermsRules.check(terms);
    }

    /// @inheritdoc IRules
    function checkMisbehaviour(TaskId id, bytes32 root, uint256 size, MisbehaviourProof calldata proof) external pure {
        Misbehaviour.check(id, root, size, proof);
    }

    /// @inheritdoc IRules
    function holdsChunk(
        bytes32 root,
        uint256 size,
        uint256 index,
        bytes calldata chunk,
        bytes32[] calldata path
    ) external pure returns (bool) {
        (uint256 pages, , ) = Geometry.locate(size, 0);
        uint256 chunks = Geometry.paddedPages(pages) * Geometry.PAGE_CHUNKS;
        return chunk.length == Geometry.CHUNK_BYTES && StorageProof.leads(root, keccak256(chunk), index, chunks, path);
    }

    /// @inheritdoc IRules
    function chunksOf(uint256 size) external pure returns (uint256) {
        (uint256 pages, , ) = Geometry.locate(size, 0);
        return pages * Geometry.PAGE_CHUNKS;
    }
}
