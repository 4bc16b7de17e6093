// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Fees} from "../../../contracts/libraries/Fees.sol";
import {Pages} from "../../../contracts/libraries/Pages.sol";
import {World} from "../helpers/World.sol";

/// @notice P8: exact at the type limits, and every division's parts add up to the whole.
contract ArithmeticTest is World {
    function testFuzz_P8_GivenFeeAndShare_TheBondIsTheSmallestThatKeepsThePromise(uint96 fee, uint16 bps) public view {
        uint256 bond = Fees.bondFor(fee, bps);
        check(bond * 10_000 >= uint256(fee) * bps, "not less than promised");
        check(bond == 0 || (bond - 1) * 10_000 < uint256(fee) * bps, "and by less than one neuron more");
    }

    function test_P8_GivenLargestFeeAndShare_TheBondIsExact() public view {
        uint256 fee = type(uint96).max;
        eq(Fees.bondFor(fee, 10_000), fee, "100 %");
        eq(Fees.bondFor(fee, 65_535), (fee * 65_535 + 9_999) / 10_000, "largest share");
        eq(Fees.bondFor(1, 10_001), 2, "rounded up");
        eq(Fees.bondFor(0, 65_535), 0, "nothing of nothing");
    }

    function testFuzz_P8_GivenFee_TheUnacknowledgedShareIsNeverMoreThanAgreed(uint96 fee, uint16 bps) public pure {
        bps = uint16(bound(bps, 0, 3_000));
        uint256 share = Fees.unacknowledgedShare(fee, bps);
        check(share * 10_000 <= uint256(fee) * bps, "not more than agreed");
        check((share + 1) * 10_000 > uint256(fee) * bps, "and by less than one neuron less");
        check(share <= fee, "part of the whole");
    }

    function testFuzz_P8_GivenUnitsAndPrice_TheFeeCannotOverflow(uint64 units, uint96 price) public pure {
        uint256 fee = Fees.feeFor(units, price);
        check(units == 0 || fee / units == price, "exact");
    }

    function testFuzz_GivenAnyPage_ItLiesInTheList(uint256 length, uint256 offset, uint256 limit) public pure {
        (uint256 start, uint256 end) = Pages.bounds(length, offset, limit);
        check(start <= end && end <= length, "in the list");
        check(end - start <= limit, "not more than asked for");
        check(offset >= length ? start == end : start == offset, "from the offset on");
    }
}
