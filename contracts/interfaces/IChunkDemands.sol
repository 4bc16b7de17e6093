// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TaskId} from "../types/TaskId.sol";

/// @title ChunkDemands: what a user can do about a delivery that nobody can download
/// @notice The provider shows, chunk by chunk, that it has what it delivered. The part of IFineTuningServing about demands.
interface IChunkDemands {
    /// @notice Emitted when a user demands a chunk of a delivery.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param index number of the chunk, of 256 bytes, in the encrypted model
    /// @param deadline unix seconds until which the provider has to answer
    event ChunkDemanded(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 index,
        uint256 deadline
    );
    /// @notice Emitted when a provider answers with the chunk that was demanded.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param index number of the chunk
    /// @param deadline unix seconds until which the user has to acknowledge the delivery
    event ChunkAnswered(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 index,
        uint256 deadline
    );

    /// @notice Thrown when a user demands more chunks than one task allows.
    /// @param id the task
    /// @param maximum chunks it allows
    error ServingDemandLimit(TaskId id, uint256 maximum);
    /// @notice Thrown when a user demands a chunk that the delivery does not have.
    /// @param id the task
    /// @param index number of the chunk
    error ServingUnknownChunk(TaskId id, uint256 index);

    /// @notice Demands a chunk of a delivery that the user cannot download: the provider has to answer with it within
    /// the reveal period, or the task expires as for a missed reveal. Allowed until the acknowledgement deadline, three
    /// times for a task, one at a time. A chunk chosen at random is one that the provider lacks as often as its file
    /// has gaps.
    /// @dev Reverts with ServingWrongState, ServingNotUser, ServingDeadlinePassed, ServingDemandLimit,
    /// ServingUnknownChunk.
    /// @param id the task
    /// @param index number of the chunk, of 256 bytes, in the encrypted model
    function demandChunk(TaskId id, uint256 index) external;

    /// @notice Answers a demand with the chunk; starts the acknowledgement period again.
    /// @dev Reverts with ServingWrongState, ServingNotOperator, ServingDeadlinePassed, ServingInvalidProof.
    /// @param id the task
    /// @param chunk the demanded chunk of the encrypted model, 256 bytes
    /// @param path siblings from the chunk's leaf to the storage root, bottom first; a promoted node adds none
    function answerChunk(TaskId id, bytes calldata chunk, bytes32[] calldata path) external;

    /// @notice The time from a delivery to the end of its acknowledgement period.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function ackPeriod() external view returns (uint256);
    /// @notice The time from an acknowledgement to the end of the reveal period.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function revealPeriod() external view returns (uint256);
    /// @notice The maximum number of chunks that the user of one task may demand.
    /// @return chunks: 3
    function MAX_DEMANDS() external view returns (uint256);
}
