// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "./ILedger.sol";
import {Service, ServiceTerms} from "../types/Service.sol";
import {DeliveryOrder, FailReason, Task, TaskOrder, TaskState} from "../types/Task.sol";
import {TaskId} from "../types/TaskId.sol";

/// @title FineTuningServing: services, tasks, deliverables; no money
/// @notice Providers register what they offer, users order tasks, and the task state table (libraries/TaskStates.sol)
/// says who may do what when. All money stays in the Ledger.
interface IFineTuningServing {
    event ServiceRegistered(address indexed provider, uint256 stake, ServiceTerms terms);
    event ServiceUpdated(address indexed provider, ServiceTerms terms);
    event ServiceRemoved(address indexed provider, uint256 stake);

    /// @notice Everything a provider needs to run the task.
    event TaskCreated(
        TaskId indexed id, address indexed user, address indexed provider, uint256 fee, TaskOrder order
    );
    event TaskCancelled(TaskId indexed id);
    event TaskAccepted(TaskId indexed id, uint256 bond, uint256 deadline);
    event TaskFailed(TaskId indexed id, FailReason reason);
    event TaskDelivered(TaskId indexed id, DeliveryOrder delivery, uint256 deadline);
    event TaskAcknowledged(TaskId indexed id, bytes32 root, uint256 deadline, bool late);
    event KeyRevealed(TaskId indexed id, bytes32 key, uint256 deadline);
    /// @notice The provider earned `paid` neuron with this step and the task is over.
    event TaskSettled(TaskId indexed id, uint256 paid);
    /// @notice The provider missed a deadline: `compensation` neuron of the bond went to the user.
    event TaskExpired(TaskId indexed id, uint256 compensation);
    /// @notice Nobody acknowledged: `paid` neuron went to the provider; the user may still acknowledge until `deadline`.
    event TaskLapsed(TaskId indexed id, uint256 paid, uint256 deadline);

    error ServingUnknownService(address provider);
    error ServingServiceExists(address provider);
    error ServingNotAccepting(address provider);
    error ServingTasksOpen(address provider, uint256 open);
    error ServingInvalidTerms(string field);
    error ServingSelfService(address provider);
    error ServingOpenTaskLimit(address user, address provider, uint256 limit);
    error ServingWrongNonce(uint256 expected, uint256 given);
    error ServingFeeTooHigh(uint256 fee, uint256 maxFee);
    error ServingZeroUnits();
    error ServingInvalidPublicKey();
    error ServingConfigTooLarge(uint256 length, uint256 maximum);
    error ServingNotUser(TaskId id, address caller);
    error ServingNotProvider(TaskId id, address caller);
    error ServingWrongState(TaskId id, TaskState state);
    error ServingDeadlinePassed(TaskId id, uint256 deadline);
    error ServingDeadlineNotPassed(TaskId id, uint256 deadline);
    error ServingInvalidDelivery(TaskId id);
    error ServingWrongRoot(TaskId id, bytes32 root, bytes32 given);
    error ServingWrongKey(TaskId id);
    error ServingAmountTooLarge(uint256 amount, uint256 maximum);
    error ServingInvalidConsent(TaskId id);
    error ServingConsentExpired(uint256 deadline);
    error ServingParameterOutOfBounds(string name, uint256 value);

    // -- Services ------------------------------------------------------------------------------------------------

    /// @notice Offers a service; reserves the minimum stake in the caller's sub-account with himself.
    function registerService(ServiceTerms calldata terms) external;

    /// @notice Changes the caller's terms. Tasks already created keep the terms they were created under.
    function updateService(ServiceTerms calldata terms) external;

    /// @notice Ends the caller's service and releases his stake. Only without open tasks.
    function removeService() external;

    // -- Tasks: the user -----------------------------------------------------------------------------------------

    /// @notice Orders a task and reserves its fee = units × price.
    function createTask(TaskOrder calldata order) external returns (TaskId id);

    /// @notice Takes back a task that nobody has accepted.
    function cancelTask(TaskId id) external;

    /// @notice Confirms that the encrypted model at `root` is in the user's hands. Names the root, so that nothing
    /// else can be slipped under the acknowledgement. A lapsed task may be acknowledged late, at the full fee.
    function acknowledge(TaskId id, bytes32 root) external;

    /// @notice Confirms that everything decrypts to what was committed to; pays the provider.
    function confirm(TaskId id) external;

    // -- Tasks: the provider -------------------------------------------------------------------------------------

    /// @notice Takes a task on: reserves the bond, starts the training deadline.
    function acceptTask(TaskId id) external;

    /// @notice Gives a task up; fee and bond are released.
    function failTask(TaskId id, FailReason reason) external;

    /// @notice Posts the deliverable. Once, before the training deadline.
    function deliver(DeliveryOrder calldata delivery) external;

    /// @notice Publishes the key whose hash was committed to.
    function reveal(TaskId id, bytes32 key) external;

    /// @notice Ends a running task at the part of the fee that the user agreed to by an EIP-712 signature over
    /// SettleCancelled(bytes16 id,uint256 amount,uint256 deadline).
    function settleCancelled(TaskId id, uint256 amount, uint256 consentDeadline, bytes calldata consent) external;

    // -- Tasks: anybody ------------------------------------------------------------------------------------------

    /// @notice Pays the provider after the dispute period. An entry that is not due is skipped.
    function finalize(TaskId[] calldata ids) external;

    /// @notice Ends a task whose provider missed the training or the reveal deadline.
    function expire(TaskId id) external;

    /// @notice Ends a delivered task that its user never acknowledged.
    function lapse(TaskId id) external;

    // -- Views ---------------------------------------------------------------------------------------------------

    function ledger() external view returns (ILedger);
    function serviceOf(address provider) external view returns (Service memory);
    function serviceCount() external view returns (uint256);
    /// @notice One page of services in the order of registration; removed ones are left out of the list.
    function services(uint256 offset, uint256 limit) external view returns (Service[] memory);
    function taskOf(TaskId id) external view returns (Task memory);
    /// @notice How many tasks the user has ever created at the provider: the next order's nonce.
    function taskCount(address user, address provider) external view returns (uint256);
    /// @notice How many of them are open.
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
}
