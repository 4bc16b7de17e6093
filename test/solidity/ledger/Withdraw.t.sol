// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {
    GasBurningOwner,
    GreedyOwner,
    Owner,
    ReenteringOwner,
    RefusingOwner,
    ReturnBombOwner
} from "../helpers/Receivers.sol";
import {LedgerWorld} from "../helpers/LedgerWorld.sol";

contract LedgerWithdrawTest is LedgerWorld {
    function test_GivenAvailable_WhenWithdrawn_PaysTheOwner() public {
        vm.expectEmit(address(ledger));
        emit ILedger.Withdrawn(user, user, 40 ether, 60 ether);
        vm.prank(user);
        ledger.withdraw(40 ether);
        eq(user.balance, 940 ether, "wallet");
        eq(available(user), 60 ether, "available");
    }

    function test_GivenAvailable_WhenWithdrawnToAnother_PaysThem() public {
        address to = address(0xCA5E);
        vm.expectEmit(address(ledger));
        emit ILedger.Withdrawn(user, to, 40 ether, 60 ether);
        vm.prank(user);
        ledger.withdrawTo(to, 40 ether);
        eq(to.balance, 40 ether, "their wallet");
        eq(available(user), 60 ether, "available");
        eq(available(to), 0, "their account is not touched");
    }

    function test_GivenNobody_WhenWithdrawnTo_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAddress.selector));
        vm.prank(user);
        ledger.withdrawTo(address(0), 1);
    }

    function test_GivenAvailable_WhenAllWithdrawn_LeavesNothing() public {
        vm.prank(user);
        ledger.withdraw(100 ether);
        eq(available(user), 0, "available");
        eq(address(ledger).balance, 0, "held");
    }

    function test_GivenTooLittle_WhenWithdrawn_RevertsWithNumbers() public {
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, user, 100 ether, 100 ether + 1)
        );
        vm.prank(user);
        ledger.withdraw(100 ether + 1);
    }

    function test_GivenLockedMoney_WhenWithdrawn_Reverts() public {
        fund(70 ether);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, user, 30 ether, 31 ether));
        vm.prank(user);
        ledger.withdraw(31 ether);
    }

    function test_GivenZero_WhenWithdrawn_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        vm.prank(user);
        ledger.withdraw(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerZeroAmount.selector));
        vm.prank(user);
        ledger.withdrawTo(other, 0);
    }

    function test_GivenRefusingReceiver_WhenWithdrawn_RevertsAndKeepsTheMoney() public {
        Owner owner = new RefusingOwner{value: 5 ether}(ledger);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerTransferFailed.selector, address(owner), 5 ether));
        owner.withdraw(5 ether);
        eq(available(address(owner)), 5 ether, "available");
    }

    function test_P19_GivenReenteringReceiver_WhenWithdrawn_GetsOnlyWhatIsHis() public {
        ReenteringOwner owner = new ReenteringOwner{value: 10 ether}(ledger);
        owner.withdraw(5 ether);
        eq(owner.calls(), 2, "re-entered once, to the end of his own money");
        eq(address(owner).balance, 10 ether, "his own money");
        eq(available(address(owner)), 0, "available");
        eq(address(ledger).balance, 100 ether, "the user's money is untouched");
    }

    function test_P19_GivenGreedyReceiver_WhenWithdrawn_FailsAsAWhole() public {
        Owner owner = new GreedyOwner{value: 5 ether}(ledger);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerTransferFailed.selector, address(owner), 5 ether));
        owner.withdraw(5 ether);
        eq(available(address(owner)), 5 ether, "available");
    }

    function test_P19_GivenReturnBomb_WhenWithdrawn_CostsTheCallerNoCopy() public {
        Owner owner = new ReturnBombOwner{value: 5 ether}(ledger);
        uint256 before = gasleft();
        owner.withdraw(5 ether);
        // Building the answer costs the receiver about 2.2M gas; copying it would cost as much again.
        check(before - gasleft() < 3_000_000, "the answer was not copied");
        eq(address(owner).balance, 5 ether, "paid");
    }

    function test_P19_GivenGasBurner_WhenWithdrawn_HarmsOnlyHimself() public {
        Owner owner = new GasBurningOwner{value: 5 ether}(ledger);
        (bool success, ) = address(owner).call{gas: 300_000}(abi.encodeCall(Owner.withdraw, (5 ether)));
        check(!success, "his withdrawal fails");
        eq(available(address(owner)), 5 ether, "his money stays his");
        vm.prank(user);
        ledger.withdraw(1 ether);
    }

    function test_P19_GivenRefusingPayee_WhenSettled_NobodyIsBlocked() public {
        Owner payee = new RefusingOwner{value: 1 ether}(ledger);
        reserve(2 ether);
        settle(2 ether, address(payee));
        eq(available(address(payee)), 3 ether, "a credit needs no receive()");
    }
}
