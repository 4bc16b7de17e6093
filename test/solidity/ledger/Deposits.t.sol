// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Ledger} from "../../../contracts/Ledger.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {LedgerWorld} from "../helpers/LedgerWorld.sol";

contract LedgerConstructorTest is LedgerWorld {
    function test_GivenLockPeriodInBounds_WhenDeployed_KeepsIt() public {
        eq(new Ledger(1).lockPeriod(), 1, "shortest");
        eq(new Ledger(30 days).lockPeriod(), 30 days, "longest");
    }

    function test_GivenLockPeriodOutOfBounds_WhenDeployed_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerLockPeriodOutOfBounds.selector, 0, 1, 30 days));
        new Ledger(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerLockPeriodOutOfBounds.selector, 30 days + 1, 1, 30 days));
        new Ledger(30 days + 1);
    }

    function test_GivenNobody_WhenAskedForAnOwner_HasNone() public {
        (bool success, ) = address(ledger).call(abi.encodeWithSignature("owner()"));
        check(!success, "no owner");
    }
}

contract LedgerOpenAccountTest is LedgerWorld {
    function test_GivenNewAccount_WhenOpened_DepositsAndAuthorizes() public {
        vm.expectEmit(address(ledger));
        emit ILedger.Authorized(other, serving, 2 ether);
        vm.expectEmit(address(ledger));
        emit ILedger.Deposited(other, other, 3 ether, 3 ether);
        vm.prank(other);
        ledger.openAccount{value: 3 ether}(serving, 2 ether);
        eq(available(other), 3 ether, "available");
        eq(ledger.allowanceOf(other, serving), 2 ether, "allowance");
    }

    function test_GivenAccount_WhenOpenedAgain_Adds() public {
        vm.prank(user);
        ledger.openAccount{value: 1 ether}(address(ledger), 5);
        eq(available(user), 101 ether, "available");
        eq(allowance(), ledger.UNLIMITED(), "the first serving keeps its allowance");
    }

    function test_GivenServingWithoutCode_WhenOpened_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerNotContract.selector, address(0x5F)));
        vm.prank(other);
        ledger.openAccount{value: 1 ether}(address(0x5F), 1);
    }

    function test_GivenNoEther_WhenOpened_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        vm.prank(other);
        ledger.openAccount(serving, 1);
    }
}

contract LedgerDepositTest is LedgerWorld {
    function test_GivenAccount_WhenDeposited_Adds() public {
        vm.expectEmit(address(ledger));
        emit ILedger.Deposited(user, user, 2 ether, 102 ether);
        vm.prank(user);
        ledger.deposit{value: 2 ether}();
        eq(available(user), 102 ether, "available");
    }

    function test_GivenSomebodyElse_WhenDepositedFor_AddsToTheNamedAccount() public {
        vm.expectEmit(address(ledger));
        emit ILedger.Deposited(user, other, 2 ether, 102 ether);
        vm.prank(other);
        ledger.depositFor{value: 2 ether}(user);
        eq(available(user), 102 ether, "named account");
        eq(available(other), 0, "sender's account");
    }

    function test_GivenNoEther_WhenDeposited_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        ledger.deposit();
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        ledger.depositFor(user);
    }

    function test_GivenNobody_WhenDepositedFor_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAddress.selector));
        vm.prank(user);
        ledger.depositFor{value: 1}(address(0));
    }

    function test_P8_GivenTheLargestBalance_WhenOneMoreNeuron_Reverts() public {
        uint256 most = type(uint120).max;
        vm.deal(user, most);
        vm.prank(user);
        ledger.deposit{value: most - 100 ether}();
        eq(available(user), most, "available");
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerAmountTooLarge.selector, 1));
        vm.prank(other);
        ledger.deposit{value: 1}();
    }

    function test_P8_GivenTheLargestBalance_WhenItGoesThroughEveryVerb_NothingOverflows() public {
        uint256 most = type(uint120).max;
        vm.deal(user, most);
        vm.prank(user);
        ledger.deposit{value: most - 100 ether}();
        fund(most);
        reserve(most);
        release(most);
        requestReturn(most);
        reserve(most);
        settle(most, other);
        eq(available(other), most, "everything arrived");
        eq(locked(user), 0, "nothing left");
    }

    function test_GivenPlainTransfer_WhenSent_IsRefused() public {
        vm.prank(user);
        (bool success, ) = address(ledger).call{value: 1 ether}("");
        check(!success, "no account named, so no ether taken");
    }

    function test_GivenForcedEther_WhenUsedOn_BreaksNothing() public {
        vm.deal(address(ledger), 105 ether); // as a self-destructing contract or a block reward can
        fund(10 ether);
        vm.prank(user);
        ledger.withdraw(90 ether);
        eq(address(ledger).balance, 15 ether, "surplus stays");
        eq(available(user) + locked(user), 10 ether, "tracked money is exact");
    }
}

contract LedgerAuthorizeTest is LedgerWorld {
    function test_GivenAccount_WhenAuthorized_SetsTheAllowance() public {
        vm.expectEmit(address(ledger));
        emit ILedger.Authorized(other, serving, 7 ether);
        vm.prank(other);
        ledger.authorize(serving, 7 ether);
        eq(ledger.allowanceOf(other, serving), 7 ether, "allowance");
    }

    function test_P25_GivenAllowance_WhenReserved_IsUsedUp() public {
        authorize(10 ether);
        reserve(4 ether);
        eq(allowance(), 6 ether, "allowance");
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientAllowance.selector, user, serving, 6 ether, 6 ether + 1)
        );
        reserve(6 ether + 1);
        reserve(6 ether);
        eq(allowance(), 0, "to the last neuron");
    }

    function test_P25_GivenFaultyServing_WhenItTakesInCircles_TakesNoMoreThanAllowed() public {
        authorize(10 ether);
        for (uint256 i = 0; i < 10; ++i) {
            reserve(1 ether);
            settle(1 ether, other);
        }
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientAllowance.selector, user, serving, 0, 1 ether)
        );
        reserve(1 ether);
        eq(available(user), 90 ether, "all the rest is safe");
    }

    function test_P25_GivenReserved_WhenReleased_DoesNotComeBackAsAllowance() public {
        authorize(10 ether);
        reserve(10 ether);
        release(10 ether);
        eq(allowance(), 0, "only the owner allows");
    }

    function test_P25_GivenUnlimited_WhenReserved_IsNotUsedUp() public {
        reserve(4 ether);
        eq(allowance(), ledger.UNLIMITED(), "allowance");
    }

    function test_GivenAllowance_WhenRevoked_EndsNewReservationsButKeepsOldOnes() public {
        reserve(3 ether);
        authorize(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientAllowance.selector, user, serving, 0, 1));
        reserve(1);
        settle(1 ether, provider);
        release(2 ether);
        eq(available(provider), 1 ether, "settled under the old rules");
        eq(reserved(), 0, "released under the old rules");
    }

    function test_GivenServingWithoutCode_WhenAuthorized_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerNotContract.selector, address(0x5F)));
        ledger.authorize(address(0x5F), 1);
        ledger.authorize(address(0x5F), 0); // what is nobody's any more can still be revoked
    }
}
