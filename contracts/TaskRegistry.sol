// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ServiceRegistry} from "./ServiceRegistry.sol";
import {Fees} from "./libraries/Fees.sol";
import {TaskStates, TaskVerb} from "./libraries/TaskStates.sol";
import {ServiceCounters} from "./types/Service.sol";
import {TaskState} from "./types/Task.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title TaskRegistry: what a task is, and what every step on it has in common
/// @notice No verb of its own. Disputes and FineTuningServing build theirs from it.
abstract contract TaskRegistry is ServiceRegistry {
    using TaskStates for TaskState;

    /// @dev A task in storage. The first slot is the only one that every step writes.
    struct TaskRecord {
        TaskState state;
        bool late; // acknowledged after it had lapsed: no bond stands behind it any more
        uint40 deadline; // unix seconds; 0 where nobody has to do anything
        uint32 offer; // the provider and the terms it was created under
        uint64 size; // bytes of the plaintext archive, 0 before delivery
        uint96 fee; // neuron
        address user;
        uint96 paidEarly; // neuron paid by a lapse or an agreed cancellation; the rest of the fee comes with Settled
        bytes32 root;
        bytes32 exchange; // blindRoot until delivery, then the commitment (_commitment); its parts stand in events
    }

    /// @dev What a user has at a provider.
    struct Relation {
        uint64 created; // tasks ever
        uint64 open; // of them
    }

    mapping(TaskId id => TaskRecord) internal _tasks;
    mapping(address user => mapping(address provider => Relation)) internal _relations;

    // -- Checks --------------------------------------------------------------------------------------------------

    /// @dev The task, and where `verb` leads from its state.
    function _step(TaskId id, TaskVerb verb) internal view returns (TaskRecord storage task, TaskState to) {
        task = _tasks[id];
        to = task.state.next(verb);
        if (to == TaskState.None) revert ServingWrongState(id, task.state);
    }

    function _onlyUser(TaskId id, TaskRecord storage task) internal view {
        if (msg.sender != task.user) revert ServingNotUser(id, msg.sender);
    }

    function _onlyProvider(TaskId id, TaskRecord storage task) internal view returns (Offer storage offer) {
        offer = _offers[task.offer];
        if (msg.sender != offer.provider) revert ServingNotProvider(id, msg.sender);
    }

    function _untilDeadline(TaskId id, TaskRecord storage task) internal view {
        if (block.timestamp > task.deadline) revert ServingDeadlinePassed(id, task.deadline);
    }

    function _afterDeadline(TaskId id, TaskRecord storage task) internal view {
        if (block.timestamp <= task.deadline) revert ServingDeadlineNotPassed(id, task.deadline);
    }

    /// @dev What user and provider are bound to from delivery on.
    function _commitment(bytes32 blindRoot, bytes32 contentRoot, bytes32 keyCommit) internal pure returns (bytes32) {
        return keccak256(abi.encode(blindRoot, contentRoot, keyCommit));
    }

    // -- Effects -------------------------------------------------------------------------------------------------

    function _move(TaskRecord storage task, TaskState to, uint256 period) internal returns (uint256 deadline) {
        deadline = block.timestamp + period;
        task.state = to;
        task.deadline = uint40(deadline);
    }

    /// @dev Ends the task and moves it from the open ones to those it belongs to now.
    function _close(TaskRecord storage task, TaskState to) internal returns (address user, address provider) {
        user = task.user;
        provider = _offers[task.offer].provider;
        task.state = to;
        task.deadline = 0;
        --_relations[user][provider].open;
        ServiceCounters storage counters = _services[provider].counters;
        --counters.open;
        if (to == TaskState.Settled || to == TaskState.Lapsed) ++counters.completed;
        else if (to == TaskState.Failed) ++counters.failed;
        else if (to == TaskState.Expired) ++counters.expired;
        else if (to == TaskState.Slashed) ++counters.slashed;
    }

    // -- Money ---------------------------------------------------------------------------------------------------

    /// @dev The bond behind an accepted task.
    function _bondOf(TaskRecord storage task) internal view returns (uint256) {
        return task.late ? 0 : Fees.bondFor(task.fee, _offers[task.offer].bondBps);
    }

    function _release(address account, address provider, uint256 amount) internal {
        if (amount != 0) ledger.release(account, provider, amount);
    }

    function _settle(address account, address provider, uint256 amount, address payee) internal {
        if (amount != 0) ledger.settle(account, provider, amount, payee);
    }
}
