// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MisbehaviourProof} from "../types/MisbehaviourProof.sol";
import {ServiceTerms} from "../types/Service.sol";
import {TaskId} from "../types/TaskId.sol";

/// @title Rules: the rules of the market that need none of its state
/// @notice Which terms may be offered, and what is proved about a delivery. Stateless and ownerless: FineTuningServing
/// creates one for itself, because one contract would be too large for both.
interface IRules {
    /// @notice Returns only if a provider may offer these terms.
    /// @dev libraries/TermsRules.sol has the bounds. Reverts with ServingInvalidTerms, ServingInvalidPublicKey.
    /// @param terms what it wants to offer
    function checkTerms(ServiceTerms calldata terms) external pure;

    /// @notice Returns only if the proof shows that a page does not decrypt to what was committed to.
    /// @dev libraries/Misbehaviour.sol is the rule. The caller has checked that key, blindRoot and contentRoot are those
    /// of the task. Reverts with ServingInvalidProof, ServingNoMisbehaviour.
    /// @param id the task
    /// @param root storage root of the encrypted model
    /// @param size bytes of the plaintext archive, 1 to 128 TiB
    /// @param proof the proof
    function checkMisbehaviour(TaskId id, bytes32 root, uint256 size, MisbehaviourProof calldata proof) external pure;

    /// @notice How many chunks of 256 bytes the encrypted model has, without the padding of its storage tree.
    /// @param size bytes of the plaintext archive, 1 to 128 TiB
    /// @return chunks
    function chunksOf(uint256 size) external pure returns (uint256);

    /// @notice Whether a chunk is at its place in the encrypted model.
    /// @param root storage root of the encrypted model
    /// @param size bytes of the plaintext archive, 1 to 128 TiB
    /// @param index number of the chunk
    /// @param chunk its bytes
    /// @param path siblings from the chunk's leaf to the storage root, bottom first; a promoted node adds none
    /// @return whether it has 256 bytes and the path leads to the root
    function holdsChunk(
        bytes32 root,
        uint256 size,
        uint256 index,
        bytes calldata chunk,
        bytes32[] calldata path
    ) external pure returns (bool);
}
