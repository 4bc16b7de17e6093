// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A stream cipher
/// @notice Encrypts and decrypts by the same operation.
interface IStreamCipher {
    /// @notice `data` XOR the key stream that starts at block `counter`.
    /// @param key 32 bytes
    /// @param nonce 12 bytes
    /// @param counter number of the first block; a block is 64 bytes of the key stream
    /// @param data bytes to encrypt or decrypt, of any length
    /// @return as many bytes as `data` has
    function xor(bytes32 key, bytes12 nonce, uint32 counter, bytes calldata data) external pure returns (bytes memory);
}
