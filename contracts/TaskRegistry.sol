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

    /// @notice A task in storage.
    /// @dev The first slot is the only one that every step writes.
    struct TaskRecord {
        TaskState state; // as of the last step
        bool late; // acknowledged after it had lapsed: it no longer has a bond
        uint40 deadline; // unix seconds; 0 if nobody has to act
        uint32 offer; // the provider and the terms it was created under
        uint64 size; // bytes of the plaintext archive, 0 before delivery
        uint96 fee; // neuron
        address user; // who ordered it
        uint96 paidEarly; // neuron paid by a lapse or an agreed cancellation; the rest of the fee comes with Settled
        bytes32 root; // storage root of the encrypted model, 0 before delivery
        bytes32 exchange; // blindRoot until delivery, then the commitment (_commitment); only events have its parts
    }

    /// @notice What a user has at a provider.
    struct Relation {
        uint64 created; // tasks ever
        uint64 open; // of them, not ended yet
    }

    /// @dev Kept for ever: an id is never used again.
    mapping(TaskId id => TaskRecord) internal _tasks;
    /// @dev `created` is the nonce of the user's next order.
    mapping(address user => mapping(address provider => Relation)) internal _relations;

    // -- Checks --------------------------------------------------------------------------------------------------

    /// @notice A task, and the state that a verb leads to from its own.
    /// @dev Reverts with ServingWrongState.
    /// @param id the task
    /// @param verb a row of the state table
    /// @return task its record
    /// @return to that state
    function _step(TaskId id, TaskVerb verb) internal view returns (TaskRecord storage task, TaskState to) {
        task = _tasks[id];
        to = task.state.next(verb);
        if (to == TaskState.None) revert ServingWrongState(id, task.state);
    }

    /// @notice Reverts with ServingNotUser unless the task's user calls.
    /// @param id the task
    /// @param task its record
    function _onlyUser(TaskId id, TaskRecord storage task) internal view {
        if (msg.sender != task.user) revert ServingNotUser(id, msg.sender);
    }

    /// @notice Reverts with ServingNotProvider unless the task's provider calls.
    /// @param id the task
    /// @param task its record
    /// @return offer the offer it was created under
    function _onlyProvider(TaskId id, TaskRecord storage task) internal view returns (Offer storage offer) {
        offer = _offers[task.offer];
        if (msg.sender != offer.provider) revert ServingNotProvider(id, msg.sender);
    }

    /// @notice Reverts with ServingDeadlinePassed after the task's deadline; its last second is in time.
    /// @param id the task
    /// @param task its record
    function _untilDeadline(TaskId id, TaskRecord storage task) internal view {
        if (block.timestamp > task.deadline) revert ServingDeadlinePassed(id, task.deadline);
    }

    /// @notice Reverts with ServingDeadlineNotPassed until the task's deadline, its last second included.
    /// @param id the task
    /// @param task its record
    function _afterDeadline(TaskId id, TaskRecord storage task) internal view {
        if (block.timestamp <= task.deadline) revert ServingDeadlineNotPassed(id, task.deadline);
    }

    /// @notice What user and provider are bound to from delivery on.
    /// @dev One word instead of three (docs/decisions/0006-one-slot-for-the-exchange.md).
    /// @param blindRoot as ordered
    /// @param contentRoot as delivered
    /// @param keyCommit keccak256 of the key
    /// @return the word that `exchange` holds
    function _commitment(bytes32 blindRoot, bytes32 contentRoot, bytes32 keyCommit) internal pure returns (bytes32) {
        return keccak256(abi.encode(blindRoot, contentRoot, keyCommit));
    }

    // -- Effects -------------------------------------------------------------------------------------------------

    /// @notice Moves the task to a state that somebody has to act in.
    /// @param task its record
    /// @param to that state
    /// @param period seconds they have
    /// @return deadline unix seconds until which they may act
    function _move(TaskRecord storage task, TaskState to, uint256 period) internal returns (uint256 deadline) {
        deadline = block.timestamp + period;
        task.state = to;
        task.deadline = uint40(deadline);
    }

    /// @notice Ends the task and moves it from the open ones to those it belongs to now.
    /// @param task its record
    /// @param to the state it ends in
    /// @return user who ordered it
    /// @return provider who it was ordered from
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

    /// @notice The bond of an accepted task.
    /// @param task its record
    /// @return neuron; 0 after a late acknowledgement
    function _bondOf(TaskRecord storage task) internal view returns (uint256) {
        return task.late ? 0 : Fees.bondFor(task.fee, _offers[task.offer].bondBps);
    }

    /// @notice Releases money in the Ledger.
    /// @dev Saves the call if there is nothing to release.
    /// @param account whose money it is
    /// @param provider the sub-account's provider
    /// @param amount neuron
    function _release(address account, address provider, uint256 amount) internal {
        if (amount != 0) ledger.release(account, provider, amount);
    }

    /// @notice Settles money in the Ledger.
    /// @dev Saves the call if there is nothing to settle.
    /// @param account whose money it is
    /// @param provider the sub-account's provider
    /// @param amount neuron
    /// @param payee who gets it; 0 burns it
    function _settle(address account, address provider, uint256 amount, address payee) internal {
        if (amount != 0) ledger.settle(account, provider, amount, payee);
    }
}
