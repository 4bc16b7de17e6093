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
/// says which step leads where. All money stays in the Ledger.
/// @dev A side that has to act may do so until its deadline's last second; one second later anybody may end the task.
/// Amounts are in neuron (1e-18 OG), times in unix seconds, shares in basis points (1/10,000).
interface IFineTuningServing {
    /// @notice A provider offers a service; `stake` neuron of his were reserved.
    event ServiceRegistered(address indexed provider, uint256 stake, ServiceTerms terms);
    /// @notice A provider changed his terms, for tasks created from now on.
    event ServiceUpdated(address indexed provider, ServiceTerms terms);
    /// @notice A provider ended his service; `stake` neuron are free again.
    event ServiceRemoved(address indexed provider, uint256 stake);

    /// @notice Everything a provider needs to run the task. `fee` neuron of the user are reserved.
    event TaskCreated(TaskId indexed id, address indexed user, address indexed provider, uint256 fee, TaskOrder order);
    /// @notice The user took the task back before anybody accepted it.
    event TaskCancelled(TaskId indexed id);
    /// @notice The provider reserved `bond` neuron and has until `deadline` to deliver.
    event TaskAccepted(TaskId indexed id, uint256 bond, uint256 deadline);
    /// @notice The provider gave the task up; fee and bond are free again.
    event TaskFailed(TaskId indexed id, FailReason reason);
    /// @notice The encrypted model is in storage; the user has until `deadline` to acknowledge it.
    event TaskDelivered(TaskId indexed id, DeliveryOrder delivery, uint256 deadline);
    /// @notice The user has the encrypted model at `root`; the provider has until `deadline` to reveal the key.
    /// Where `late`, the task had lapsed, and the rest of the fee was reserved again.
    event TaskAcknowledged(TaskId indexed id, bytes32 root, uint256 deadline, bool late);
    /// @notice The provider's share of the key is public; the user may dispute until `deadline`.
    event KeyRevealed(TaskId indexed id, bytes32 key, uint256 deadline);
    /// @notice The provider earned `paid` neuron with this step and the task is over.
    event TaskSettled(TaskId indexed id, uint256 paid);
    /// @notice The provider missed a deadline: `compensation` neuron of the bond went to the user.
    event TaskExpired(TaskId indexed id, uint256 compensation);
    /// @notice Page `page` does not match its entry: the fee is free again, `compensation` neuron of the bond went to the
    /// user, `burned` neuron to nobody.
    event TaskSlashed(TaskId indexed id, uint256 page, uint256 compensation, uint256 burned);
    /// @notice Nobody acknowledged: `paid` neuron went to the provider; the user may still acknowledge until `deadline`.
    event TaskLapsed(TaskId indexed id, uint256 paid, uint256 deadline);

    /// @notice This provider offers no service.
    error ServingUnknownService(address provider);
    error ServingServiceExists(address provider);
    /// @notice The provider takes no new tasks at the moment.
    error ServingNotAccepting(address provider);
    /// @notice The service still has `open` tasks to be ended first.
    error ServingTasksOpen(address provider, uint256 open);
    /// @notice This field of the terms is out of its bounds (types/Service.sol).
    error ServingInvalidTerms(string field);
    /// @notice A provider cannot order from himself.
    error ServingSelfService(address provider);
    /// @notice The user has as many tasks open at this provider as the provider allows.
    error ServingOpenTaskLimit(address user, address provider, uint256 limit);
    error ServingWrongNonce(uint256 expected, uint256 given);
    error ServingFeeTooHigh(uint256 fee, uint256 maxFee);
    error ServingZeroUnits();
    /// @notice Not 33 bytes that begin with 2 or 3.
    error ServingInvalidPublicKey();
    error ServingConfigTooLarge(uint256 length, uint256 maximum);
    error ServingNotUser(TaskId id, address caller);
    error ServingNotProvider(TaskId id, address caller);
    /// @notice The verb is not allowed in this state.
    error ServingWrongState(TaskId id, TaskState state);
    error ServingDeadlinePassed(TaskId id, uint256 deadline);
    error ServingDeadlineNotPassed(TaskId id, uint256 deadline);
    /// @notice Size, root, content root or key commitment is 0, or the size is more than 512 TiB.
    error ServingInvalidDelivery(TaskId id);
    error ServingWrongRoot(TaskId id, bytes32 root, bytes32 given);
    /// @notice Blind root, content root and the key's keccak256 do not hash to the task's commitment.
    error ServingWrongKey(TaskId id);
    /// @notice The page is what its entry says: the provider kept his word there.
    error ServingNoMisbehaviour(TaskId id);
    /// @notice The proof shows nothing: it does not open the commitment, or a length or a path is wrong.
    error ServingInvalidProof(TaskId id);
    error ServingAmountTooLarge(uint256 amount, uint256 maximum);
    /// @notice The signature is not the user's, or not under these words.
    error ServingInvalidConsent(TaskId id);
    error ServingConsentExpired(uint256 deadline);
    error ServingParameterOutOfBounds(string name, uint256 value);

