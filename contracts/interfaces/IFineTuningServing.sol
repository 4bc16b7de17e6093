// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "./ILedger.sol";
import {IStreamCipher} from "./IStreamCipher.sol";
import {MisbehaviourProof} from "../types/MisbehaviourProof.sol";
import {Service, ServiceTerms} from "../types/Service.sol";
import {DeliveryOrder, FailReason, Task, TaskOrder, TaskState} from "../types/Task.sol";
import {TaskId} from "../types/TaskId.sol";

/// @title FineTuningServing: services, tasks, deliverables; no money
/// @notice Providers register what they offer, users order tasks, and the task state table (libraries/TaskStates.sol)
/// says which step leads where. All money is in the Ledger.
/// @dev A side that has to act may do so until its deadline's last second; one second later anybody may end the task.
/// Amounts are in neuron (1e-18 OG), times in unix seconds, shares in basis points (1/10,000). docs/protocol.md gives
/// the reasons behind the rules.
interface IFineTuningServing {
    /// @notice Emitted when a provider offers a service.
    /// @param provider the provider
    /// @param stake neuron reserved of its account
    /// @param terms what it offers
    event ServiceRegistered(address indexed provider, uint256 stake, ServiceTerms terms);
    /// @notice Emitted when a provider changes its terms, for tasks created from now on.
    /// @param provider the provider
    /// @param terms all of the new terms
    event ServiceUpdated(address indexed provider, ServiceTerms terms);
    /// @notice Emitted when a provider ends its service.
    /// @param provider the provider
    /// @param stake neuron of it that are free again
    event ServiceRemoved(address indexed provider, uint256 stake);

    /// @notice Emitted when a user orders a task. Has everything that a provider needs to run it.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who is to run it
    /// @param fee neuron reserved of the user's account
    /// @param order the order as it was given
    event TaskCreated(TaskId indexed id, address indexed user, address indexed provider, uint256 fee, TaskOrder order);
    /// @notice Emitted when a user takes a task back before it is accepted; the fee is free again.
    /// @param id the task
    event TaskCancelled(TaskId indexed id);
    /// @notice Emitted when a provider takes a task on.
    /// @param id the task
    /// @param bond neuron reserved of the provider's account
    /// @param deadline unix seconds until which it has to deliver
    event TaskAccepted(TaskId indexed id, uint256 bond, uint256 deadline);
    /// @notice Emitted when a provider gives a task up; fee and bond are free again.
    /// @param id the task
    /// @param reason why
    event TaskFailed(TaskId indexed id, FailReason reason);
    /// @notice Emitted when a provider delivers: the encrypted model is in storage.
    /// @param id the task
    /// @param delivery the deliverable as it was posted
    /// @param deadline unix seconds until which the user has to acknowledge it
    event TaskDelivered(TaskId indexed id, DeliveryOrder delivery, uint256 deadline);
    /// @notice Emitted when a user acknowledges a deliverable: they have the encrypted model.
    /// @param id the task
    /// @param root storage root of the encrypted model
    /// @param deadline unix seconds until which the provider has to reveal the key
    /// @param late whether the task had lapsed, so that the rest of the fee was reserved again
    event TaskAcknowledged(TaskId indexed id, bytes32 root, uint256 deadline, bool late);
    /// @notice Emitted when a provider publishes its share of the key.
    /// @param id the task
    /// @param key that share, 32 bytes
    /// @param deadline unix seconds until which the user may dispute
    event KeyRevealed(TaskId indexed id, bytes32 key, uint256 deadline);
    /// @notice Emitted when a task ends with a payment to its provider, of the fee or of the part agreed on.
    /// @param id the task
    /// @param paid neuron that the provider earned with this step
    event TaskSettled(TaskId indexed id, uint256 paid);
    /// @notice Emitted when a task ends because its provider missed a deadline.
    /// @param id the task
    /// @param compensation neuron of the bond that went to the user
    event TaskExpired(TaskId indexed id, uint256 compensation);
    /// @notice Emitted when a task ends because its user proved misbehaviour; the fee is free again.
    /// @param id the task
    /// @param page number in the container of the page that does not match its entry
    /// @param compensation neuron of the bond that went to the user
    /// @param burned neuron of the bond that went to nobody
    event TaskSlashed(TaskId indexed id, uint256 page, uint256 compensation, uint256 burned);
    /// @notice Emitted when a task is ended that its user has not acknowledged in time.
    /// @param id the task
    /// @param paid neuron that the provider earned
    /// @param deadline unix seconds until which the user may still acknowledge, late
    event TaskLapsed(TaskId indexed id, uint256 paid, uint256 deadline);

