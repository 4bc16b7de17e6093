// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TaskState} from "../types/Task.sol";

/// @notice One verb's row of the state table: nibble s holds the state that the verb leads to from state s, and 0
/// (None) if the verb is not allowed there.
type TaskVerb is uint256;

/// @title TaskStates: the state table
/// @notice All edges that a task can take. Who may take them, until when, and what they cost is in ChunkDemands,
/// Disputes and FineTuningServing. The table is that of docs/protocol.md.
library TaskStates {
    // The bit offset of a state's nibble.
    uint256 private constant IN_CREATED = 4 * uint256(TaskState.Created);
    uint256 private constant IN_ACCEPTED = 4 * uint256(TaskState.Accepted);
    uint256 private constant IN_DELIVERED = 4 * uint256(TaskState.Delivered);
    uint256 private constant IN_DEMANDED = 4 * uint256(TaskState.Demanded);
    uint256 private constant IN_ACKNOWLEDGED = 4 * uint256(TaskState.Acknowledged);
    uint256 private constant IN_REVEALED = 4 * uint256(TaskState.Revealed);
    uint256 private constant IN_LAPSED = 4 * uint256(TaskState.Lapsed);

    // The table: verb, from, to.
    TaskVerb internal constant CANCEL = TaskVerb.wrap(uint256(TaskState.Cancelled) << IN_CREATED);
    TaskVerb internal constant ACCEPT = TaskVerb.wrap(uint256(TaskState.Accepted) << IN_CREATED);
    TaskVerb internal constant FAIL = TaskVerb.wrap(
        (uint256(TaskState.Failed) << IN_CREATED) | (uint256(TaskState.Failed) << IN_ACCEPTED)
    );
    TaskVerb internal constant SETTLE_CANCELLED = TaskVerb.wrap(uint256(TaskState.Settled) << IN_ACCEPTED);
    TaskVerb internal constant DELIVER = TaskVerb.wrap(uint256(TaskState.Delivered) << IN_ACCEPTED);
    TaskVerb internal constant ACKNOWLEDGE = TaskVerb.wrap(
        (uint256(TaskState.Acknowledged) << IN_DELIVERED) |
            (uint256(TaskState.Acknowledged) << IN_DEMANDED) |
            (uint256(TaskState.Acknowledged) << IN_LAPSED)
    );
    TaskVerb internal constant DEMAND_CHUNK = TaskVerb.wrap(uint256(TaskState.Demanded) << IN_DELIVERED);
    TaskVerb internal constant ANSWER_CHUNK = TaskVerb.wrap(uint256(TaskState.Delivered) << IN_DEMANDED);
    TaskVerb internal constant LAPSE = TaskVerb.wrap(uint256(TaskState.Lapsed) << IN_DELIVERED);
    TaskVerb internal constant REVEAL = TaskVerb.wrap(uint256(TaskState.Revealed) << IN_ACKNOWLEDGED);
    TaskVerb internal constant CONFIRM = TaskVerb.wrap(uint256(TaskState.Settled) << IN_REVEALED);
    TaskVerb internal constant FINALIZE = TaskVerb.wrap(uint256(TaskState.Settled) << IN_REVEALED);
    TaskVerb internal constant PROVE_MISBEHAVIOUR = TaskVerb.wrap(uint256(TaskState.Slashed) << IN_REVEALED);
    TaskVerb internal constant EXPIRE = TaskVerb.wrap(
        (uint256(TaskState.Expired) << IN_ACCEPTED) |
            (uint256(TaskState.Expired) << IN_DEMANDED) |
            (uint256(TaskState.Expired) << IN_ACKNOWLEDGED)
    );

    /// @notice The state that a verb leads to.
    /// @param state the state a task is in
    /// @param verb a row of the table
    /// @return the state it is in afterwards; None if the verb is not allowed
    function next(TaskState state, TaskVerb verb) internal pure returns (TaskState) {
        return TaskState((TaskVerb.unwrap(verb) >> (4 * uint256(state))) & 0xf);
    }

    /// @notice Whether money is reserved for a task.
    /// @param state the state it is in
    /// @return whether it is open
    function isOpen(TaskState state) internal pure returns (bool) {
        return state >= TaskState.Created && state <= TaskState.Revealed;
    }
}
