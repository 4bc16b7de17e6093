// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Assertions} from "../helpers/Assertions.sol";
import {StreamCipher} from "../helpers/StreamCipher.sol";

/// @notice The vectors of RFC 8439, and what the RFC says in words.
contract ChaCha20Test is Assertions {
    bytes32 private constant COUNTING_KEY = 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f;

    StreamCipher private _cipher;

    function setUp() public {
        _cipher = new StreamCipher();
    }

    function keyStream(bytes32 key, bytes12 nonce, uint32 counter, uint256 length) private view returns (bytes memory) {
        return _cipher.xor(key, nonce, counter, new bytes(length));
    }

    function same(bytes memory actual, bytes memory expected) private pure {
        eq(actual.length, expected.length, "length");
        eq(keccak256(actual), keccak256(expected), "bytes");
    }

    function test_GivenRfc8439Section232_TheBlockIsTheRfcs() public view {
        same(
            keyStream(COUNTING_KEY, 0x000000090000004a00000000, 1, 64),
            hex"10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
            hex"d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
        );
    }

    function test_GivenRfc8439Section242_TheTextEncryptsToTheRfcsCiphertext() public view {
        bytes memory text = bytes(
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            "sunscreen would be it."
        );
        bytes memory ciphertext =
            hex"6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
            hex"f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
            hex"07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
            hex"5af90bbf74a35be6b40b8eedf2785e42874d";
        same(_cipher.xor(COUNTING_KEY, 0x000000000000004a00000000, 1, text), ciphertext);
        same(_cipher.xor(COUNTING_KEY, 0x000000000000004a00000000, 1, ciphertext), text);
    }

    /// @dev Appendix A.1, vectors 1 to 5.
    function test_GivenRfc8439AppendixA1_TheBlocksAreTheRfcs() public view {
        same(
            keyStream(0, 0, 0, 128),
            hex"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            hex"da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
            hex"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            hex"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
        );
        same(
            keyStream(bytes32(uint256(1)), 0, 1, 64),
            hex"3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            hex"8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"
        );
        same(
            keyStream(0x00ff000000000000000000000000000000000000000000000000000000000000, 0, 2, 64),
            hex"72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
            hex"13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"
        );
        same(
            keyStream(0, bytes12(uint96(2)), 0, 64),
            hex"c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
            hex"8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"
        );
    }

    function testFuzz_GivenAnyLength_TheStreamIsThatOfSingleBlocks(
        bytes32 key,
        uint96 nonce,
        uint256 length
    ) public view {
        length = bound(length, 0, 400);
        uint32 counter = 7;
        bytes memory whole = keyStream(key, bytes12(nonce), counter, length);
        eq(whole.length, length, "length");
        for (uint256 i = 0; i < length; i += 64) {
            bytes memory block_ = keyStream(key, bytes12(nonce), counter + uint32(i / 64), 64);
            for (uint256 j = i; j < length && j < i + 64; ++j) {
                check(whole[j] == block_[j - i], "byte");
            }
        }
    }

    function testFuzz_GivenAnyBytes_WhenEncryptedTwice_TheyAreBack(bytes32 key, bytes calldata data) public view {
        same(_cipher.xor(key, bytes12(key), 1, _cipher.xor(key, bytes12(key), 1, data)), data);
    }

    function test_GivenLastBlockNumber_TheNextIsZero() public view {
        bytes memory stream = keyStream(COUNTING_KEY, 0, type(uint32).max - 1, 256);
        bytes memory last = keyStream(COUNTING_KEY, 0, type(uint32).max, 64);
        bytes memory first = keyStream(COUNTING_KEY, 0, 0, 128);
        for (uint256 i = 0; i < 64; ++i) {
            check(stream[64 + i] == last[i], "the last block");
            check(stream[128 + i] == first[i] && stream[192 + i] == first[64 + i], "and the first two");
        }
        bytes memory odd = keyStream(COUNTING_KEY, 0, type(uint32).max, 128);
        for (uint256 i = 0; i < 64; ++i) {
            check(odd[i] == last[i] && odd[64 + i] == first[i], "in one step, too");
        }
    }
}
