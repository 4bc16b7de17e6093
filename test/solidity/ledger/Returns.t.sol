// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ReturnRequest} from "../../../contracts/types/Account.sol";
import {LedgerWorld} from "../helpers/LedgerWorld.sol";

contract LedgerRequestReturnTest is LedgerWorld {
    function setUp() public override {
        super.setUp();
        fund(50 ether);
    }

    function test_GivenFree_WhenRequested_WaitsTheLockPeriod() public {
        vm.expectEmit(address(ledger));
        emit ILedger.ReturnRequested(user, serving, provider, 0, 20 ether, START + LOCK);
        requestReturn(20 ether);
        eq(returning(), 20 ether, "returning");
        eq(balance(), 50 ether, "still in the sub-account");
        eq(requests().length, 1, "requests");
        eq(requests()[0].unlocksAt, START + LOCK, "unlock time");
    }

    function test_GivenReservedAndReturning_WhenMoreThanFree_RevertsWithNumbers() public {
        reserve(30 ether);
        requestReturn(15 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientFree.selector, user, provider, 5 ether, 5 ether + 1)
        );
        requestReturn(5 ether + 1);
    }

    function test_GivenZero_WhenRequested_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        requestReturn(0);
    }

    function test_GivenFullQueue_WhenRequested_JoinsTheNewestWhichStartsAnew() public {
        for (uint256 i = 0; i < 16; ++i) {
            vm.warp(START + i);
            requestReturn(1 ether);
        }
        vm.warp(START + 1_000);
        vm.expectEmit(address(ledger));
        emit ILedger.ReturnRequested(user, serving, provider, 15, 2 ether, START + 1_000 + LOCK);
        requestReturn(2 ether);
        ReturnRequest[] memory list = requests();
        eq(list.length, ledger.MAX_RETURN_REQUESTS(), "never more than the maximum");
        eq(list[15].amount, 3 ether, "joined");
        eq(list[15].unlocksAt, START + 1_000 + LOCK, "anew");
        eq(list[14].unlocksAt, START + 14 + LOCK, "the one before is untouched");
    }

    function test_P20_GivenStranger_WhenHeRequests_CannotTouchTheUsersQueue() public {
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientFree.selector, other, provider, 0, 1));
        ledger.requestReturn(serving, provider, 1);
        eq(requests().length, 0, "the user's queue");
    }
}

contract LedgerClaimReturnTest is LedgerWorld {
    function setUp() public override {
        super.setUp();
        fund(50 ether);
    }

    function test_P9_GivenRequest_WhenOneSecondEarly_PaysNothing() public {
        requestReturn(20 ether);
        vm.warp(START + LOCK - 1);
        eq(claimReturn(), 0, "claimed");
        eq(returning(), 20 ether, "still waiting");
    }

    function test_P9_GivenRequest_WhenItsUnlockTimeComes_Pays() public {
        requestReturn(20 ether);
        vm.warp(START + LOCK);
        vm.expectEmit(address(ledger));
        emit ILedger.ReturnClaimed(user, serving, provider, 20 ether, 30 ether);
        eq(claimReturn(), 20 ether, "claimed");
        eq(available(user), 70 ether, "available");
        eq(locked(user), 30 ether, "locked");
        eq(requests().length, 0, "queue");
    }

    function test_GivenSeveralRequests_WhenClaimed_TakesTheMaturedFromTheFront() public {
        for (uint256 i = 1; i <= 4; ++i) {
            vm.warp(START + i * 100);
            requestReturn(i * 1 ether);
        }
        vm.warp(START + 200 + LOCK);
        eq(claimReturn(), 3 ether, "the first two");
        eq(requests().length, 2, "left");
        eq(requests()[0].amount, 3 ether, "now the oldest");
    }

    function test_GivenNoSubAccount_WhenClaimed_DoesNothing() public {
        vm.prank(other);
        eq(ledger.claimReturn(serving, provider), 0, "claimed");
    }

    function test_GivenRingThatWentRound_WhenListed_StaysInOrder() public {
        for (uint256 round = 0; round < 5; ++round) {
            for (uint256 i = 0; i < 6; ++i) {
                vm.warp(block.timestamp + 1 hours);
                requestReturn(0.1 ether);
            }
            vm.warp(block.timestamp + LOCK - 3 hours);
            claimReturn();
            ReturnRequest[] memory list = requests();
            eq(list.length, 3, "the last three wait");
            for (uint256 i = 1; i < list.length; ++i) {
                check(list[i - 1].unlocksAt < list[i].unlocksAt, "oldest first");
            }
        }
        vm.warp(block.timestamp + LOCK);
        claimReturn();
        eq(returning(), 0, "nothing left behind");
        eq(balance(), 50 ether - 30 * 0.1 ether, "all came back");
    }

    function testFuzz_P5_GivenRandomHistory_ReturningIsTheSumOfTheQueue(uint256 seed) public {
        uint256 moved;
        for (uint256 i = 0; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 free = balance() - reserved() - returning();
            uint256 amount = 1 + ((seed >> 8) % 3 ether);
            vm.warp(block.timestamp + ((seed >> 128) % 6 hours));
            if (seed % 4 == 0) moved += claimReturn();
            else if (seed % 4 == 1 && balance() > 0) reserve(amount);
            else if (seed % 4 == 2 && reserved() > 0) release(reserved());
            else if (free > 0) requestReturn(amount < free ? amount : free);
            uint256 sum;
            ReturnRequest[] memory list = requests();
            for (uint256 j = 0; j < list.length; ++j) {
                sum += list[j].amount;
                check(list[j].amount > 0, "no empty request");
                check(j == 0 || list[j - 1].unlocksAt <= list[j].unlocksAt, "oldest first");
            }
            eq(returning(), sum, "returning");
            check(reserved() + returning() <= balance(), "P3");
            eq(available(user) + locked(user), 100 ether, "nothing lost");
        }
    }
}

