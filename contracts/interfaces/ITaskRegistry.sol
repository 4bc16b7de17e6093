// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Task, TaskState} from "../types/Task.sol";
import {TaskId} from "../types/TaskId.sol";

/// @title TaskRegistry: tasks, and what all their verbs have in common
/// @notice What can be read about tasks, and why any verb may be refused. The part of IFineTuningServing without verbs.
interface ITaskRegistry {
    /// @notice Thrown when a verb of the user is called by anyone else.
    /// @param id the task
    /// @param caller who called
    error ServingNotUser(TaskId id, address caller);
    /// @notice Thrown when a verb of the provider's operator is called by anyone else.
    /// @param id the task
    /// @param caller who called
    error ServingNotOperator(TaskId id, address caller);
    /// @notice Thrown when the state table (libraries/TaskStates.sol) has no edge for the verb.
    /// @param id the task
    /// @param state the state it is in; None if there is no such task
    error ServingWrongState(TaskId id, TaskState state);
    /// @notice Thrown when the caller acts after their deadline.
    /// @param id the task
    /// @param deadline that deadline in unix seconds
    error ServingDeadlinePassed(TaskId id, uint256 deadline);
    /// @notice Thrown when someone tries to end a task before its deadline has passed.
    /// @param id the task
    /// @param deadline that deadline in unix seconds
    error ServingDeadlineNotPassed(TaskId id, uint256 deadline);
    /// @notice Thrown when a proof is invalid: it does not open the commitment, or a length or a path is wrong; or if
    /// an answer is not the chunk that was demanded.
    /// @param id the task
    error ServingInvalidProof(TaskId id);

    /// @notice A task.
    /// @param id the task
    /// @return the task; all zero (state None) if there is none
    function taskOf(TaskId id) external view returns (Task memory);
    /// @notice How many tasks a user has ever created at a provider.
    /// @param user the user
    /// @param provider the provider
    /// @return tasks; also the next order's nonce
    function taskCount(address user, address provider) external view returns (uint256);
    /// @notice Tasks by id, in one call.
    /// @param ids the tasks
    /// @return the task of each id, as `taskOf` returns it
    function tasks(TaskId[] calldata ids) external view returns (Task[] memory);
    /// @notice One page of the users of a provider, in the order of their first tasks.
    /// @param provider the provider
    /// @param offset the page's first place in the list, from 0
    /// @param limit users on the page at most
    /// @return the users
    function usersOf(address provider, uint256 offset, uint256 limit) external view returns (address[] memory);
    /// @notice `taskCount` of several pairs, in one call. With `taskIdOf` this gives the ids of all tasks: those of a
    /// user, whose providers Ledger.providersOf lists, and those of a provider, whose users `usersOf` lists.
    /// @param users the user of each pair
    /// @param providers the provider of each pair; as many
    /// @return tasks of each pair
    function taskCounts(
        address[] calldata users,
        address[] calldata providers
    ) external view returns (uint256[] memory);
    /// @notice How many tasks of a user at a provider are open: those in Created to Revealed.
    /// @param user the user
    /// @param provider the provider
    /// @return tasks
    function openTaskCount(address user, address provider) external view returns (uint256);
    /// @notice The id of a user's n-th task at a provider, whether or not it exists yet.
    /// @param user the user
    /// @param provider the provider
    /// @param n number of the task, from 0
    /// @return the id, as types/TaskId.sol defines it
    function taskIdOf(address user, address provider, uint256 n) external view returns (TaskId);
}
