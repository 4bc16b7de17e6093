// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The parameters of FineTuningServing, immutable after deployment.
struct ServingParameters {
    uint256 minimumStake; // neuron a provider reserves while its service is registered, at most 2^96 - 1
    uint256 ackPeriod; // seconds a user has to acknowledge a delivery, 1 second to 30 days
    uint256 revealPeriod; // seconds a provider has to reveal the key, 1 second to 30 days
    uint256 disputePeriod; // seconds a user has to dispute after the reveal, 1 second to 30 days
}
