// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {LedgerWorld} from "../helpers/LedgerWorld.sol";

contract LedgerReserveTest is LedgerWorld {
    function test_GivenFree_WhenReserved_TakesItFromThere() public {
        fund(10 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Reserved(user, serving, provider, 4 ether, 4 ether);
        reserve(4 ether);
        eq(reserved(), 4 ether, "reserved");
        eq(balance(), 10 ether, "balance");
        eq(available(user), 90 ether, "main account untouched");
    }

    function test_GivenNothing_WhenReserved_OpensAndFundsFromTheMainAccount() public {
        vm.expectEmit(address(ledger));
        emit ILedger.SubAccountOpened(user, serving, provider);
        vm.expectEmit(address(ledger));
        emit ILedger.Funded(user, serving, provider, 4 ether, 4 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Reserved(user, serving, provider, 4 ether, 4 ether);
        reserve(4 ether);
        eq(available(user), 96 ether, "available");
        eq(locked(user), 4 ether, "locked");
    }

    function test_GivenAllThreeSources_WhenReserved_TakesThemInOrder() public {
        fund(10 ether);
        requestReturn(3 ether);
        vm.warp(START + 1);
        requestReturn(4 ether);
        // free 3, returning 3 + 4, available 90
        vm.expectEmit(address(ledger));
        emit ILedger.ReturnCancelled(user, serving, provider, 7 ether, 0);
        vm.expectEmit(address(ledger));
        emit ILedger.Funded(user, serving, provider, 2 ether, 12 ether);
        reserve(12 ether);
        eq(reserved(), 12 ether, "reserved");
        eq(returning(), 0, "returning");
        eq(available(user), 88 ether, "available");
    }

    function test_GivenRequests_WhenPartIsEnough_CancelsNewestFirstAndPartially() public {
        fund(10 ether);
        requestReturn(3 ether);
        vm.warp(START + 1);
        requestReturn(4 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.ReturnCancelled(user, serving, provider, 1 ether, 6 ether);
        reserve(4 ether);
        eq(requests()[1].amount, 3 ether, "the newest keeps the rest");
        eq(requests()[1].unlocksAt, START + 1 + LOCK, "and its unlock time");
        eq(requests()[0].amount, 3 ether, "the oldest is untouched");
        eq(available(user), 90 ether, "main account untouched");
    }

    function test_GivenExactlyOneRequest_WhenAllOfItIsTaken_LeavesNoEmptyRequest() public {
        fund(10 ether);
        requestReturn(10 ether);
        reserve(10 ether);
        eq(requests().length, 0, "queue");
        eq(returning(), 0, "returning");
    }

    function test_GivenMaturedRequest_WhenReserved_IsTakenToo() public {
        fund(10 ether);
        requestReturn(10 ether);
        vm.warp(START + LOCK + 1);
        reserve(10 ether);
        eq(claimReturn(), 0, "nothing left to claim");
        eq(available(user), 90 ether, "main account untouched");
    }

    function test_GivenTooLittle_WhenReserved_RevertsWithWhatTheMainAccountLacks() public {
        fund(60 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, user, 40 ether, 40 ether + 1)
        );
        reserve(100 ether + 1);
    }

    function test_GivenHugeAmount_WhenReserved_RevertsInsteadOfWrapping() public {
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, user, 100 ether, type(uint256).max)
        );
        reserve(type(uint256).max);
    }

    function test_GivenNoAllowance_WhenReserved_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientAllowance.selector, user, other, 0, 1));
        vm.prank(other);
        ledger.reserve(user, provider, 1);
    }

    function test_GivenZero_WhenReservedReleasedOrSettled_WritesNoEventAboutOthers() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        reserve(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        release(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        settle(0, other);
    }

    /// @dev An event says that something moved.
    function test_GivenOneSource_WhenReserved_NoEventIsWrittenAboutTheOthers() public {
        fund(10 ether);
        requestReturn(4 ether);
        vm.recordLogs();
        reserve(6 ether);
        eq(vm.getRecordedLogs().length, 1, "free is enough: Reserved");
        reserve(4 ether);
        eq(vm.getRecordedLogs().length, 2, "the request is enough: ReturnCancelled, Reserved");
        reserve(1 ether);
        eq(vm.getRecordedLogs().length, 2, "the main account is asked: Funded, Reserved");
    }

    function test_GivenOneNeuronIsMissing_WhenReserved_ItComesOutOfTheRequest() public {
        fund(10 ether);
        requestReturn(4 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.ReturnCancelled(user, serving, provider, 1, 4 ether - 1);
        reserve(6 ether + 1);
        eq(balance(), 10 ether, "balance");
        eq(returning(), 4 ether - 1, "returning");
    }

    function test_GivenOneNeuronReturning_WhenReserved_IsTakenToo() public {
        fund(1);
        requestReturn(1);
        reserve(1);
        eq(returning(), 0, "returning");
        eq(balance(), 1, "balance");
        eq(available(user), 100 ether - 1, "available");
    }

    function test_GivenReserved_WhenMoreIsReserved_TheEventNamesBothAmounts() public {
        reserve(3 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Reserved(user, serving, provider, 1 ether, 4 ether);
        reserve(1 ether);
    }

    function test_GivenZeroProvider_WhenReserved_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAddress.selector));
        vm.prank(serving);
        ledger.reserve(user, address(0), 1);
    }

    function test_P10_GivenReserved_WhenAskedBack_IsNotReturnable() public {
        fund(10 ether);
        reserve(10 ether);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientFree.selector, user, provider, 0, 1));
        requestReturn(1);
        retrieve();
        vm.warp(START + 10 * LOCK);
        retrieve();
        eq(reserved(), 10 ether, "still reserved");
        eq(available(user), 90 ether, "available");
    }
}

