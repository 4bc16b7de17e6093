// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChaCha20} from "../../../contracts/libraries/ChaCha20.sol";

/// @notice Makes the library's function callable with bytes in memory.
contract StreamCipher {
    function xor(bytes32 key, bytes12 nonce, uint32 counter, bytes calldata data) external pure returns (bytes memory) {
        return ChaCha20.xor(key, nonce, counter, data);
    }
}