    /// @notice Thrown when a provider offers no service.
    /// @param provider the provider
    error ServingUnknownService(address provider);
    /// @notice Thrown when a provider registers a service that it offers already. Call `updateService`.
    /// @param provider the provider
    error ServingServiceExists(address provider);
    /// @notice Thrown when a provider takes no new tasks at the moment.
    /// @param provider the provider
    error ServingNotAccepting(address provider);
    /// @notice Thrown when a service cannot be removed because tasks are open that have to end first.
    /// @param provider the provider
    /// @param open how many
    error ServingTasksOpen(address provider, uint256 open);
    /// @notice Thrown when a field of the terms is out of its bounds (types/Service.sol).
    /// @param field name of the first such field
    error ServingInvalidTerms(string field);
    /// @notice Thrown when a provider orders from itself.
    /// @param provider the provider
    error ServingSelfService(address provider);
    /// @notice Thrown when a user has as many tasks open at a provider as the provider allows.
    /// @param user the user
    /// @param provider the provider
    /// @param limit tasks it allows
    error ServingOpenTaskLimit(address user, address provider, uint256 limit);
    /// @notice Thrown when an order's nonce is not the user's task count at the provider.
    /// @param expected that count
    /// @param given the order's nonce
    error ServingWrongNonce(uint256 expected, uint256 given);
    /// @notice Thrown when a task costs more than its order allows.
    /// @param fee neuron it costs
    /// @param maxFee neuron allowed
    error ServingFeeTooHigh(uint256 fee, uint256 maxFee);
    /// @notice Thrown when an order declares a dataset of no units.
    error ServingZeroUnits();
    /// @notice Thrown when a public key is not 33 bytes that begin with 2 or 3.
    error ServingInvalidPublicKey();
    /// @notice Thrown when an order's configuration is too long.
    /// @param length bytes it has
    /// @param maximum bytes it may have
    error ServingConfigTooLarge(uint256 length, uint256 maximum);
    /// @notice Thrown when a user's verb is called by anybody else.
    /// @param id the task
    /// @param caller who called
    error ServingNotUser(TaskId id, address caller);
    /// @notice Thrown when a provider's verb is called by anybody else.
    /// @param id the task
    /// @param caller who called
    error ServingNotProvider(TaskId id, address caller);
    /// @notice Thrown when the state table (libraries/TaskStates.sol) has no edge for the verb.
    /// @param id the task
    /// @param state the state it is in; None if there is no such task
    error ServingWrongState(TaskId id, TaskState state);
    /// @notice Thrown when the caller acts after the deadline they had to act by.
    /// @param id the task
    /// @param deadline unix seconds of that deadline
    error ServingDeadlinePassed(TaskId id, uint256 deadline);
    /// @notice Thrown when a task is ended for a deadline that has not passed yet.
    /// @param id the task
    /// @param deadline unix seconds of that deadline
    error ServingDeadlineNotPassed(TaskId id, uint256 deadline);
    /// @notice Thrown when a delivery's size, root, content root or key commitment is 0, or its size more than 512 TiB.
    /// @param id the task
    error ServingInvalidDelivery(TaskId id);
    /// @notice Thrown when a user acknowledges another root than the delivered one.
    /// @param id the task
    /// @param root the delivered root
    /// @param given the acknowledged root
    error ServingWrongRoot(TaskId id, bytes32 root, bytes32 given);
    /// @notice Thrown when blind root, content root and the key's keccak256 do not hash to the task's commitment.
    /// @param id the task
    error ServingWrongKey(TaskId id);
    /// @notice Thrown when a proof shows a page that is what its entry says: the provider kept its word there.
    /// @param id the task
    error ServingNoMisbehaviour(TaskId id);
    /// @notice Thrown when a proof shows nothing: it does not open the commitment, or a length or a path is wrong.
    /// @param id the task
    error ServingInvalidProof(TaskId id);
    /// @notice Thrown when more than the fee is to be settled.
    /// @param amount neuron to be settled
    /// @param maximum neuron of the fee
    error ServingAmountTooLarge(uint256 amount, uint256 maximum);
    /// @notice Thrown when a consent is not the user's signature under exactly this id, amount and deadline.
    /// @param id the task
    error ServingInvalidConsent(TaskId id);
    /// @notice Thrown when a consent is used after its own deadline.
    /// @param deadline unix seconds of that deadline
    error ServingConsentExpired(uint256 deadline);
    /// @notice Thrown when the contract is deployed with a parameter out of its bounds (types/ServingParameters.sol),
    /// or with a ledger that is no contract.
    /// @param name name of the parameter
    /// @param value its value, in its unit; of the ledger, its address as a number
    error ServingParameterOutOfBounds(string name, uint256 value);

    // -- Services ------------------------------------------------------------------------------------------------

    /// @notice Offers a service; reserves the minimum stake in the caller's sub-account with itself.
    /// @dev Reverts with ServingServiceExists, ServingInvalidTerms, ServingInvalidPublicKey, and as Ledger.reserve.
    /// A price of 0 is refused: the bond would be 0 too.
    /// @param terms what is offered
    function registerService(ServiceTerms calldata terms) external;

