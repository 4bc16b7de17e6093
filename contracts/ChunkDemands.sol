// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TaskRegistry} from "./TaskRegistry.sol";
import {IChunkDemands} from "./interfaces/IChunkDemands.sol";
import {TaskStates} from "./libraries/TaskStates.sol";
import {TaskState} from "./types/Task.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title ChunkDemands: what a user can do about a delivery that nobody can download
/// @notice The part of FineTuningServing in which a provider shows, chunk by chunk, that it has what it delivered.
abstract contract ChunkDemands is TaskRegistry, IChunkDemands {
    /// @inheritdoc IChunkDemands
    uint256 public constant MAX_DEMANDS = 3;
    /// @inheritdoc IChunkDemands
    uint256 public immutable ackPeriod;
    /// @inheritdoc IChunkDemands
    uint256 public immutable revealPeriod;

    /// @notice Sets the immutable parameters.
    /// @dev The caller has checked them.
    /// @param ackPeriod_ seconds
    /// @param revealPeriod_ seconds
    constructor(uint256 ackPeriod_, uint256 revealPeriod_) {
        ackPeriod = ackPeriod_;
        revealPeriod = revealPeriod_;
    }

    /// @inheritdoc IChunkDemands
    function demandChunk(TaskId id, uint256 index) external {
        (TaskRecord storage task, TaskState to) = _userStep(id, TaskStates.DEMAND_CHUNK);
        if (task.demands >= MAX_DEMANDS) revert ServingDemandLimit(id, MAX_DEMANDS);
        if (index >= rules.chunksOf(task.size)) revert ServingUnknownChunk(id, index);
        uint256 deadline = _await(task, to, revealPeriod);
        ++task.demands;
        task.chunk = uint40(index);
        emit ChunkDemanded(id, msg.sender, _offers[task.offer].provider, index, deadline);
    }

    /// @inheritdoc IChunkDemands
    function answerChunk(TaskId id, bytes calldata chunk, bytes32[] calldata path) external {
        (TaskRecord storage task, TaskState to, Offer storage offer) = _operatorStep(id, TaskStates.ANSWER_CHUNK);
        if (!rules.holdsChunk(task.root, task.size, task.chunk, chunk, path)) revert ServingInvalidProof(id);
        uint256 deadline = _await(task, to, ackPeriod);
        emit ChunkAnswered(id, task.user, offer.provider, task.chunk, deadline);
    }
}
