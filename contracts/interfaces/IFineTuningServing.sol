// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IChunkDemands} from "./IChunkDemands.sol";
import {IDisputes} from "./IDisputes.sol";
import {IServiceRegistry} from "./IServiceRegistry.sol";
import {ITaskRegistry} from "./ITaskRegistry.sol";
import {DeliveryOrder, FailReason, Settlement, TaskOrder} from "../types/Task.sol";
import {TaskId} from "../types/TaskId.sol";

/// @title FineTuningServing: services, tasks, deliverables; no money
/// @notice Users order tasks, providers run them, and the state table (libraries/TaskStates.sol) defines which verb is
/// allowed in which state. All money is in the Ledger.
/// @dev A side that has to act may do so up to the last second of its deadline; from the next second on anyone may end
/// the task.
/// Amounts are in neuron (1e-18 OG), times in unix seconds, shares in basis points (1/10,000). docs/protocol.md gives
/// the reasons behind the rules.
interface IFineTuningServing is IServiceRegistry, ITaskRegistry, IChunkDemands, IDisputes {
    /// @notice Emitted when a user orders a task. Contains everything that a provider needs to run it.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who is to run it
    /// @param fee neuron reserved in the user's account
    /// @param order the order as placed
    event TaskCreated(TaskId indexed id, address indexed user, address indexed provider, uint256 fee, TaskOrder order);
    /// @notice Emitted when a task is cancelled before it is accepted; the fee is free again.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    event TaskCancelled(TaskId indexed id, address indexed user, address indexed provider, uint256 previous);
    /// @notice Emitted when a provider accepts a task.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param bond neuron reserved in the provider's account
    /// @param deadline unix seconds until which it has to deliver
    event TaskAccepted(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        uint256 bond,
        uint256 deadline
    );
    /// @notice Emitted when a provider gives a task up; the fee is free again, and the rest of the bond.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param reason why
    /// @param compensation neuron of the bond paid to the user; 0 before acceptance
    event TaskFailed(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        FailReason reason,
        uint256 compensation
    );
    /// @notice Emitted when a provider delivers: the encrypted model is in storage.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param delivery the deliverable as posted
    /// @param deadline unix seconds until which the user has to acknowledge it
    event TaskDelivered(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        DeliveryOrder delivery,
        uint256 deadline
    );
    /// @notice Emitted when a user acknowledges a deliverable: they have the encrypted model.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param root storage root of the encrypted model
    /// @param deadline unix seconds until which the provider has to reveal the key
    /// @param late whether the task had lapsed, so that the rest of the fee was reserved again
    event TaskAcknowledged(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        bytes32 root,
        uint256 deadline,
        bool late
    );
    /// @notice Emitted when a provider publishes its share of the key.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param key that share, 32 bytes
    /// @param deadline unix seconds until which the user may dispute
    event KeyRevealed(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        bytes32 key,
        uint256 deadline
    );
    /// @notice Emitted when a task ends with a payment of the fee, or of the agreed part of it, to its provider.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param paid neuron that the provider earned with this step
    /// @param settlement how
    event TaskSettled(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        uint256 paid,
        Settlement settlement
    );
    /// @notice Emitted when a task ends because its provider missed a deadline.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param compensation neuron of the bond paid to the user
    /// @param burned neuron of the bond that were burned
    event TaskExpired(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        uint256 compensation,
        uint256 burned
    );
    /// @notice Emitted when a task ends because its user did not acknowledge the delivery in time.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param paid neuron that the provider earned
    /// @param deadline unix seconds until which the user may still acknowledge, late
    event TaskLapsed(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        uint256 paid,
        uint256 deadline
    );