    /// @notice Changes the caller's terms. Tasks already created keep the terms they were created under.
    /// @dev Reverts with ServingUnknownService, ServingInvalidTerms, ServingInvalidPublicKey.
    /// @param terms all of the terms, changed or not
    function updateService(ServiceTerms calldata terms) external;

    /// @notice Ends the caller's service and releases its stake. Only without open tasks. The counters stay: a provider
    /// that registers again has its history again.
    /// @dev Reverts with ServingUnknownService, ServingTasksOpen.
    function removeService() external;

    // -- Tasks: the user -----------------------------------------------------------------------------------------

    /// @notice Orders a task and reserves its fee = units × price.
    /// @dev Reverts with ServingUnknownService, ServingSelfService, ServingNotAccepting, ServingWrongNonce,
    /// ServingOpenTaskLimit, ServingZeroUnits, ServingInvalidPublicKey, ServingConfigTooLarge, ServingFeeTooHigh, and
    /// as Ledger.reserve.
    /// @param order what is ordered, from whom, for how much at most
    /// @return id the new task's id: `taskIdOf` of the caller, the provider and the order's nonce
    function createTask(TaskOrder calldata order) external returns (TaskId id);

    /// @notice Takes back a task that nobody has accepted; the fee is free again. No deadline.
    /// @dev Reverts with ServingWrongState, ServingNotUser.
    /// @param id the task
    function cancelTask(TaskId id) external;

    /// @notice Confirms that the user has the encrypted model; starts the reveal period. A lapsed task may be
    /// acknowledged late: that reserves the rest of the fee, and the task counts as open again, whatever the limit; it
    /// has no bond.
    /// @dev Names the root, so that nothing else can be slipped under the acknowledgement. Reverts with
    /// ServingWrongState, ServingNotUser, ServingDeadlinePassed, ServingWrongRoot, and, late, as Ledger.reserve.
    /// @param id the task
    /// @param root storage root of the encrypted model, as delivered
    function acknowledge(TaskId id, bytes32 root) external;

    /// @notice Confirms that everything decrypts to what was committed to; pays the provider and frees its bond. At
    /// any time after the reveal.
    /// @dev Reverts with ServingWrongState, ServingNotUser.
    /// @param id the task
    function confirm(TaskId id) external;

    /// @notice Shows that one page of the deliverable does not decrypt to what was committed to, until the dispute
    /// deadline: the fee is released, half of the bond (rounded up) goes to the user, the other half is burned. A claim
    /// about a page that is as it should be reverts and changes nothing. After a late acknowledgement no bond is left:
    /// what was still reserved of the fee comes back.
    /// @dev libraries/Misbehaviour.sol is the rule. Reverts with ServingWrongState, ServingNotUser,
    /// ServingDeadlinePassed, ServingInvalidProof, ServingNoMisbehaviour.
    /// @param id the task
    /// @param proof the page, its entry, and what leads from both to the task's commitments
    function proveMisbehaviour(TaskId id, MisbehaviourProof calldata proof) external;

    // -- Tasks: the provider -------------------------------------------------------------------------------------

    /// @notice Takes a task on: reserves the bond, starts the training deadline.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, and as Ledger.reserve.
    /// @param id the task
    function acceptTask(TaskId id) external;

    /// @notice Gives a task up; fee and bond are released. An accepted task only until its training deadline:
    /// afterwards it expires, and giving up would escape the compensation.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, ServingDeadlinePassed.
    /// @param id the task
    /// @param reason why; only the event has it
    function failTask(TaskId id, FailReason reason) external;

    /// @notice Posts the deliverable. Once, until the training deadline; starts the acknowledgement period.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, ServingDeadlinePassed, ServingInvalidDelivery.
    /// @param delivery the task, and what its user can hold the provider to
    function deliver(DeliveryOrder calldata delivery) external;

    /// @notice Publishes the key whose hash was committed to; starts the dispute period. Only the event has the key.
    /// @dev Opens the commitment: names the order's blind root and the delivery's content root again. Reverts with
    /// ServingWrongState, ServingNotProvider, ServingDeadlinePassed, ServingWrongKey.
    /// @param id the task
    /// @param key the provider's share of the key, 32 bytes
    /// @param blindRoot as ordered
    /// @param contentRoot as delivered
    function reveal(TaskId id, bytes32 key, bytes32 blindRoot, bytes32 contentRoot) external;

