// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Fees: the fee and the bond of a task, and how they are split
/// @notice All amounts in neuron, all shares in basis points (1/10,000). The shares are those of docs/protocol.md.
library Fees {
    /// @notice All of an amount, in basis points.
    uint256 internal constant WHOLE_BPS = 10_000;

    /// @notice Price of a dataset. Cannot overflow: 64 × 96 bits.
    /// @param units size of the dataset, in the service's unit
    /// @param pricePerUnit neuron per unit
    /// @return neuron
    function feeFor(uint64 units, uint96 pricePerUnit) internal pure returns (uint256) {
        return uint256(units) * pricePerUnit;
    }

    /// @notice Bond for a fee, rounded up: never less than the promised share.
    /// @param fee neuron
    /// @param bondBps basis points of the fee
    /// @return neuron
    function bondFor(uint256 fee, uint256 bondBps) internal pure returns (uint256) {
        return (fee * bondBps + WHOLE_BPS - 1) / WHOLE_BPS;
    }

    /// @notice Part of a fee due if its delivery is never acknowledged, rounded down: never more than agreed.
    /// @param fee neuron
    /// @param unacknowledgedBps basis points of the fee
    /// @return neuron
    function unacknowledgedShare(uint256 fee, uint256 unacknowledgedBps) internal pure returns (uint256) {
        return (fee * unacknowledgedBps) / WHOLE_BPS;
    }

    /// @notice Part of the bond that a user gets if no model is delivered in time: a quarter, rounded down.
    /// @param bond neuron
    /// @return neuron
    function missedTrainingShare(uint256 bond) internal pure returns (uint256) {
        return bond / 4;
    }

    /// @notice Part of the bond that a user gets if an accepted task is given up: nothing at once, and as much as for a
    /// missed deadline at the end, rounded down.
    /// @param bond neuron
    /// @param elapsed seconds since the acceptance, at most `trainingTime`
    /// @param trainingTime seconds from the acceptance to the training deadline
    /// @return neuron
    function givenUpShare(uint256 bond, uint256 elapsed, uint256 trainingTime) internal pure returns (uint256) {
        return (bond * elapsed) / (4 * trainingTime);
    }

    /// @notice Part of the bond that a user gets for proved misbehaviour, and for a key that was never revealed: half,
    /// rounded up. The rest is burned, so that it also costs to cheat a second address of one's own.
    /// @param bond neuron
    /// @return neuron for the user
    function brokenPromiseShare(uint256 bond) internal pure returns (uint256) {
        return (bond + 1) / 2;
    }
}
