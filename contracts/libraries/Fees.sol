// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Fees: what a task costs, what stands behind it, and how both are divided
/// @notice All amounts in neuron, all shares in basis points (1/10,000).
library Fees {
    uint256 internal constant WHOLE_BPS = 10_000;

    /// @notice Price of a dataset. Cannot overflow: 64 × 96 bits.
    function feeFor(uint64 units, uint96 pricePerUnit) internal pure returns (uint256) {
        return uint256(units) * pricePerUnit;
    }

    /// @notice Bond for a fee, rounded up: never less than the share promised.
    function bondFor(uint256 fee, uint256 bondBps) internal pure returns (uint256) {
        return (fee * bondBps + WHOLE_BPS - 1) / WHOLE_BPS;
    }

    /// @notice Part of a fee due when its delivery is never acknowledged, rounded down: never more than agreed.
    function unacknowledgedShare(uint256 fee, uint256 unacknowledgedBps) internal pure returns (uint256) {
        return (fee * unacknowledgedBps) / WHOLE_BPS;
    }

    /// @notice Part of the bond that a user gets for waiting for a model that never came: a quarter, rounded down.
    function missedTrainingShare(uint256 bond) internal pure returns (uint256) {
        return bond / 4;
    }

    /// @notice Part of the bond that a user gets for proved misbehaviour: half, rounded up. The rest is burned, so that
    /// cheating oneself from a second address costs, too.
    function misbehaviourShare(uint256 bond) internal pure returns (uint256) {
        return (bond + 1) / 2;
    }
}
