// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ChaCha20: the stream cipher of RFC 8439, section 2.4, two blocks at once
/// @notice Encrypts and decrypts by the same operation.
/// @dev A row of the state is four words of 32 bits. An EVM word holds the same row of two blocks, interleaved: the
/// first word of the even block, the first of the odd block, the second of the even block, and so on. One operation
/// then does four quarter rounds of two blocks, and a row rotates by one word when the EVM word rotates by 64 bits.
library ChaCha20 {
    /// @dev Bytes of two blocks.
    uint256 private constant STEP = 128;
    /// @dev "expand 32-byte k" (RFC 8439, section 2.3), its words little-endian, for two blocks.
    uint256 private constant FIRST_ROW = 0x61707865617078653320646e3320646e79622d3279622d326b2065746b206574;
    /// @dev 1 in every 32-bit word: multiplied by a 32-bit pattern, it repeats the pattern in every word. Masks are
    /// built this way and kept on the stack, because the compiler loads a 32-byte constant from the code at every use.
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    /// @dev The parts that swap with their left neighbour to de-interleave two rows: the third of four words, then the
    /// third of four pairs.
    uint256 private constant THIRD_WORDS = 0x0000000000000000ffffffff000000000000000000000000ffffffff00000000;
    uint256 private constant THIRD_PAIR = 0xffffffffffffffff0000000000000000;

    /// @notice `data` XOR the key stream that starts at block `counter`.
    /// @dev Block numbers are modulo 2^32. Works in steps of two blocks, so it may read calldata beyond the end of
    /// `data` and write memory beyond the end of the result.
    /// @param key 32 bytes
    /// @param nonce 12 bytes
    /// @param counter number of the first block; a block is 64 bytes of the key stream
    /// @param data bytes to encrypt or decrypt, of any length
    /// @return result as many bytes as `data` has
    function xor(
        bytes32 key,
        bytes12 nonce,
        uint32 counter,
        bytes calldata data
    ) internal pure returns (bytes memory result) {
        (uint256 second, uint256 third) = _keyRows(key);
        uint256 nonceRow = _nonceRow(nonce);
        uint256 ones = ONES;
        result = _allocate(data.length);
        unchecked {
            for (uint256 start = 0; start < data.length; start += STEP) {
                uint256 number = counter + (start >> 6);
                uint256 last = (uint256(uint32(number)) << 224) | (uint256(uint32(number + 1)) << 192) | nonceRow;
                (uint256 a, uint256 b, uint256 c, uint256 d) = _twoBlocks(second, third, last, ones);
                // solhint-disable-next-line no-inline-assembly
                assembly ("memory-safe") {
                    let from := add(data.offset, start)
                    let to := add(add(result, 0x20), start)
                    mstore(to, xor(calldataload(from), or(shl(128, shr(128, a)), shr(128, b))))
                    mstore(add(to, 0x20), xor(calldataload(add(from, 0x20)), or(shl(128, shr(128, c)), shr(128, d))))
                    mstore(add(to, 0x40), xor(calldataload(add(from, 0x40)), or(shl(128, a), shr(128, shl(128, b)))))
                    mstore(add(to, 0x60), xor(calldataload(add(from, 0x60)), or(shl(128, c), shr(128, shl(128, d)))))
                }
            }
        }
    }

    /// @notice Two blocks of the key stream, row by row: the even block's in the high half, the odd block's in the low
    /// half.
    /// @param second row of the state: the key's first half
    /// @param third row: its second half
    /// @param last row: the blocks' numbers and the nonce
    /// @param ones ONES, kept on the stack
    /// @return a first row
    /// @return b second row
    /// @return c third row
    /// @return d last row
    function _twoBlocks(
        uint256 second,
        uint256 third,
        uint256 last,
        uint256 ones
    ) private pure returns (uint256 a, uint256 b, uint256 c, uint256 d) {
        (a, b, c, d) = _twentyRounds(second, third, last, ones);
        a = _output(a, FIRST_ROW, ones);
        b = _output(b, second, ones);
        c = _output(c, third, ones);
        d = _output(d, last, ones);
    }

    /// @notice Ten rounds of columns, each with a round of diagonals (RFC 8439, section 2.3).
    /// @dev Sums must not carry into the next word: their top bits are added separately, by XOR. A rotation by n takes
    /// the low n bits of every word from the right shift, the others from the left shift.
    /// @param second row of the state
    /// @param third row
    /// @param last row
    /// @param ones ONES, kept on the stack
    /// @return a first row after the rounds
    /// @return b second row
    /// @return c third row
    /// @return d last row
    // One long function: a function per round would cost a quarter more gas.
    // solhint-disable-next-line function-max-lines
    function _twentyRounds(
        uint256 second,
        uint256 third,
        uint256 last,
        uint256 ones
    ) private pure returns (uint256 a, uint256 b, uint256 c, uint256 d) {
        (a, b, c, d) = (FIRST_ROW, second, third, last);
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let top := shl(31, ones)
            let rest := not(top)
            let low16 := mul(0xffff, ones)
            let low12 := mul(0xfff, ones)
            let low8 := mul(0xff, ones)
            let low7 := mul(0x7f, ones)
            for {
                let left := 10
            } left {
                left := sub(left, 1)
            } {
                a := xor(add(and(a, rest), and(b, rest)), and(xor(a, b), top))
                d := xor(d, a)
                d := or(and(shl(16, d), not(low16)), and(shr(16, d), low16))
                c := xor(add(and(c, rest), and(d, rest)), and(xor(c, d), top))
                b := xor(b, c)
                b := or(and(shl(12, b), not(low12)), and(shr(20, b), low12))
                a := xor(add(and(a, rest), and(b, rest)), and(xor(a, b), top))
                d := xor(d, a)
                d := or(and(shl(8, d), not(low8)), and(shr(24, d), low8))
                c := xor(add(and(c, rest), and(d, rest)), and(xor(c, d), top))
                b := xor(b, c)
                b := or(and(shl(7, b), not(low7)), and(shr(25, b), low7))
                // Diagonals become columns.
                b := or(shl(64, b), shr(192, b))
                c := or(shl(128, c), shr(128, c))
                d := or(shl(192, d), shr(64, d))

                a := xor(add(and(a, rest), and(b, rest)), and(xor(a, b), top))
                d := xor(d, a)
                d := or(and(shl(16, d), not(low16)), and(shr(16, d), low16))
                c := xor(add(and(c, rest), and(d, rest)), and(xor(c, d), top))
                b := xor(b, c)
                b := or(and(shl(12, b), not(low12)), and(shr(20, b), low12))
                a := xor(add(and(a, rest), and(b, rest)), and(xor(a, b), top))
                d := xor(d, a)
                d := or(and(shl(8, d), not(low8)), and(shr(24, d), low8))
                c := xor(add(and(c, rest), and(d, rest)), and(xor(c, d), top))
                b := xor(b, c)
                b := or(and(shl(7, b), not(low7)), and(shr(25, b), low7))
                // Columns become diagonals again.
                b := or(shl(192, b), shr(64, b))
                c := or(shl(128, c), shr(128, c))
                d := or(shl(64, d), shr(192, d))
            }
        }
    }

    /// @notice The sum of a row before and after the rounds, as bytes, de-interleaved into the two blocks.
    /// @param row the row after the rounds
    /// @param before the same row before the rounds
    /// @param ones ONES, kept on the stack
    /// @return x 16 bytes of the even block, then 16 of the odd block
    function _output(uint256 row, uint256 before, uint256 ones) private pure returns (uint256 x) {
        unchecked {
            uint256 rest = ones * 0x7fffffff;
            x = _reverseWords(((row & rest) + (before & rest)) ^ ((row ^ before) & ~rest), ones);
        }
        uint256 difference = (x ^ (x >> 32)) & THIRD_WORDS;
        x ^= difference ^ (difference << 32);
        difference = (x ^ (x >> 64)) & THIRD_PAIR;
        x ^= difference ^ (difference << 64);
    }

    /// @notice The key's halves, each for two blocks.
    /// @param key 32 bytes
    /// @return second row of the state
    /// @return third row
    function _keyRows(bytes32 key) private pure returns (uint256 second, uint256 third) {
        uint256 words = _reverseWords(uint256(key), ONES);
        second = _forTwoBlocks(words >> 128);
        third = _forTwoBlocks(uint128(words));
    }

    /// @notice The nonce for two blocks, with room for their numbers in front.
    /// @param nonce 12 bytes
    /// @return last row of the state, without the numbers
    function _nonceRow(bytes12 nonce) private pure returns (uint256) {
        return _forTwoBlocks(_reverseWords(uint96(nonce), ONES));
    }

    /// @notice Every word of a row twice.
    /// @param row 128 bits
    /// @return x 256 bits
    function _forTwoBlocks(uint256 row) private pure returns (uint256 x) {
        x = (row | (row << 64)) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
        x = (x | (x << 32)) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        x |= x << 32;
    }

    /// @notice Converts every word between little-endian and big-endian.
    /// @param x eight words of 32 bits
    /// @param ones ONES, kept on the stack
    /// @return the words, each with its bytes reversed
    function _reverseWords(uint256 x, uint256 ones) private pure returns (uint256) {
        unchecked {
            uint256 mask = ones * 0x00ff00ff;
            x = ((x & mask) << 8) | ((x >> 8) & mask);
            mask = ones * 0x0000ffff;
            return ((x & mask) << 16) | ((x >> 16) & mask);
        }
    }

    /// @notice Allocates memory for a result, rounded up to whole steps of two blocks.
    /// @param length bytes of the result
    /// @return result bytes of that length
    function _allocate(uint256 length) private pure returns (bytes memory result) {
        result = new bytes(((length + STEP - 1) / STEP) * STEP);
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(result, length)
        }
    }
}
