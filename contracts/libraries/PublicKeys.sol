// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title PublicKeys: the form of a compressed secp256k1 point
/// @notice 33 bytes: 0x02 or 0x03 (parity of y), then x. Whether x lies on the curve is not checked: a key that does
/// not only harms its owner, whose tasks then cannot run.
library PublicKeys {
    /// @notice Whether `key` has the form of a compressed point.
    function isCompressed(bytes calldata key) internal pure returns (bool) {
        return key.length == 33 && (key[0] == 0x02 || key[0] == 0x03);
    }
}
