// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MisbehaviourProof} from "../types/MisbehaviourProof.sol";
import {TaskId} from "../types/TaskId.sol";

/// @title Disputes: what happens when a deliverable is not what its provider committed to
/// @notice The part of IFineTuningServing that decides disputes.
interface IDisputes {
    /// @notice Emitted when a task ends because its user proved misbehaviour; the fee is free again.
    /// @param id the task
    /// @param user who ordered it
    /// @param provider who it was ordered from
    /// @param previous block of the task's event before this one, demands and answers apart
    /// @param page number in the container of the page that does not match its entry
    /// @param compensation neuron of the bond paid to the user
    /// @param burned neuron of the bond that was burned
    event TaskSlashed(
        TaskId indexed id,
        address indexed user,
        address indexed provider,
        uint256 previous,
        uint256 page,
        uint256 compensation,
        uint256 burned
    );

    /// @notice Thrown when the page in a proof matches its entry: the provider did nothing wrong there.
    /// @param id the task
    error ServingNoMisbehaviour(TaskId id);

    /// @notice Proves that one page of the deliverable does not decrypt to what was committed to: the fee is released,
    /// half of the bond (rounded up) goes to the user, the other half is burned. Allowed until the dispute deadline. A
    /// proof for a correct page reverts. After a late acknowledgement there is no bond: the part of the fee that is
    /// still reserved is released. The provider takes no new tasks until it calls `updateService`.
    /// @dev libraries/Misbehaviour.sol is the rule. Reverts with ServingWrongState, ServingNotUser,
    /// ServingDeadlinePassed, ServingInvalidProof, ServingNoMisbehaviour.
    /// @param id the task
    /// @param proof the page, its entry, and the paths from both to the task's commitments
    function proveMisbehaviour(TaskId id, MisbehaviourProof calldata proof) external;
}
