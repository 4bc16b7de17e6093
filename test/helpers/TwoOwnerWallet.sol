// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A wallet with code: its first owner sends calls, and both together sign in its name (ERC-1271).
contract TwoOwnerWallet {
    bytes4 private constant VALID = 0x1626ba7e;
    address private immutable _first;
    address private immutable _second;

    error NotOwner();

    constructor(address first, address second) {
        _first = first;
        _second = second;
    }

    receive() external payable {}

    function execute(address to, uint256 value, bytes calldata data) external payable returns (bytes memory) {
        if (msg.sender != _first) revert NotOwner();
        (bool success, bytes memory answer) = to.call{value: value}(data);
        if (success) return answer;
        assembly {
            revert(add(answer, 32), mload(answer))
        }
    }

    function isValidSignature(bytes32 digest, bytes calldata signatures) external view returns (bytes4) {
        if (signatures.length != 130) return 0xffffffff;
        bool isValid = _signer(digest, signatures[:65]) == _first && _signer(digest, signatures[65:]) == _second;
        return isValid ? VALID : bytes4(0xffffffff);
    }

    function _signer(bytes32 digest, bytes calldata signature) private pure returns (address) {
        return ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
    }
}