    // -- Services ------------------------------------------------------------------------------------------------

    /// @notice Offers a service; reserves the minimum stake in the caller's sub-account with himself.
    /// @dev Reverts with ServingServiceExists, ServingInvalidTerms, ServingInvalidPublicKey, and as Ledger.reserve.
    /// A price of 0 is refused: the bond would be 0 too.
    function registerService(ServiceTerms calldata terms) external;

    /// @notice Changes the caller's terms. Tasks already created keep the terms they were created under.
    /// @dev Reverts with ServingUnknownService, ServingInvalidTerms, ServingInvalidPublicKey.
    function updateService(ServiceTerms calldata terms) external;

    /// @notice Ends the caller's service and releases his stake. Only without open tasks. The counters stay: who
    /// registers again has his history again.
    /// @dev Reverts with ServingUnknownService, ServingTasksOpen.
    function removeService() external;

    // -- Tasks: the user -----------------------------------------------------------------------------------------

    /// @notice Orders a task and reserves its fee = units × price.
    /// @dev Reverts with ServingUnknownService, ServingSelfService, ServingNotAccepting, ServingWrongNonce,
    /// ServingOpenTaskLimit, ServingZeroUnits, ServingInvalidPublicKey, ServingConfigTooLarge, ServingFeeTooHigh, and as
    /// Ledger.reserve.
    function createTask(TaskOrder calldata order) external returns (TaskId id);

    /// @notice Takes back a task that nobody has accepted; the fee is free again. No deadline.
    /// @dev Reverts with ServingWrongState, ServingNotUser.
    function cancelTask(TaskId id) external;

    /// @notice Confirms that the encrypted model at `root` is in the user's hands; starts the reveal period. Names the
    /// root, so that nothing else can be slipped under the acknowledgement. A lapsed task may be acknowledged late:
    /// that reserves the rest of the fee and counts as open again, whatever the limit; no bond stands behind it.
    /// @dev Reverts with ServingWrongState, ServingNotUser, ServingDeadlinePassed, ServingWrongRoot, and, late, as
    /// Ledger.reserve.
    function acknowledge(TaskId id, bytes32 root) external;

    /// @notice Confirms that everything decrypts to what was committed to; pays the provider and frees his bond. At
    /// any time after the reveal.
    /// @dev Reverts with ServingWrongState, ServingNotUser.
    function confirm(TaskId id) external;

    /// @notice Shows that one page of the deliverable does not decrypt to what was committed to, until the dispute
    /// deadline: the fee is released, half of the bond (rounded up) goes to the user, the other half is burned. A claim
    /// about a page that is as it should be reverts and changes nothing. After a late acknowledgement no bond is left:
    /// what was still reserved of the fee comes back.
    /// @dev Reverts with ServingWrongState, ServingNotUser, ServingDeadlinePassed, ServingInvalidProof,
    /// ServingNoMisbehaviour.
    function proveMisbehaviour(TaskId id, MisbehaviourProof calldata proof) external;

    // -- Tasks: the provider -------------------------------------------------------------------------------------

    /// @notice Takes a task on: reserves the bond, starts the training deadline.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, and as Ledger.reserve.
    function acceptTask(TaskId id) external;

    /// @notice Gives a task up; fee and bond are released. An accepted task only until its training deadline:
    /// afterwards it expires, and giving up would escape the compensation.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, ServingDeadlinePassed.
    function failTask(TaskId id, FailReason reason) external;

    /// @notice Posts the deliverable. Once, until the training deadline; starts the acknowledgement period.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, ServingDeadlinePassed, ServingInvalidDelivery.
    function deliver(DeliveryOrder calldata delivery) external;

