// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Fees} from "../../../contracts/libraries/Fees.sol";
import {Pages} from "../../../contracts/libraries/Pages.sol";

/// @notice One account with one sub-account, as the Ledger moves its money, reduced to numbers.
/// @dev `npm run test:smt` proves by induction that no history of calls breaks what `accounted` says, and that nothing
/// overflows; the fuzz test beside it shows that the Ledger moves the same numbers. The queue counts as its sum.
contract SubAccountModel {
    uint256 internal constant MAX_HELD = type(uint120).max;

    uint128 public available;
    uint128 public locked;
    uint128 public free;
    uint128 public reserved;
    uint128 public returning;

    uint128 public deposited;
    uint128 public withdrawn;
    /// @notice Settled to somebody else, or burned.
    uint128 public paid;

    /// @dev The step of the induction: from any numbers for which it all holds, a call leads to such numbers again. An
    /// empty account has them. P2, P3, P6, and every amount fits the Ledger's 120 bits.
    modifier accounted() {
        require(locked == uint256(free) + reserved + returning);
        require(deposited == uint256(withdrawn) + paid + available + locked);
        require(uint256(available) + locked <= MAX_HELD);
        _;
        assert(locked == uint256(free) + reserved + returning);
        assert(uint256(reserved) + returning <= locked);
        assert(deposited == uint256(withdrawn) + paid + available + locked);
        assert(uint256(available) + locked <= MAX_HELD);
    }

    function deposit(uint128 amount) external accounted {
        require(uint256(available) + locked + amount <= MAX_HELD);
        require(amount <= type(uint128).max - deposited); // the model's bound: nobody deposits that much
        deposited += amount;
        available += amount;
    }

    function withdraw(uint128 amount) external accounted {
        require(amount <= available);
        available -= amount;
        withdrawn += amount;
    }

    function fund(uint128 amount) external accounted {
        _fund(amount);
    }

    function requestReturn(uint128 amount) external accounted {
        require(amount <= free);
        free -= amount;
        returning += amount;
    }

    /// @param matured any part of what is returning
    function claimReturn(uint128 matured) external accounted {
        require(matured <= returning);
        returning -= matured;
        locked -= matured;
        available += matured;
    }

    function reserve(uint128 amount) external accounted {
        if (free < amount) {
            uint128 shortfall = amount - free;
            uint128 cancelled = shortfall < returning ? shortfall : returning;
            returning -= cancelled;
            free += cancelled;
            _fund(shortfall - cancelled);
        }
        assert(free >= amount);
        free -= amount;
        reserved += amount;
    }

    function release(uint128 amount) external accounted {
        require(amount <= reserved);
        reserved -= amount;
        free += amount;
    }

    function settle(uint128 amount, bool toHimself) external accounted {
        require(amount <= reserved);
        reserved -= amount;
        locked -= amount;
        if (toHimself) available += amount;
        else paid += amount;
    }

    function _fund(uint128 amount) private {
        require(amount <= available);
        available -= amount;
        locked += amount;
        free += amount;
    }
}

/// @notice What the pure libraries promise, for `npm run test:smt` to prove.
contract LibraryModel {
    function feeNeverOverflows(uint64 units, uint96 pricePerUnit) external pure {
        assert(Fees.feeFor(units, pricePerUnit) <= type(uint160).max);
    }

    function smallestBondIsTheFee(uint96 fee) external pure {
        assert(Fees.bondFor(fee, Fees.WHOLE_BPS) == fee);
    }

    function unacknowledgedShareIsPartOfTheFee(uint96 fee, uint16 bps) external pure {
        require(bps <= Fees.WHOLE_BPS);
        assert(Fees.unacknowledgedShare(fee, bps) <= fee);
    }

    function missedTrainingShareIsPartOfTheBond(uint256 bond) external pure {
        assert(Fees.missedTrainingShare(bond) <= bond);
    }

    function pageLiesInItsList(uint256 length, uint256 offset, uint256 limit) external pure {
        (uint256 start, uint256 end) = Pages.bounds(length, offset, limit);
        assert(start <= end && end <= length);
        assert(end - start <= limit);
    }
}
