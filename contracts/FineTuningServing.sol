// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Disputes} from "./Disputes.sol";
import {ServiceRegistry} from "./ServiceRegistry.sol";
import {IFineTuningServing} from "./interfaces/IFineTuningServing.sol";
import {ILedger} from "./interfaces/ILedger.sol";
import {Fees} from "./libraries/Fees.sol";
import {Geometry} from "./libraries/Geometry.sol";
import {PublicKeys} from "./libraries/PublicKeys.sol";
import {TaskStates} from "./libraries/TaskStates.sol";
import {ServiceCounters} from "./types/Service.sol";
import {ServingParameters} from "./types/ServingParameters.sol";
import {DeliveryOrder, FailReason, Settlement, Task, TaskOrder, TaskState} from "./types/Task.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title FineTuningServing: services, tasks, deliverables; no money
/// @notice The verbs of a task, except those of Disputes. interfaces/IFineTuningServing.sol is the manual.
/// @dev Every verb has the same order: check the state table, the caller, the deadline and the rest; update the task;
/// emit the event; call the Ledger, which never calls back.
/// @custom:security-contact see SECURITY.md
contract FineTuningServing is Disputes, EIP712 {
    using TaskStates for TaskState;

    /// @dev A period of 0 would end in the second in which it begins.
    uint256 private constant MIN_PERIOD = 1 seconds;
    /// @dev Bounds how long money can be reserved.
    uint256 private constant MAX_PERIOD = 30 days;
    /// @dev The EIP-712 type hash of a consent.
    bytes32 private constant CONSENT_TYPEHASH = keccak256(
        "SettleCancelled(bytes16 id,uint256 amount,uint256 deadline)"
    );

    /// @inheritdoc IFineTuningServing
    uint256 public constant MAX_CONFIG_LENGTH = 8 * 1024;
    /// @inheritdoc IFineTuningServing
    uint256 public constant MAX_SIZE = Geometry.MAX_SIZE;
    /// @inheritdoc IFineTuningServing
    uint256 public constant LATE_ACKNOWLEDGEMENT_PERIOD = 30 days;
    /// @inheritdoc IFineTuningServing
    uint256 public immutable ackPeriod;
    /// @inheritdoc IFineTuningServing
    uint256 public immutable revealPeriod;
    /// @inheritdoc IFineTuningServing
    uint256 public immutable disputePeriod;

    /// @notice Sets the immutable parameters; creates the cipher.
    /// @dev Reverts with ServingParameterOutOfBounds.
    /// @param ledger_ the Ledger that holds the money
    /// @param parameters stake and periods, immutable
    constructor(
        ILedger ledger_,
        ServingParameters memory parameters
    ) ServiceRegistry(ledger_, parameters.minimumStake) EIP712("Anneal FineTuningServing", "1") {
        ackPeriod = _bounded("ackPeriod", parameters.ackPeriod);
        revealPeriod = _bounded("revealPeriod", parameters.revealPeriod);
        disputePeriod = _bounded("disputePeriod", parameters.disputePeriod);
    }

    // -- The user ------------------------------------------------------------------------------------------------

    /// @inheritdoc IFineTuningServing
    function createTask(TaskOrder calldata order) external returns (TaskId id) {
        ServiceRecord storage service = _registered(order.provider);
        Relation storage relation = _relations[msg.sender][order.provider];
        uint256 fee = _checkOrder(order, service, relation);

        id = taskIdOf(msg.sender, order.provider, order.nonce);
        ++relation.created;
        ++relation.open;
        ++service.counters.open;
        TaskRecord storage task = _tasks[id];
        if (task.state != TaskState.None) revert ServingTaskExists(id);
        task.state = TaskState.Created;
        task.deadline = order.validUntil;
        task.offer = service.offer;
        task.fee = uint96(fee);
        task.user = msg.sender;
        task.exchange = order.blindRoot;

        emit TaskCreated(id, msg.sender, order.provider, fee, order);
        ledger.reserve(msg.sender, order.provider, fee);
    }

    /// @inheritdoc IFineTuningServing
    function cancelTask(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.CANCEL);
        if (block.timestamp <= task.deadline) _onlyUser(id, task);
        (address user, address provider, ) = _close(task, to);
        emit TaskCancelled(id);
        _release(user, provider, task.fee);
    }

    /// @inheritdoc IFineTuningServing
    function acknowledge(TaskId id, bytes32 root) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.ACKNOWLEDGE);
        _onlyUser(id, task);
        _untilDeadline(id, task);
        if (root != task.root) revert ServingWrongRoot(id, task.root, root);
        bool late = task.state == TaskState.Lapsed;
        uint256 deadline = _move(task, to, revealPeriod);
        if (late) _reopen(task);
        emit TaskAcknowledged(id, root, deadline, late);
        if (late) ledger.reserve(msg.sender, _offers[task.offer].provider, task.fee - task.paidEarly);
    }

    /// @inheritdoc IFineTuningServing
    function confirm(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.CONFIRM);
        _onlyUser(id, task);
        ++_pay(id, task, to, Settlement.Confirmed).confirmed;
    }

    // -- The provider --------------------------------------------------------------------------------------------

    /// @inheritdoc IFineTuningServing
    function acceptTask(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.ACCEPT);
        Offer storage offer = _onlyProvider(id, task);
        _untilDeadline(id, task);
        uint256 bond = Fees.bondFor(task.fee, offer.bondBps);
        uint256 deadline = _move(task, to, offer.maxTrainingTime);
        emit TaskAccepted(id, bond, deadline);
        ledger.reserve(msg.sender, msg.sender, bond);
    }

    /// @inheritdoc IFineTuningServing
    function failTask(TaskId id, FailReason reason) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.FAIL);
        _onlyProvider(id, task);
        if (task.state == TaskState.Created) _refuse(id, task, to, reason);
        else _giveUp(id, task, to, reason);
    }

    /// @inheritdoc IFineTuningServing
    function deliver(DeliveryOrder calldata delivery) external {
        TaskId id = delivery.id;
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.DELIVER);
        _onlyProvider(id, task);
        _untilDeadline(id, task);
        if (delivery.size == 0 || delivery.size > MAX_SIZE || delivery.root == 0) revert ServingInvalidDelivery(id);
        if (delivery.contentRoot == 0 || delivery.keyCommit == 0) revert ServingInvalidDelivery(id);
        uint256 deadline = _move(task, to, ackPeriod);
        task.size = delivery.size;
        task.root = delivery.root;
        task.exchange = _commitment(task.exchange, delivery.contentRoot, delivery.keyCommit);
        emit TaskDelivered(id, delivery, deadline);
    }

    /// @inheritdoc IFineTuningServing
    function reveal(TaskId id, bytes32 key, bytes32 blindRoot, bytes32 contentRoot) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.REVEAL);
        _onlyProvider(id, task);
        _untilDeadline(id, task);
        if (_commitment(blindRoot, contentRoot, keccak256(abi.encode(key))) != task.exchange)
            revert ServingWrongKey(id);
        uint256 deadline = _move(task, to, disputePeriod);
        emit KeyRevealed(id, key, deadline);
    }

    /// @inheritdoc IFineTuningServing
    function settleCancelled(TaskId id, uint256 amount, uint256 consentDeadline, bytes calldata consent) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.SETTLE_CANCELLED);
        _onlyProvider(id, task);
        _untilDeadline(id, task);
        if (amount > task.fee) revert ServingAmountTooLarge(amount, task.fee);
        if (block.timestamp > consentDeadline) revert ServingConsentExpired(consentDeadline);
        if (!_consented(task.user, id, amount, consentDeadline, consent)) revert ServingInvalidConsent(id);
        task.paidEarly = uint96(amount);
        (address user, address provider, ) = _close(task, to);
        emit TaskSettled(id, amount, Settlement.Agreed);
        _payProvider(user, provider, amount);
        _release(user, provider, task.fee - amount);
        _release(provider, provider, _bondOf(task));
    }

    // -- Anyone --------------------------------------------------------------------------------------------------

    /// @inheritdoc IFineTuningServing
    function finalize(TaskId[] calldata ids) external {
        for (uint256 i = 0; i < ids.length; ++i) {
            TaskRecord storage task = _tasks[ids[i]];
            TaskState to = task.state.next(TaskStates.FINALIZE);
            if (to == TaskState.None || block.timestamp <= task.deadline) continue;
            ++_pay(ids[i], task, to, Settlement.Finalized).finalized;
        }
    }

    /// @inheritdoc IFineTuningServing
    function expire(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.EXPIRE);
        _afterDeadline(id, task);
        uint256 bond = _bondOf(task);
        bool trained = task.state != TaskState.Accepted;
        uint256 compensation = trained ? Fees.brokenPromiseShare(bond) : Fees.missedTrainingShare(bond);
        uint256 burned = trained ? bond - compensation : 0;
        (address user, address provider, ServiceCounters storage counters) = _close(task, to);
        ++counters.expired;
        emit TaskExpired(id, compensation, burned);
        _release(user, provider, task.fee - task.paidEarly);
        _settle(provider, provider, compensation, user);
        _settle(provider, provider, burned, address(0));
        _release(provider, provider, bond - compensation - burned);
    }

    /// @inheritdoc IFineTuningServing
    function lapse(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.LAPSE);
        _afterDeadline(id, task);
        uint256 paid = Fees.unacknowledgedShare(task.fee, _offers[task.offer].unacknowledgedBps);
        task.paidEarly = uint96(paid);
        (address user, address provider, ServiceCounters storage counters) = _close(task, to);
        ++counters.lapsed;
        uint256 deadline = _move(task, to, LATE_ACKNOWLEDGEMENT_PERIOD);
        emit TaskLapsed(id, paid, deadline);
        _payProvider(user, provider, paid);
        _release(user, provider, task.fee - paid);
        _release(provider, provider, _bondOf(task));
    }

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @inheritdoc IFineTuningServing
    function taskOf(TaskId id) external view returns (Task memory view_) {
        TaskRecord storage task = _tasks[id];
        Offer storage offer = _offers[task.offer];
        view_.user = task.user;
        view_.provider = offer.provider;
        view_.state = task.state;
        view_.deadline = task.deadline;
        view_.trainingTime = offer.maxTrainingTime;
        view_.fee = task.fee;
        // A task that was settled after a delivery has paid in full, one cancelled by agreement only the agreed part.
        bool paidInFull = task.state == TaskState.Settled && task.size != 0;
        view_.paid = paidInFull ? task.fee : task.paidEarly;
        view_.bondBps = task.late ? 0 : offer.bondBps;
        view_.unacknowledgedBps = offer.unacknowledgedBps;
        view_.size = task.size;
        view_.root = task.root;
        view_.exchange = task.exchange;
    }

    /// @inheritdoc IFineTuningServing
    function taskCount(address user, address provider) external view returns (uint256) {
        return _relations[user][provider].created;
    }

    /// @inheritdoc IFineTuningServing
    function openTaskCount(address user, address provider) external view returns (uint256) {
        return _relations[user][provider].open;
    }

    /// @inheritdoc IFineTuningServing
    function taskIdOf(address user, address provider, uint256 n) public view returns (TaskId) {
        return TaskId.wrap(bytes16(keccak256(abi.encode(block.chainid, address(this), user, provider, n))));
    }

    /// @inheritdoc IFineTuningServing
    function bondFor(uint256 fee, uint256 bondBps) external pure returns (uint256) {
        return Fees.bondFor(fee, bondBps);
    }

    // -- Checks --------------------------------------------------------------------------------------------------

    /// @notice Checks an order placed by the caller.
    /// @dev Reverts with ServingSelfService, ServingNotAccepting, ServingOfferChanged, ServingOrderExpired,
    /// ServingWrongNonce, ServingOpenTaskLimit,
    /// ServingZeroUnits, ServingInvalidPublicKey, ServingConfigTooLarge, ServingFeeTooHigh.
    /// @param order the order
    /// @param service the service it is for
    /// @param relation the caller's task counts at its provider
    /// @return fee neuron
    function _checkOrder(
        TaskOrder calldata order,
        ServiceRecord storage service,
        Relation storage relation
    ) private view returns (uint256 fee) {
        if (order.provider == msg.sender) revert ServingSelfService(msg.sender);
        if (!service.accepting) revert ServingNotAccepting(order.provider);
        if (order.offer != service.offer) revert ServingOfferChanged(order.offer, service.offer);
        if (block.timestamp > order.validUntil) revert ServingOrderExpired(order.validUntil);
        if (order.nonce != relation.created) revert ServingWrongNonce(relation.created, order.nonce);
        if (relation.open >= service.openTasksPerUser) {
            revert ServingOpenTaskLimit(msg.sender, order.provider, service.openTasksPerUser);
        }
        if (order.units == 0) revert ServingZeroUnits();
        if (!PublicKeys.isCompressed(order.userKey)) revert ServingInvalidPublicKey();
        if (order.config.length > MAX_CONFIG_LENGTH) {
            revert ServingConfigTooLarge(order.config.length, MAX_CONFIG_LENGTH);
        }
        fee = Fees.feeFor(order.units, service.pricePerUnit);
        if (fee > order.maxFee) revert ServingFeeTooHigh(fee, order.maxFee);
    }

    /// @notice Whether a consent is the user's (EIP-712).
    /// @dev Contract signatures (ERC-1271) are not supported: they would need a call to an untrusted contract.
    /// @param user the task's user
    /// @param id the task
    /// @param amount neuron they agree to pay
    /// @param deadline unix seconds until which the consent may be used
    /// @param consent r ‖ s ‖ v, 65 bytes, low s
    /// @return whether the user signed exactly that
    function _consented(
        address user,
        TaskId id,
        uint256 amount,
        uint256 deadline,
        bytes calldata consent
    ) private view returns (bool) {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(CONSENT_TYPEHASH, id, amount, deadline)));
        (address signer, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(digest, consent);
        return failure == ECDSA.RecoverError.NoError && signer == user;
    }

    /// @notice Checks the bounds of a period.
    /// @dev Reverts with ServingParameterOutOfBounds.
    /// @param name name of the parameter
    /// @param period seconds
    /// @return the period
    function _bounded(string memory name, uint256 period) private pure returns (uint256) {
        if (period < MIN_PERIOD || period > MAX_PERIOD) revert ServingParameterOutOfBounds(name, period);
        return period;
    }

    // -- Effects -------------------------------------------------------------------------------------------------

    /// @notice Counts a lapsed task as open again, regardless of the limit on open tasks. It no longer has a bond.
    /// @param task its record
    function _reopen(TaskRecord storage task) private {
        address provider = _offers[task.offer].provider;
        task.late = true;
        ++_relations[task.user][provider].open;
        ServiceCounters storage counters = _services[provider].counters;
        ++counters.open;
        --counters.lapsed;
    }

    /// @notice Ends the task and pays what is left of the fee.
    /// @param id the task
    /// @param task its record
    /// @param to the state it ends in
    /// @param settlement how
    /// @return counters the provider's
    function _pay(
        TaskId id,
        TaskRecord storage task,
        TaskState to,
        Settlement settlement
    ) private returns (ServiceCounters storage counters) {
        address user;
        address provider;
        (user, provider, counters) = _close(task, to);
        uint256 due = task.fee - task.paidEarly;
        emit TaskSettled(id, due, settlement);
        _payProvider(user, provider, due);
        _release(provider, provider, _bondOf(task));
    }

    /// @notice Ends a task that the provider has not accepted. Costs nobody anything.
    /// @param id the task
    /// @param task its record
    /// @param to the state it ends in
    /// @param reason why
    function _refuse(TaskId id, TaskRecord storage task, TaskState to, FailReason reason) private {
        (address user, address provider, ServiceCounters storage counters) = _close(task, to);
        ++counters.refused;
        emit TaskFailed(id, reason, 0);
        _release(user, provider, task.fee);
    }

    /// @notice Ends a task that the provider has accepted, at a cost that grows with the time it took.
    /// @dev Reverts with ServingDeadlinePassed.
    /// @param id the task
    /// @param task its record
    /// @param to the state it ends in
    /// @param reason why
    function _giveUp(TaskId id, TaskRecord storage task, TaskState to, FailReason reason) private {
        _untilDeadline(id, task);
        uint256 bond = _bondOf(task);
        uint256 trainingTime = _offers[task.offer].maxTrainingTime;
        uint256 elapsed = trainingTime - (task.deadline - block.timestamp);
        uint256 compensation = Fees.givenUpShare(bond, elapsed, trainingTime);
        (address user, address provider, ServiceCounters storage counters) = _close(task, to);
        ++counters.failed;
        emit TaskFailed(id, reason, compensation);
        _release(user, provider, task.fee);
        _settle(provider, provider, compensation, user);
        _release(provider, provider, bond - compensation);
    }
}
