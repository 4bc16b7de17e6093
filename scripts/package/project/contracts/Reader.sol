// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "anneal/contracts/interfaces/IFineTuningServing.sol";

/// @notice Reads how many services a market has.
contract Reader {
    function services(IFineTuningServing serving) external view returns (uint256) {
        return serving.serviceCount();
    }
}
