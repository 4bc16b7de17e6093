// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {LedgerWorld} from "../helpers/LedgerWorld.sol";

contract LedgerFundTest is LedgerWorld {
    function test_GivenNewProvider_WhenFunded_OpensTheSubAccount() public {
        vm.expectEmit(address(ledger));
        emit ILedger.SubAccountOpened(user, serving, provider);
        vm.expectEmit(address(ledger));
        emit ILedger.Funded(user, serving, provider, 10 ether, 10 ether);
        fund(10 ether);
        eq(balance(), 10 ether, "balance");
        eq(available(user), 90 ether, "available");
        eq(locked(user), 10 ether, "locked");
        eq(ledger.providerCount(user, serving), 1, "providers");
    }

    function test_GivenSubAccount_WhenToppedUp_IsListedOnce() public {
        fund(10 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Funded(user, serving, provider, 5 ether, 15 ether);
        fund(5 ether);
        eq(ledger.providerCount(user, serving), 1, "providers");
    }

    function test_GivenTooLittle_WhenFunded_RevertsWithNumbers() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, user, 100 ether, 101 ether));
        fund(101 ether);
    }

    function test_GivenZeroes_WhenFunded_Reverts() public {
        vm.startPrank(user);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        ledger.fund(serving, provider, 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerNotContract.selector, address(0x5F)));
        ledger.fund(address(0x5F), provider, 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAddress.selector));
        ledger.fund(serving, address(0), 1);
    }

    function test_GivenManyProviders_WhenPaged_ComeInTheOrderOfFirstUse() public {
        vm.startPrank(user);
        for (uint160 i = 1; i <= 5; ++i) {
            ledger.fund(serving, address(i), 1);
        }
        ledger.fund(serving, address(2), 1);
        vm.stopPrank();
        eq(ledger.providerCount(user, serving), 5, "count");
        address[] memory page = ledger.providersOf(user, serving, 1, 3);
        eq(page.length, 3, "page");
        eq(page[0], address(2), "first of the page");
        eq(page[2], address(4), "last of the page");
        eq(ledger.providersOf(user, serving, 4, type(uint256).max).length, 1, "cut at the end");
        eq(ledger.providersOf(user, serving, 5, 1).length, 0, "behind the end");
        eq(ledger.providersOf(user, serving, type(uint256).max, type(uint256).max).length, 0, "far behind the end");
    }

    function test_P20_GivenStranger_WhenHeFunds_OpensOnlyHisOwnSubAccount() public {
        vm.startPrank(other);
        ledger.deposit{value: 1 ether}();
        ledger.fund(serving, provider, 1 ether);
        eq(ledger.providerCount(user, serving), 0, "the user's list");
        eq(ledger.providerCount(other, serving), 1, "the stranger's list");
    }
}

contract LedgerTransferTest is LedgerWorld {
    address internal second = address(0xB0C);

    function test_GivenFree_WhenTransferred_MovesItAtOnce() public {
        fund(10 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.SubAccountOpened(user, serving, second);
        vm.expectEmit(address(ledger));
        emit ILedger.Transferred(user, serving, provider, second, 4 ether);
        transfer(provider, second, 4 ether);
        eq(balance(), 6 ether, "the first has less");
        eq(ledger.subAccountOf(user, serving, second).balance, 4 ether, "the second has more");
        eq(locked(user), 10 ether, "locked as before");
    }

    function test_GivenOpened_WhenTransferredAgain_IsListedOnce() public {
        fund(10 ether);
        transfer(provider, second, 4 ether);
        transfer(provider, second, 1 ether);
        eq(ledger.providerCount(user, serving), 2, "providers");
    }

    function test_GivenReservedAndReturning_WhenTransferred_MovesOnlyWhatIsFree() public {
        fund(10 ether);
        reserve(3 ether);
        requestReturn(2 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientFree.selector, user, provider, 5 ether, 5 ether + 1)
        );
        transfer(provider, second, 5 ether + 1);
        transfer(provider, second, 5 ether);
        eq(reserved(), 3 ether, "reserved stays");
        eq(returning(), 2 ether, "returning stays");
    }

    function test_GivenTheSameProvider_WhenTransferred_ChangesNothing() public {
        fund(10 ether);
        transfer(provider, provider, 4 ether);
        eq(balance(), 10 ether, "balance");
    }

    function test_GivenZeroes_WhenTransferred_Reverts() public {
        fund(10 ether);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        transfer(provider, second, 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAddress.selector));
        transfer(provider, address(0), 1);
    }

    function test_P7_GivenStranger_WhenTheyTransfer_MoveOnlyTheirOwn() public {
        fund(10 ether);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientFree.selector, other, provider, 0, 1));
        vm.prank(other);
        ledger.transfer(serving, provider, second, 1);
    }
}
