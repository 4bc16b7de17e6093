// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A stream cipher: encrypts and decrypts by the same operation
interface IStreamCipher {
    /// @notice `data` XOR the key stream that starts at block `counter` (64 bytes each). Any length.
    function xor(bytes32 key, bytes12 nonce, uint32 counter, bytes calldata data) external pure returns (bytes memory);
}