contract LedgerRetrieveTest is LedgerWorld {
    function test_GivenFree_WhenRetrieved_RequestsAll() public {
        fund(50 ether);
        reserve(10 ether);
        retrieve();
        eq(returning(), 40 ether, "all that is free");
    }

    function test_GivenMatured_WhenRetrieved_ClaimsThenRequests() public {
        fund(50 ether);
        requestReturn(20 ether);
        vm.warp(START + LOCK);
        retrieve();
        eq(available(user), 70 ether, "claimed");
        eq(returning(), 30 ether, "requested");
        eq(requests()[0].unlocksAt, START + 2 * LOCK, "from now on");
    }

    function test_GivenBadEntries_WhenRetrieved_OthersAreServed() public {
        fund(50 ether);
        address[] memory providers = new address[](4);
        providers[0] = address(0);
        providers[1] = address(0xDEAD);
        providers[2] = provider;
        providers[3] = provider;
        vm.prank(user);
        ledger.retrieve(serving, providers);
        eq(returning(), 50 ether, "served once");
        eq(requests().length, 1, "one request");
    }

    function test_GivenNoOpenTask_WhenEmptied_TakesThreeTransactions() public {
        address[] memory providers = new address[](20);
        vm.startPrank(user);
        for (uint256 i = 0; i < 20; ++i) {
            providers[i] = address(uint160(0xF00 + i));
            ledger.fund(serving, providers[i], 5 ether);
            // Queues in the worst state: full, the newest just made.
            for (uint256 j = 0; j < 16; ++j) {
                ledger.requestReturn(serving, providers[i], 0.01 ether);
            }
        }
        vm.warp(START + 1 hours);
        ledger.retrieve(serving, providers);
        vm.warp(START + 1 hours + LOCK);
        ledger.retrieve(serving, providers);
        ledger.withdraw(100 ether);
        vm.stopPrank();
        eq(user.balance, 1_000 ether, "everything is back in the wallet");
        eq(locked(user), 0, "locked");
        eq(address(ledger).balance, 0, "held");
    }

    function test_P18_GivenFullQueues_WhenTwentyAreRetrieved_CostsLessThanAThirdOfABlock() public {
        address[] memory providers = new address[](20);
        vm.startPrank(user);
        for (uint256 i = 0; i < 20; ++i) {
            providers[i] = address(uint160(0xF00 + i));
            ledger.fund(serving, providers[i], 5 ether);
            for (uint256 j = 0; j < 16; ++j) {
                ledger.requestReturn(serving, providers[i], 0.01 ether);
            }
        }
        vm.warp(START + LOCK);
        uint256 before = gasleft();
        ledger.retrieve(serving, providers);
        check(before - gasleft() < 9_000_000, "gas");
    }
}

contract LedgerSmallestReturnTest is LedgerWorld {
    function test_GivenOneNeuron_WhenRetrieved_ItReturnsToo() public {
        fund(1);
        retrieve();
        eq(returning(), 1, "returning");
        vm.warp(START + LOCK);
        retrieve();
        eq(available(user), 100 ether, "available");
    }

    function test_GivenNothingMatured_WhenClaimed_NothingIsSaidToMove() public {
        fund(1 ether);
        requestReturn(1 ether);
        vm.recordLogs();
        eq(claimReturn(), 0, "claimed");
        eq(vm.getRecordedLogs().length, 0, "events");
    }
}
