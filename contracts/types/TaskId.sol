// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Globally unique identifier of a task: the first 16 bytes of
/// keccak256(chain id, serving contract, user, provider, n), where n is the user's task count at that provider.
/// @dev Shown to people as a UUID. Unique because n never repeats for one (chain, contract, user, provider).
type TaskId is bytes16;
