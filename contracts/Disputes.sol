// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TaskRegistry} from "./TaskRegistry.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {Fees} from "./libraries/Fees.sol";
import {TaskStates} from "./libraries/TaskStates.sol";
import {MisbehaviourProof} from "./types/MisbehaviourProof.sol";
import {TaskState} from "./types/Task.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title Disputes: what happens when a deliverable is not what its provider committed to
/// @notice The part of FineTuningServing that decides disputes. The rule is in libraries/Misbehaviour.sol.
abstract contract Disputes is TaskRegistry, IDisputes {
    /// @inheritdoc IDisputes
    function proveMisbehaviour(TaskId id, MisbehaviourProof calldata proof) external {
        (TaskRecord storage task, TaskState to) = _userStep(id, TaskStates.PROVE_MISBEHAVIOUR);
        bytes32 keyCommit = keccak256(abi.encode(proof.key));
        if (_commitment(proof.blindRoot, proof.contentRoot, keyCommit) != task.exchange) revert ServingInvalidProof(id);
        rules.checkMisbehaviour(id, task.root, task.size, proof);

        uint256 bond = _bondOf(task);
        uint256 compensation = Fees.brokenPromiseShare(bond);
        (address user, address provider, ServiceRecord storage service, uint256 previous) = _close(task, to);
        ++service.slashed;
        service.failedAt = uint40(block.timestamp);
        service.accepting = false;
        emit TaskSlashed(id, user, provider, previous, proof.page, compensation, bond - compensation);
        _release(user, provider, _dueOf(task));
        _settle(provider, provider, compensation, user);
        _settle(provider, provider, bond - compensation, address(0));
    }
}