    /// @notice Thrown when a provider does not accept new tasks at the moment.
    /// @param provider the provider
    error ServingNotAccepting(address provider);
    /// @notice Thrown when a provider orders from itself.
    /// @param provider the provider
    error ServingSelfService(address provider);
    /// @notice Thrown when an order names another offer than the current one: the terms have changed since.
    /// @param ordered number of the offer that the order names
    /// @param current number of the current offer
    error ServingOfferChanged(uint256 ordered, uint256 current);
    /// @notice Thrown when an order is placed after the time until which it is valid.
    /// @param validUntil unix seconds of that time
    error ServingOrderExpired(uint256 validUntil);
    /// @notice Thrown when there is a task with the id that a new one would get: 16 bytes of a hash can collide.
    /// @param id the id
    error ServingTaskExists(TaskId id);
    /// @notice Thrown when a user has as many tasks open at a provider as the provider allows.
    /// @param user the user
    /// @param provider the provider
    /// @param limit number of open tasks it allows
    error ServingOpenTaskLimit(address user, address provider, uint256 limit);
    /// @notice Thrown when an order's nonce is not the user's task count at the provider.
    /// @param expected that count
    /// @param given the order's nonce
    error ServingWrongNonce(uint256 expected, uint256 given);
    /// @notice Thrown when a task costs more than its order allows, or a delivery more than was reserved.
    /// @param fee neuron it costs
    /// @param maxFee neuron allowed
    error ServingFeeTooHigh(uint256 fee, uint256 maxFee);
    /// @notice Thrown when an order has fewer units than the offer requires.
    /// @param units units of the order
    /// @param minimum units required
    error ServingTooFewUnits(uint256 units, uint256 minimum);
    /// @notice Thrown when an order's configuration is too long.
    /// @param length its length in bytes
    /// @param maximum allowed length in bytes
    error ServingConfigTooLarge(uint256 length, uint256 maximum);
    /// @notice Thrown when a delivery's size, root, content root or key commitment is 0, or its size exceeds 128 TiB.
    /// @param id the task
    error ServingInvalidDelivery(TaskId id);
    /// @notice Thrown when a user acknowledges a root other than the delivered one.
    /// @param id the task
    /// @param root the delivered root
    /// @param given the acknowledged root
    error ServingWrongRoot(TaskId id, bytes32 root, bytes32 given);
    /// @notice Thrown when blind root, content root and the key's keccak256 do not hash to the task's commitment.
    /// @param id the task
    error ServingWrongKey(TaskId id);
    /// @notice Thrown when the amount to settle exceeds the fee.
    /// @param amount neuron to settle
    /// @param maximum the fee in neuron
    error ServingAmountTooLarge(uint256 amount, uint256 maximum);
    /// @notice Thrown when a consent is not the user's signature over exactly this id, amount and deadline.
    /// @param id the task
    error ServingInvalidConsent(TaskId id);
    /// @notice Thrown when a consent is used after its own deadline.
    /// @param deadline that deadline in unix seconds
    error ServingConsentExpired(uint256 deadline);

    // -- The user -----------------------------------------------------------------------------------------------------

    /// @notice Orders a task and reserves its fee = units × price.
    /// @dev Reverts with ServingUnknownService, ServingSelfService, ServingNotAccepting, ServingOfferChanged,
    /// ServingOrderExpired, ServingWrongNonce, ServingOpenTaskLimit, ServingTooFewUnits, ServingInvalidPublicKey,
    /// ServingConfigTooLarge, ServingFeeTooHigh, ServingTaskExists, and like Ledger.reserve.
    /// @param order what is ordered, from whom, and for how much at most
    /// @return id the new task's id: `taskIdOf` of the caller, the provider and the order's nonce
    function createTask(TaskOrder calldata order) external returns (TaskId id);

    /// @notice Cancels a task that has not been accepted; the fee is free again. Its user may at any time, anyone once
    /// the order is no longer valid.
    /// @dev Reverts with ServingWrongState, ServingNotUser.
    /// @param id the task
    function cancelTask(TaskId id) external;

    /// @notice Confirms that the user has the encrypted model; starts the reveal period. A lapsed task may be
    /// acknowledged late: that reserves the rest of the fee, and the task counts as open again, regardless of the
    /// limit; it has no bond. A chunk that was demanded need not be answered first.
    /// @dev Takes the root, so that the user cannot acknowledge something else by mistake. Reverts with
    /// ServingWrongState, ServingNotUser, ServingDeadlinePassed, ServingWrongRoot, and, if late, like Ledger.reserve.
    /// @param id the task
    /// @param root storage root of the encrypted model, as delivered
    function acknowledge(TaskId id, bytes32 root) external;

    /// @notice Confirms that everything decrypts to what was committed to; pays the provider and releases its bond.
    /// Allowed at any time after the reveal.
    /// @dev Reverts with ServingWrongState, ServingNotUser.
    /// @param id the task
    function confirm(TaskId id) external;

    // -- The provider -------------------------------------------------------------------------------------------------

    /// @notice Accepts a task while its order is valid: reserves the bond in the provider's account and starts the
    /// training deadline.
    /// @dev Reverts with ServingWrongState, ServingNotOperator, ServingDeadlinePassed, and like Ledger.reserve.
    /// @param id the task
    function acceptTask(TaskId id) external;

