// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../interfaces/IFineTuningServing.sol";
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
        if (terms.pricePerUnit == 0) revert IFineTuningServing.ServingInvalidTerms("pricePerUnit");
        if (terms.maxTrainingTime == 0 || terms.maxTrainingTime > MAX_TRAINING_TIME) {
            revert IFineTuningServing.ServingInvalidTerms("maxTrainingTime");
        }
        if (terms.bondBps < MIN_BOND_BPS) revert IFineTuningServing.ServingInvalidTerms("bondBps");
        if (terms.unacknowledgedBps > MAX_UNACKNOWLEDGED_BPS) {
            revert IFineTuningServing.ServingInvalidTerms("unacknowledgedBps");
        }
        if (terms.openTasksPerUser == 0) revert IFineTuningServing.ServingInvalidTerms("openTasksPerUser");
        uint256 urlLength = bytes(terms.url).length;
        if (urlLength == 0 || urlLength > MAX_URL_LENGTH) revert IFineTuningServing.ServingInvalidTerms("url");
        if (!PublicKeys.isCompressed(terms.encryptionKey)) revert IFineTuningServing.ServingInvalidPublicKey();
    }
}
