// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ServiceRegistry} from "./ServiceRegistry.sol";
import {ITaskRegistry} from "./interfaces/ITaskRegistry.sol";
import {Fees} from "./libraries/Fees.sol";
import {Pages} from "./libraries/Pages.sol";
import {TaskStates, TaskVerb} from "./libraries/TaskStates.sol";
import {Task, TaskState} from "./types/Task.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title TaskRegistry: tasks, and what all their verbs have in common
/// @notice Has views, and no verbs of its own: ChunkDemands, Disputes and FineTuningServing build theirs on it.
abstract contract TaskRegistry is ServiceRegistry, ITaskRegistry {
    using TaskStates for TaskState;

    /// @notice A task in storage.
    /// @dev Only the first slot is written by every verb.
    struct TaskRecord {
        TaskState state; // as of the last transaction on it
        uint40 deadline; // unix seconds; 0 if nobody has to act
        uint32 movedBlock; // block of its last event, demands and answers apart
        uint32 offer; // number of the offer with its provider and terms
        uint48 size; // bytes of the plaintext archive, 0 before delivery
        uint96 fee; // neuron reserved for the order
        address user; // who ordered it
        uint32 createdBlock; // block of its creation
        uint8 demands; // chunks demanded so far
        bool late; // acknowledged after it had lapsed, so it no longer has a bond
        bool reduced; // `rebate` is not 0; saves reading it
        uint40 chunk; // number of the chunk demanded last
        bytes32 root; // storage root of the encrypted model, 0 before delivery
        bytes32 exchange; // blindRoot until delivery, then the commitment (_commitment); its parts are only in events
        uint96 rebate; // neuron of the fee that the user does not pay
    }

    /// @notice A user's task counts at a provider.
    struct Relation {
        uint64 created; // tasks created in total
        uint64 open; // tasks that have not ended
    }

    /// @dev Never deleted: an id is never used twice.
    mapping(TaskId id => TaskRecord) internal _tasks;
    /// @dev `created` is the nonce of the user's next order.
    mapping(address user => mapping(address provider => Relation)) internal _relations;
    /// @dev Users in the order of their first task at a provider, by provider. Never shrinks.
    mapping(address provider => address[] users) internal _users;

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @inheritdoc ITaskRegistry
    function taskOf(TaskId id) public view returns (Task memory view_) {
        TaskRecord storage task = _tasks[id];
        Offer storage offer = _offers[task.offer];
        view_.user = task.user;
        view_.provider = offer.provider;
        view_.state = task.state;
        view_.deadline = task.deadline;
        view_.trainingTime = offer.maxTrainingTime;
        view_.fee = task.fee;
        view_.rebate = task.rebate;
        view_.paid = uint96(_paidBy(task));
        view_.bondBps = task.late ? 0 : offer.bondBps;
        view_.unacknowledgedBps = offer.unacknowledgedBps;
        view_.size = task.size;
        view_.offer = task.offer;
        view_.offerBlock = offer.createdBlock;
        view_.createdBlock = task.createdBlock;
        view_.movedBlock = task.movedBlock;
        view_.demands = task.demands;
        view_.chunk = task.chunk;
        view_.root = task.root;
        view_.exchange = task.exchange;
    }

    /// @inheritdoc ITaskRegistry
    function tasks(TaskId[] calldata ids) external view returns (Task[] memory page) {
        page = new Task[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) page[i] = taskOf(ids[i]);
    }

    /// @inheritdoc ITaskRegistry
    function usersOf(address provider, uint256 offset, uint256 limit) external view returns (address[] memory page) {
        return Pages.slice(_users[provider], offset, limit);
    }

    /// @inheritdoc ITaskRegistry
    function taskCounts(
        address[] calldata users,
        address[] calldata providers
    ) external view returns (uint256[] memory counts) {
        counts = new uint256[](users.length);
        for (uint256 i = 0; i < users.length; ++i) counts[i] = _relations[users[i]][providers[i]].created;
    }

    /// @inheritdoc ITaskRegistry
    function taskCount(address user, address provider) external view returns (uint256) {
        return _relations[user][provider].created;
    }

    /// @inheritdoc ITaskRegistry
    function openTaskCount(address user, address provider) external view returns (uint256) {
        return _relations[user][provider].open;
    }

    /// @inheritdoc ITaskRegistry
    function taskIdOf(address user, address provider, uint256 n) public view returns (TaskId) {
        return TaskId.wrap(bytes16(keccak256(abi.encode(block.chainid, address(this), user, provider, n))));
    }

    // -- Checks --------------------------------------------------------------------------------------------------

    /// @notice A task, and the state that a verb moves it to.
    /// @dev Reverts with ServingWrongState.
    /// @param id the task
    /// @param verb a row of the state table
    /// @return task its record
    /// @return to the state the verb leads to
    function _step(TaskId id, TaskVerb verb) internal view returns (TaskRecord storage task, TaskState to) {
        task = _tasks[id];
        to = task.state.next(verb);
        if (to == TaskState.None) revert ServingWrongState(id, task.state);
    }

    /// @notice The same for a verb that only the user may call, and only until the deadline.
    /// @dev Reverts with ServingWrongState, ServingNotUser, ServingDeadlinePassed.
    /// @param id the task
    /// @param verb a row of the state table
    /// @return task its record
    /// @return to the state the verb leads to
    function _userStep(TaskId id, TaskVerb verb) internal view returns (TaskRecord storage task, TaskState to) {
        (task, to) = _step(id, verb);
        _onlyUser(id, task);
        _untilDeadline(id, task);
    }

    /// @notice The same for a verb that only the provider's operator may call, and only until the deadline.
    /// @dev Reverts with ServingWrongState, ServingNotOperator, ServingDeadlinePassed.
    /// @param id the task
    /// @param verb a row of the state table
    /// @return task its record
    /// @return to the state the verb leads to
    /// @return offer the offer it was created under
    function _operatorStep(
        TaskId id,
        TaskVerb verb
    ) internal view returns (TaskRecord storage task, TaskState to, Offer storage offer) {
        (task, to) = _step(id, verb);
        offer = _onlyOperator(id, task);
        _untilDeadline(id, task);
    }

    /// @notice Reverts with ServingNotUser unless the caller is the task's user.
    /// @param id the task
    /// @param task its record
    function _onlyUser(TaskId id, TaskRecord storage task) internal view {
        if (msg.sender != task.user) revert ServingNotUser(id, msg.sender);
    }

    /// @notice Reverts with ServingNotOperator unless the caller is the operator of the task's provider: the current
    /// one, so that a provider can replace an operator whose key was stolen.
    /// @param id the task
    /// @param task its record
    /// @return offer the offer it was created under
    function _onlyOperator(TaskId id, TaskRecord storage task) internal view returns (Offer storage offer) {
        offer = _offers[task.offer];
        if (msg.sender != _services[offer.provider].operator) revert ServingNotOperator(id, msg.sender);
    }

    /// @notice Reverts with ServingDeadlinePassed after the task's deadline; the last second still counts as in time.
    /// @param id the task
    /// @param task its record
    function _untilDeadline(TaskId id, TaskRecord storage task) internal view {
        if (block.timestamp > task.deadline) revert ServingDeadlinePassed(id, task.deadline);
    }

    /// @notice Reverts with ServingDeadlineNotPassed until the task's deadline has passed, its last second included.
    /// @param id the task
    /// @param task its record
    function _afterDeadline(TaskId id, TaskRecord storage task) internal view {
        if (block.timestamp <= task.deadline) revert ServingDeadlineNotPassed(id, task.deadline);
    }

    /// @notice The commitment that binds user and provider from delivery on.
    /// @dev One word instead of three (docs/decisions/0006-one-slot-for-the-exchange.md).
    /// @param blindRoot as ordered
    /// @param contentRoot as delivered
    /// @param keyCommit keccak256 of the key
    /// @return the value of `exchange`
    function _commitment(bytes32 blindRoot, bytes32 contentRoot, bytes32 keyCommit) internal pure returns (bytes32) {
        return keccak256(abi.encode(blindRoot, contentRoot, keyCommit));
    }

    // -- Effects -------------------------------------------------------------------------------------------------

    /// @notice Moves the task to a state in which one side has to act.
    /// @param task its record
    /// @param to that state
    /// @param period seconds that side has
    /// @return deadline unix seconds until which that side may act
    function _await(TaskRecord storage task, TaskState to, uint256 period) internal returns (uint256 deadline) {
        deadline = block.timestamp + period;
        task.state = to;
        task.deadline = uint40(deadline);
    }

    /// @notice The same for all verbs but those of a demand, whose events nobody needs to find later: what they say is
    /// in the task.
    /// @param task its record
    /// @param to that state
    /// @param period seconds that side has
    /// @return deadline unix seconds until which that side may act
    /// @return previous block of the task's event before this one
    function _move(
        TaskRecord storage task,
        TaskState to,
        uint256 period
    ) internal returns (uint256 deadline, uint256 previous) {
        deadline = _await(task, to, period);
        previous = _markBlock(task);
    }

    /// @notice Records the current block as that of the task's last event.
    /// @param task its record
    /// @return previous block of the event before it
    function _markBlock(TaskRecord storage task) internal returns (uint256 previous) {
        previous = task.movedBlock;
        task.movedBlock = uint32(block.number);
    }

    /// @notice Ends the task and updates the counters of open tasks. The caller counts how it ended.
    /// @param task its record
    /// @param to the state it ends in
    /// @return user who ordered it
    /// @return provider who it was ordered from
    /// @return service the provider's
    /// @return previous block of the task's event before this one
    function _close(
        TaskRecord storage task,
        TaskState to
    ) internal returns (address user, address provider, ServiceRecord storage service, uint256 previous) {
        user = task.user;
        provider = _offers[task.offer].provider;
        task.state = to;
        task.deadline = 0;
        previous = _markBlock(task);
        --_relations[user][provider].open;
        service = _services[provider];
        --service.open;
    }

    /// @notice Lowers what the user pays, because less work was done than ordered. The bond stays that of the order:
    /// a provider could otherwise free itself of its bond by delivering something worthless for nothing.
    /// @param task its record
    /// @param fee neuron to pay, at most the fee reserved
    /// @return rebate neuron of the fee that the user does not pay
    function _charge(TaskRecord storage task, uint256 fee) internal returns (uint256 rebate) {
        rebate = task.fee - fee;
        if (rebate == 0) return 0;
        task.reduced = true;
        task.rebate = uint96(rebate);
    }

    // -- Money ---------------------------------------------------------------------------------------------------

    /// @notice What the user pays for the task if all goes well.
    /// @param task its record
    /// @return neuron
    function _chargeOf(TaskRecord storage task) internal view returns (uint256) {
        return task.reduced ? task.fee - task.rebate : task.fee;
    }

    /// @notice What a lapse pays of the charge.
    /// @param task its record
    /// @return neuron
    function _unacknowledgedShareOf(TaskRecord storage task) internal view returns (uint256) {
        return Fees.unacknowledgedShare(_chargeOf(task), _offers[task.offer].unacknowledgedBps);
    }

    /// @notice What is still reserved of the charge while a delivered task is open.
    /// @param task its record
    /// @return neuron; a task that was acknowledged late has paid a part of it when it lapsed
    function _dueOf(TaskRecord storage task) internal view returns (uint256) {
        return task.late ? _chargeOf(task) - _unacknowledgedShareOf(task) : _chargeOf(task);
    }

    /// @notice The bond of an accepted task.
    /// @param task its record
    /// @return neuron; 0 after a late acknowledgement
    function _bondOf(TaskRecord storage task) internal view returns (uint256) {
        return task.late ? 0 : Fees.bondFor(task.fee, _offers[task.offer].bondBps);
    }

    /// @notice What a task's provider has received for it.
    /// @param task its record
    /// @return neuron
    function _paidBy(TaskRecord storage task) private view returns (uint256) {
        if (task.state == TaskState.Settled) return _chargeOf(task);
        return task.late || task.state == TaskState.Lapsed ? _unacknowledgedShareOf(task) : 0;
    }

    /// @notice Pays a provider in the Ledger.
    /// @param user whose money it is
    /// @param provider who gets it
    /// @param amount neuron
    function _payProvider(address user, address provider, uint256 amount) internal {
        _services[provider].earned += uint128(amount);
        _settle(user, provider, amount, provider);
    }

    /// @notice Reserves money in the Ledger.
    /// @dev Skips the call if there is nothing to reserve.
    /// @param account whose money it is
    /// @param provider the sub-account's provider
    /// @param amount neuron
    function _reserve(address account, address provider, uint256 amount) internal {
        if (amount != 0) ledger.reserve(account, provider, amount);
    }

    /// @notice Releases money in the Ledger.
    /// @dev Skips the call if there is nothing to release.
    /// @param account whose money it is
    /// @param provider the sub-account's provider
    /// @param amount neuron
    function _release(address account, address provider, uint256 amount) internal {
        if (amount != 0) ledger.release(account, provider, amount);
    }

    /// @notice Settles money in the Ledger.
    /// @dev Skips the call if there is nothing to settle.
    /// @param account whose money it is
    /// @param provider the sub-account's provider
    /// @param amount neuron
    /// @param payee who gets it; 0 burns it
    function _settle(address account, address provider, uint256 amount, address payee) internal {
        if (amount != 0) ledger.settle(account, provider, amount, payee);
    }
}
