// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title PublicKeys: the format of a compressed secp256k1 point
/// @notice 33 bytes: 0x02 or 0x03 (parity of y), then x, as in SEC 1, section 2.3.3. Whether x is on the curve is not
/// checked: an invalid key harms only its owner, whose tasks then cannot run.
library PublicKeys {
    /// @notice Whether a key has the format of a compressed point.
    /// @param key the key
    /// @return whether it has that format
    function isCompressed(bytes calldata key) internal pure returns (bool) {
        return key.length == 33 && (key[0] == 0x02 || key[0] == 0x03);
    }
}