contract LedgerReleaseTest is LedgerWorld {
    function test_GivenReserved_WhenReleased_IsFree() public {
        reserve(10 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Released(user, serving, provider, 4 ether, 6 ether);
        release(4 ether);
        eq(balance(), 10 ether, "stays in the sub-account");
        requestReturn(4 ether);
    }

    function test_GivenTooLittle_WhenReleased_RevertsWithNumbers() public {
        reserve(10 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientReserved.selector, user, provider, 10 ether, 10 ether + 1)
        );
        release(10 ether + 1);
    }

    function test_P7_GivenAnotherServing_WhenItReleasesOrSettles_ReachesNothing() public {
        reserve(10 ether);
        vm.startPrank(other);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientReserved.selector, user, provider, 0, 1));
        ledger.release(user, provider, 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientReserved.selector, user, provider, 0, 1));
        ledger.settle(user, provider, 1, other);
    }
}

contract LedgerSettleTest is LedgerWorld {
    function test_GivenReserved_WhenSettled_CreditsThePayee() public {
        reserve(10 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Settled(user, serving, provider, other, 4 ether, 6 ether);
        settle(4 ether, other);
        eq(available(other), 4 ether, "payee");
        eq(available(provider), 0, "provider");
        eq(balance(), 6 ether, "balance");
        eq(locked(user), 6 ether, "locked");
    }

    function test_GivenPayeeIsTheAccount_WhenSettled_ComesHomeAtOnce() public {
        reserve(10 ether);
        settle(10 ether, user);
        eq(available(user), 100 ether, "available");
        eq(locked(user), 0, "locked");
    }

    function test_GivenNoPayee_WhenSettled_Burns() public {
        reserve(10 ether);
        settle(4 ether, address(0));
        eq(ledger.burned(), 4 ether, "burned");
        eq(available(address(0)), 0, "nobody has it");
        eq(address(ledger).balance, 100 ether, "it stays in the contract");
        eq(available(user) + locked(user), 96 ether, "and is nobody's");
    }

    function test_GivenTooLittle_WhenSettled_RevertsWithNumbers() public {
        reserve(1 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientReserved.selector, user, provider, 1 ether, 2 ether)
        );
        settle(2 ether, provider);
    }
}