    /// @notice Gives a task up; the fee is released. Before acceptance this costs nobody anything. After it, the user
    /// gets a part of the bond that grows from nothing to the quarter that a missed training deadline costs, and the
    /// rest is released. An accepted task can be given up only until its training deadline.
    /// @dev Reverts with ServingWrongState, ServingNotOperator, ServingDeadlinePassed.
    /// @param id the task
    /// @param reason why; only in the event
    function failTask(TaskId id, FailReason reason) external;

    /// @notice Posts the deliverable; starts the acknowledgement period. Allowed once, until the training deadline. A
    /// training that stopped early is delivered for less than the fee: the rest is released. The bond is not: it is
    /// that of the order until the task ends.
    /// @dev Reverts with ServingWrongState, ServingNotOperator, ServingDeadlinePassed, ServingInvalidDelivery,
    /// ServingFeeTooHigh.
    /// @param delivery the task, and the commitments to what is delivered
    function deliver(DeliveryOrder calldata delivery) external;

    /// @notice Publishes the key whose hash was committed to; starts the dispute period. The key is only in the event.
    /// @dev Opens the commitment: takes the order's blind root and the delivery's content root again. Reverts with
    /// ServingWrongState, ServingNotOperator, ServingDeadlinePassed, ServingWrongKey.
    /// @param id the task
    /// @param key the provider's share of the key, 32 bytes
    /// @param blindRoot as ordered
    /// @param contentRoot as delivered
    function reveal(TaskId id, bytes32 key, bytes32 blindRoot, bytes32 contentRoot) external;

    /// @notice Ends a running task for the part of the fee (0 to all of it) that the user agreed to; the rest of the
    /// fee and the bond are released. Allowed until the training deadline and the consent's own deadline. A consent
    /// works only once, because it ends the task.
    /// @dev The consent is an EIP-712 signature over SettleCancelled(bytes16 id,uint256 amount,uint256 deadline), in
    /// the domain ("Anneal FineTuningServing", "1", chain, this contract). Reverts with ServingWrongState,
    /// ServingNotOperator, ServingDeadlinePassed, ServingAmountTooLarge, ServingConsentExpired, ServingInvalidConsent.
    /// @param id the task
    /// @param amount neuron of the fee that the provider earns
    /// @param consentDeadline unix seconds until which the consent may be used
    /// @param consent r ‖ s ‖ v, 65 bytes, low s (EIP-2); for a contract wallet, what its isValidSignature (ERC-1271)
    /// accepts
    function settleCancelled(TaskId id, uint256 amount, uint256 consentDeadline, bytes calldata consent) external;

    // -- Anyone -------------------------------------------------------------------------------------------------------

    /// @notice Pays the providers of tasks after their dispute periods.
    /// @dev An entry that is not due is skipped, so that it does not make the others fail.
    /// @param ids the tasks
    function finalize(TaskId[] calldata ids) external;

    /// @notice Ends a task whose provider missed a deadline; the fee is released. A quarter of the bond goes to the
    /// user after the training deadline. After the deadline to reveal the key, or to answer a demand, half of it does
    /// (rounded up), and the other half is burned.
    /// @dev Reverts with ServingWrongState, ServingDeadlineNotPassed.
    /// @param id the task
    function expire(TaskId id) external;

    /// @notice Ends a delivered task that its user never acknowledged: the agreed share of the fee goes to the
    /// provider, the rest and the bond are released. The user may acknowledge late for 30 days.
    /// @dev Reverts with ServingWrongState, ServingDeadlineNotPassed.
    /// @param id the task
    function lapse(TaskId id) external;

    // -- Views --------------------------------------------------------------------------------------------------------

    /// @notice The time from the key's publication to the end of the dispute period.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function disputePeriod() external view returns (uint256);
    /// @notice The time from the lapse of a task to the end of the period in which it may be acknowledged late.
    /// @return seconds: 30 days
    function LATE_ACKNOWLEDGEMENT_PERIOD() external view returns (uint256);
    /// @notice The maximum length of a task's configuration.
    /// @return bytes: 8 KiB
    function MAX_CONFIG_LENGTH() external view returns (uint256);
    /// @notice The maximum size of a delivered archive, so that segment numbers fit 32 bits.
    /// @return bytes: 128 TiB
    function MAX_SIZE() external view returns (uint256);
}
