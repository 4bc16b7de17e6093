// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IServiceRegistry} from "../interfaces/IServiceRegistry.sol";
import {ServiceTerms} from "../types/Service.sol";
import {PublicKeys} from "./PublicKeys.sol";

/// @title TermsRules: which terms a provider may offer
/// @notice The bounds are those of docs/protocol.md.
library TermsRules {
    /// @notice Seconds.
    uint256 internal constant MAX_TRAINING_TIME = 365 days;
    /// @notice Basis points of the fee: all of it.
    uint256 internal constant MIN_BOND_BPS = 10_000;
    /// @notice Basis points of the fee.
    uint256 internal constant MAX_UNACKNOWLEDGED_BPS = 3_000;
    /// @notice Bytes.
    uint256 internal constant MAX_URL_LENGTH = 256;

    /// @notice Reverts with the name of the first field that breaks its rule.
    /// @dev A price of 0 is refused because the bond would be 0 too, and breaking any promise free. Reverts with
    /// ServingInvalidTerms, ServingInvalidPublicKey.
    /// @param terms what a provider wants to offer
    function check(ServiceTerms calldata terms) internal pure {
        _require(terms.pricePerUnit != 0, "pricePerUnit");
        _require(terms.minimumUnits != 0, "minimumUnits");
        _require(terms.maxTrainingTime != 0 && terms.maxTrainingTime <= MAX_TRAINING_TIME, "maxTrainingTime");
        _require(terms.bondBps >= MIN_BOND_BPS, "bondBps");
        _require(terms.unacknowledgedBps <= MAX_UNACKNOWLEDGED_BPS, "unacknowledgedBps");
        _require(terms.openTasksPerUser != 0, "openTasksPerUser");
        _require(terms.operator != address(0), "operator");
        uint256 urlLength = bytes(terms.url).length;
        _require(urlLength != 0 && urlLength <= MAX_URL_LENGTH, "url");
        if (!PublicKeys.isCompressed(terms.encryptionKey)) revert IServiceRegistry.ServingInvalidPublicKey();
    }

    /// @notice Reverts with ServingInvalidTerms unless a field follows its rule.
    /// @param valid whether it does
    /// @param field its name
    function _require(bool valid, string memory field) private pure {
        if (!valid) revert IServiceRegistry.ServingInvalidTerms(field);
    }
}