    /// @notice Ends a running task at the part of the fee (0 to all of it) that the user agreed to. Until the training
    /// deadline and the consent's own. The rest of the fee and the bond are released. A consent works once: the task
    /// ends with it.
    /// @dev The consent is an EIP-712 signature over SettleCancelled(bytes16 id,uint256 amount,uint256 deadline), in
    /// the domain ("Anneal FineTuningServing", "1", chain, this contract). Reverts with ServingWrongState,
    /// ServingNotProvider, ServingDeadlinePassed, ServingAmountTooLarge, ServingConsentExpired, ServingInvalidConsent.
    /// @param id the task
    /// @param amount neuron of the fee that the provider earns
    /// @param consentDeadline unix seconds until which the consent may be used
    /// @param consent r ‖ s ‖ v, 65 bytes, low s (EIP-2); only accounts that sign by themselves can consent
    function settleCancelled(TaskId id, uint256 amount, uint256 consentDeadline, bytes calldata consent) external;

    // -- Tasks: anybody ------------------------------------------------------------------------------------------

    /// @notice Pays the providers of tasks after their dispute periods.
    /// @dev An entry that is not due is skipped, so one entry never fails the others.
    /// @param ids the tasks
    function finalize(TaskId[] calldata ids) external;

    /// @notice Ends a task whose provider missed a deadline; the fee is released. After the training deadline a quarter
    /// of the bond goes to the user, after the reveal deadline all of it.
    /// @dev Reverts with ServingWrongState, ServingDeadlineNotPassed.
    /// @param id the task
    function expire(TaskId id) external;

    /// @notice Ends a delivered task that its user never acknowledged: the agreed share of the fee goes to the
    /// provider, the rest and the bond are released. The user may acknowledge late for 30 days.
    /// @dev Reverts with ServingWrongState, ServingDeadlineNotPassed.
    /// @param id the task
    function lapse(TaskId id) external;

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @notice Where all the money is.
    /// @return the Ledger, fixed at deployment
    function ledger() external view returns (ILedger);
    /// @notice ChaCha20, for disputes.
    /// @return the cipher, created with this contract
    function cipher() external view returns (IStreamCipher);
    /// @notice The service of a provider.
    /// @dev Reverts with ServingUnknownService.
    /// @param provider the provider
    /// @return its stake, terms and counters
    function serviceOf(address provider) external view returns (Service memory);
    /// @notice How many places the list of services has. A removed service leaves its place empty; a provider that
    /// registers again takes its old one.
    /// @return places, empty ones too
    function serviceCount() external view returns (uint256);
    /// @notice One page of the services, in the order of first registration. Shorter than `limit` if places are empty:
    /// walk `offset` to `serviceCount()`, whatever a page's length.
    /// @param offset the page's first place in the list, from 0
    /// @param limit places that the page covers
    /// @return the services in the places [offset, offset + limit)
    function services(uint256 offset, uint256 limit) external view returns (Service[] memory);
    /// @notice A task.
    /// @param id the task
    /// @return the task; all zero (state None) if there is none
    function taskOf(TaskId id) external view returns (Task memory);
    /// @notice How many tasks a user has ever created at a provider.
    /// @param user the user
    /// @param provider the provider
    /// @return tasks; also the next order's nonce
    function taskCount(address user, address provider) external view returns (uint256);
    /// @notice How many of them are open: Created, Accepted, Delivered, Acknowledged or Revealed.
    /// @param user the user
    /// @param provider the provider
    /// @return tasks
    function openTaskCount(address user, address provider) external view returns (uint256);
    /// @notice The id of a user's n-th task at a provider, whether it exists yet or not.
    /// @param user the user
    /// @param provider the provider
    /// @param n number of the task, from 0
    /// @return the id, as types/TaskId.sol defines it
    function taskIdOf(address user, address provider, uint256 n) external view returns (TaskId);
    /// @notice The bond for a fee.
    /// @param fee neuron
    /// @param bondBps basis points of the fee
    /// @return neuron, rounded up
    function bondFor(uint256 fee, uint256 bondBps) external pure returns (uint256);

    /// @notice What a provider reserves while its service is registered.
    /// @return neuron, fixed at deployment
    function minimumStake() external view returns (uint256);
    /// @notice The time from a delivery to the end of its acknowledgement period.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function ackPeriod() external view returns (uint256);
    /// @notice The time from an acknowledgement to the end of the reveal period.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function revealPeriod() external view returns (uint256);
    /// @notice The time from the key's publication to the end of the dispute period.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function disputePeriod() external view returns (uint256);
    /// @notice The time from the lapse of a task to the end of the period in which it may be acknowledged late.
    /// @return seconds: 30 days
    function LATE_ACKNOWLEDGEMENT_PERIOD() external view returns (uint256);
    /// @notice How long a task's configuration may be.
    /// @return bytes: 8 KiB
    function MAX_CONFIG_LENGTH() external view returns (uint256);
    /// @notice How large a delivered archive may be: so large that segment numbers just fit 32 bits.
    /// @return bytes: 512 TiB
    function MAX_SIZE() external view returns (uint256);
}
