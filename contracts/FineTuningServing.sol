// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {ChunkDemands} from "./ChunkDemands.sol";
import {Disputes} from "./Disputes.sol";
import {ServiceRegistry} from "./ServiceRegistry.sol";
import {IFineTuningServing} from "./interfaces/IFineTuningServing.sol";
import {ILedger} from "./interfaces/ILedger.sol";
import {Fees} from "./libraries/Fees.sol";
import {Geometry} from "./libraries/Geometry.sol";
import {PublicKeys} from "./libraries/PublicKeys.sol";
import {TaskStates} from "./libraries/TaskStates.sol";
import {ServingParameters} from "./types/ServingParameters.sol";
import {DeliveryOrder, FailReason, Settlement, TaskOrder, TaskState} from "./types/Task.sol";
import {TaskId} from "./types/TaskId.sol";

/// @title FineTuningServing: services, tasks, deliverables; no money
/// @notice The verbs of a task, except those of ChunkDemands and Disputes. interfaces/IFineTuningServing.sol is the manual.
/// @dev Every verb has the same order: check the state table, the caller, the deadline and the rest; update the task;
/// emit the event; call the Ledger, which never calls back.
/// @custom:security-contact see SECURITY.md
contract FineTuningServing is ChunkDemands, Disputes, IFineTuningServing, EIP712 {
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
    uint256 public immutable disputePeriod;

    /// @notice Sets the immutable parameters; creates the rules.
    /// @dev Reverts with ServingParameterOutOfBounds.
    /// @param ledger_ the Ledger that holds the money
    /// @param parameters stake and periods, immutable
    constructor(
        ILedger ledger_,
        ServingParameters memory parameters
    )
        ServiceRegistry(ledger_, parameters.minimumStake)
        ChunkDemands(_bounded("ackPeriod", parameters.ackPeriod), _bounded("revealPeriod", parameters.revealPeriod))
        EIP712("Anneal FineTuningServing", "1")
    {
        disputePeriod = _bounded("disputePeriod", parameters.disputePeriod);
    }

    // -- The user ------------------------------------------------------------------------------------------------

    /// @inheritdoc IFineTuningServing
    function createTask(TaskOrder calldata order) external returns (TaskId id) {
        ServiceRecord storage service = _registered(order.provider);
        Relation storage relation = _relations[msg.sender][order.provider];
        uint256 fee = _checkOrder(order, service, relation);

        id = taskIdOf(msg.sender, order.provider, order.nonce);
        if (relation.created == 0) _users[order.provider].push(msg.sender);
        ++relation.created;
        ++relation.open;
        ++service.open;
        TaskRecord storage task = _tasks[id];
        if (task.state != TaskState.None) revert ServingTaskExists(id);
        task.state = TaskState.Created;
        task.deadline = order.validUntil;
        task.movedBlock = uint32(block.number);
        task.offer = service.offer;
        task.fee = uint96(fee);
        task.user = msg.sender;
        task.createdBlock = uint32(block.number);
        task.exchange = order.blindRoot;

        emit TaskCreated(id, msg.sender, order.provider, fee, order);
        ledger.reserve(msg.sender, order.provider, fee);
    }

    /// @inheritdoc IFineTuningServing
    function cancelTask(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.CANCEL);
        if (block.timestamp <= task.deadline) _onlyUser(id, task);
        (address user, address provider, , uint256 previous) = _close(task, to);
        emit TaskCancelled(id, user, provider, previous);
        _release(user, provider, task.fee);
    }

    /// @inheritdoc IFineTuningServing
    function acknowledge(TaskId id, bytes32 root) external {
        (TaskRecord storage task, TaskState to) = _userStep(id, TaskStates.ACKNOWLEDGE);
        if (root != task.root) revert ServingWrongRoot(id, task.root, root);
        bool late = task.state == TaskState.Lapsed;
        (uint256 deadline, uint256 previous) = _move(task, to, revealPeriod);
        address provider = _offers[task.offer].provider;
        if (late) _reopen(task, provider);
        emit TaskAcknowledged(id, msg.sender, provider, previous, root, deadline, late);
        if (late) _reserve(msg.sender, provider, _dueOf(task));
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
        (TaskRecord storage task, TaskState to, Offer storage offer) = _operatorStep(id, TaskStates.ACCEPT);
        address provider = offer.provider;
        uint256 bond = Fees.bondFor(task.fee, offer.bondBps);
        (uint256 deadline, uint256 previous) = _move(task, to, offer.maxTrainingTime);
        emit TaskAccepted(id, task.user, provider, previous, bond, deadline);
        ledger.reserve(provider, provider, bond);
    }

    /// @inheritdoc IFineTuningServing
    function failTask(TaskId id, FailReason reason) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.FAIL);
        _onlyOperator(id, task);
        if (task.state == TaskState.Created) _refuse(id, task, to, reason);
        else _giveUp(id, task, to, reason);
    }

    /// @inheritdoc IFineTuningServing
    function deliver(DeliveryOrder calldata delivery) external {
        TaskId id = delivery.id;
        (TaskRecord storage task, TaskState to, Offer storage offer) = _operatorStep(id, TaskStates.DELIVER);
        if (delivery.size == 0 || delivery.size > MAX_SIZE || delivery.root == 0) revert ServingInvalidDelivery(id);
        if (delivery.contentRoot == 0 || delivery.keyCommit == 0) revert ServingInvalidDelivery(id);
        if (delivery.fee > task.fee) revert ServingFeeTooHigh(delivery.fee, task.fee);
        (uint256 deadline, uint256 previous) = _move(task, to, ackPeriod);
        task.size = uint48(delivery.size);
        task.root = delivery.root;
        task.exchange = _commitment(task.exchange, delivery.contentRoot, delivery.keyCommit);
        (address user, address provider) = (task.user, offer.provider);
        emit TaskDelivered(id, user, provider, previous, delivery, deadline);
        _release(user, provider, _charge(task, delivery.fee));
    }

    /// @inheritdoc IFineTuningServing
    function reveal(TaskId id, bytes32 key, bytes32 blindRoot, bytes32 contentRoot) external {
        (TaskRecord storage task, TaskState to, Offer storage offer) = _operatorStep(id, TaskStates.REVEAL);
        if (_commitment(blindRoot, contentRoot, keccak256(abi.encode(key))) != task.exchange)
            revert ServingWrongKey(id);
        (uint256 deadline, uint256 previous) = _move(task, to, disputePeriod);
        emit KeyRevealed(id, task.user, offer.provider, previous, key, deadline);
    }

    /// @inheritdoc IFineTuningServing
    function settleCancelled(TaskId id, uint256 amount, uint256 consentDeadline, bytes calldata consent) external {
        (TaskRecord storage task, TaskState to, ) = _operatorStep(id, TaskStates.SETTLE_CANCELLED);
        if (amount > task.fee) revert ServingAmountTooLarge(amount, task.fee);
        if (block.timestamp > consentDeadline) revert ServingConsentExpired(consentDeadline);
        if (!_consented(task.user, id, amount, consentDeadline, consent)) revert ServingInvalidConsent(id);
        (address user, address provider, , uint256 previous) = _close(task, to);
        emit TaskSettled(id, user, provider, previous, amount, Settlement.Agreed);
        _payProvider(user, provider, amount);
        _release(user, provider, _charge(task, amount));
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
        (address user, address provider, ServiceRecord storage service, uint256 previous) = _close(task, to);
        ++service.expired;
        service.failedAt = uint40(block.timestamp);
        emit TaskExpired(id, user, provider, previous, compensation, burned);
        _release(user, provider, _dueOf(task));
        _settle(provider, provider, compensation, user);
        _settle(provider, provider, burned, address(0));
        _release(provider, provider, bond - compensation - burned);
    }

    /// @inheritdoc IFineTuningServing
    function lapse(TaskId id) external {
        (TaskRecord storage task, TaskState to) = _step(id, TaskStates.LAPSE);
        _afterDeadline(id, task);
        uint256 paid = _unacknowledgedShareOf(task);
        (address user, address provider, ServiceRecord storage service, uint256 previous) = _close(task, to);
        ++service.lapsed;
        uint256 deadline = _await(task, to, LATE_ACKNOWLEDGEMENT_PERIOD);
        emit TaskLapsed(id, user, provider, previous, paid, deadline);
        _payProvider(user, provider, paid);
        _release(user, provider, _chargeOf(task) - paid);
        _release(provider, provider, _bondOf(task));
    }

    // -- Checks --------------------------------------------------------------------------------------------------

    /// @notice Checks an order placed by the caller.
    /// @dev Reverts with ServingSelfService, ServingNotAccepting, ServingOfferChanged, ServingOrderExpired,
    /// ServingWrongNonce, ServingOpenTaskLimit,
    /// ServingTooFewUnits, ServingInvalidPublicKey, ServingConfigTooLarge, ServingFeeTooHigh.
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
        if (order.units < service.minimumUnits) revert ServingTooFewUnits(order.units, service.minimumUnits);
        if (!PublicKeys.isCompressed(order.userKey)) revert ServingInvalidPublicKey();
        if (order.config.length > MAX_CONFIG_LENGTH) {
            revert ServingConfigTooLarge(order.config.length, MAX_CONFIG_LENGTH);
        }
        fee = Fees.feeFor(order.units, service.pricePerUnit);
        if (fee > order.maxFee) revert ServingFeeTooHigh(fee, order.maxFee);
    }

    /// @notice Whether a consent is the user's: an EIP-712 signature of an account that signs by itself, or one that
    /// a contract wallet vouches for (ERC-1271), which is asked in a static call.
    /// @param user the task's user
    /// @param id the task
    /// @param amount neuron they agree to pay
    /// @param deadline unix seconds until which the consent may be used
    /// @param consent r ‖ s ‖ v, 65 bytes, low s; for a contract wallet, what it understands
    /// @return whether the user agreed to exactly that
    function _consented(
        address user,
        TaskId id,
        uint256 amount,
        uint256 deadline,
        bytes calldata consent
    ) private view returns (bool) {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(CONSENT_TYPEHASH, id, amount, deadline)));
        return SignatureChecker.isValidSignatureNowCalldata(user, digest, consent);
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
    /// @param provider who it was ordered from
    function _reopen(TaskRecord storage task, address provider) private {
        task.late = true;
        ++_relations[task.user][provider].open;
        ServiceRecord storage service = _services[provider];
        ++service.open;
        --service.lapsed;
    }

    /// @notice Ends the task and pays what is left of the fee.
    /// @param id the task
    /// @param task its record
    /// @param to the state it ends in
    /// @param settlement how
    /// @return service the provider's
    function _pay(
        TaskId id,
        TaskRecord storage task,
        TaskState to,
        Settlement settlement
    ) private returns (ServiceRecord storage service) {
        address user;
        address provider;
        uint256 previous;
        (user, provider, service, previous) = _close(task, to);
        uint256 due = _dueOf(task);
        emit TaskSettled(id, user, provider, previous, due, settlement);
        _payProvider(user, provider, due);
        _release(provider, provider, _bondOf(task));
    }

    /// @notice Ends a task that the provider has not accepted. Costs nobody anything.
    /// @param id the task
    /// @param task its record
    /// @param to the state it ends in
    /// @param reason why
    function _refuse(TaskId id, TaskRecord storage task, TaskState to, FailReason reason) private {
        (address user, address provider, ServiceRecord storage service, uint256 previous) = _close(task, to);
        ++service.refused;
        emit TaskFailed(id, user, provider, previous, reason, 0);
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
        (address user, address provider, ServiceRecord storage service, uint256 previous) = _close(task, to);
        ++service.failed;
        service.failedAt = uint40(block.timestamp);
        emit TaskFailed(id, user, provider, previous, reason, compensation);
        _release(user, provider, task.fee);
        _settle(provider, provider, compensation, user);
        _release(provider, provider, bond - compensation);
    }
}