    /// @notice Publishes the key whose hash was committed to; starts the dispute period. The key stands in the event
    /// alone. Opens the commitment: names the order's blind root and the delivery's content root again.
    /// @dev Reverts with ServingWrongState, ServingNotProvider, ServingDeadlinePassed, ServingWrongKey.
    function reveal(TaskId id, bytes32 key, bytes32 blindRoot, bytes32 contentRoot) external;

    /// @notice Ends a running task at the part of the fee (0 to all of it) that the user agreed to by an EIP-712
    /// signature over SettleCancelled(bytes16 id,uint256 amount,uint256 deadline), in the domain
    /// ("Anneal FineTuningServing", "1", chain, this contract). Until the training deadline and the consent's own.
    /// The rest of the fee and the bond are released. A consent works once: the task is over with it.
    /// @param consent r ‖ s ‖ v, 65 bytes, low s; only accounts that sign by themselves can consent
    /// @dev Reverts with ServingWrongState, ServingNotProvider, ServingDeadlinePassed, ServingAmountTooLarge,
    /// ServingConsentExpired, ServingInvalidConsent.
    function settleCancelled(TaskId id, uint256 amount, uint256 consentDeadline, bytes calldata consent) external;

    // -- Tasks: anybody ------------------------------------------------------------------------------------------

    /// @notice Pays the provider after the dispute period. An entry that is not due is skipped.
    function finalize(TaskId[] calldata ids) external;

    /// @notice Ends a task whose provider missed a deadline; the fee is released. After the training deadline a quarter
    /// of the bond goes to the user, after the reveal deadline all of it.
    /// @dev Reverts with ServingWrongState, ServingDeadlineNotPassed.
    function expire(TaskId id) external;

    /// @notice Ends a delivered task that its user never acknowledged: the agreed share of the fee goes to the
    /// provider, the rest and the bond are released. The user may acknowledge late for 30 days.
    /// @dev Reverts with ServingWrongState, ServingDeadlineNotPassed.
    function lapse(TaskId id) external;

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @notice Where all the money is.
    function ledger() external view returns (ILedger);
    /// @notice ChaCha20, for disputes; created with this contract.
    function cipher() external view returns (IStreamCipher);
    /// @notice The service of a provider.
    /// @dev Reverts with ServingUnknownService.
    function serviceOf(address provider) external view returns (Service memory);
    /// @notice How many places the list of services has. A removed service leaves its place empty; a provider who
    /// registers again takes his old one.
    function serviceCount() external view returns (uint256);
    /// @notice The services in the places [offset, offset + limit), in the order of first registration. Shorter than
    /// `limit` where places are empty: walk `offset` to `serviceCount()`, whatever a page's length.
    function services(uint256 offset, uint256 limit) external view returns (Service[] memory);
    /// @notice The task; all zero (state None) where there is none.
    function taskOf(TaskId id) external view returns (Task memory);
    /// @notice How many tasks the user has ever created at the provider: the next order's nonce.
    function taskCount(address user, address provider) external view returns (uint256);
    /// @notice How many of them are open: Created, Accepted, Delivered, Acknowledged or Revealed.
    function openTaskCount(address user, address provider) external view returns (uint256);
    /// @notice The id of the user's n-th task at the provider (from 0), whether it exists yet or not.
    function taskIdOf(address user, address provider, uint256 n) external view returns (TaskId);
    /// @notice Bond in neuron for a fee under these basis points, rounded up.
    function bondFor(uint256 fee, uint256 bondBps) external pure returns (uint256);

    /// @notice Neuron that a provider reserves while his service is registered.
    function minimumStake() external view returns (uint256);
    /// @notice Seconds from delivery to the end of the acknowledgement period.
    function ackPeriod() external view returns (uint256);
    /// @notice Seconds from acknowledgement to the end of the reveal period.
    function revealPeriod() external view returns (uint256);
    /// @notice Seconds from the key's publication to the end of the dispute period.
    function disputePeriod() external view returns (uint256);
    /// @notice Seconds from the lapse of a task to the end of the time in which it may be acknowledged late: 30 days.
    function LATE_ACKNOWLEDGEMENT_PERIOD() external view returns (uint256);
    /// @notice Bytes that a task's configuration may have: 8 KiB.
    function MAX_CONFIG_LENGTH() external view returns (uint256);
    /// @notice Bytes that a delivered archive may have: 512 TiB, so that segment numbers fit 32 bits.
    function MAX_SIZE() external view returns (uint256);
}
