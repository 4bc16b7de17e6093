// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {Fees} from "../../../contracts/libraries/Fees.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {DeliveryOrder, FailReason, Task, Settlement, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {Log} from "../helpers/Vm.sol";
import {World} from "../helpers/World.sol";

contract CancelTaskTest is World {
    function test_GivenCreated_WhenCancelled_ReleasesTheFee() public {
        TaskId id = created();
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskCancelled(id, user, provider, block.number);
        vm.prank(user);
        serving.cancelTask(id);
        isIn(id, TaskState.Cancelled);
        eq(feeReserved(), 0, "fee");
        eq(total(user), FUNDS, "user's total");
        eq(serving.openTaskCount(user, provider), 0, "open");
        eq(counters().open, 0, "service's open");
    }

    function test_GivenCreated_WhenStrangerOrProviderCancels_Reverts() public {
        TaskId id = created();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, provider));
        vm.prank(provider);
        serving.cancelTask(id);
    }

    function test_GivenAcceptedFirst_WhenCancelled_Reverts() public {
        TaskId id = accepted();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Accepted));
        vm.prank(user);
        serving.cancelTask(id);
    }

    function test_GivenCancelledFirst_WhenAccepted_RevertsAndReservesNoBond() public {
        TaskId id = cancelled();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Cancelled));
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        eq(bondReserved(), 0, "bond");
    }

    function test_P11_GivenNobodyEverAccepts_WhenYearsPass_TheUserCanStillCancel() public {
        TaskId id = created();
        vm.warp(START + 10 * 365 days);
        vm.prank(user);
        serving.cancelTask(id);
        eq(feeReserved(), 0, "fee");
    }
}

contract AcceptTaskTest is World {
    function test_GivenCreated_WhenAccepted_ReservesTheBondAndStartsTheDeadline() public {
        TaskId id = created();
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskAccepted(id, user, provider, block.number, BOND, START + TRAINING);
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        isIn(id, TaskState.Accepted);
        eq(bondReserved(), BOND, "bond");
        eq(feeReserved(), FEE, "fee");
        eq(deadlineOf(id), START + TRAINING, "deadline");
    }

    function test_GivenStranger_WhenAccepted_Reverts() public {
        TaskId id = created();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotOperator.selector, id, stranger));
        vm.prank(stranger);
        serving.acceptTask(id);
    }

    function test_GivenTooLittleForTheBond_WhenAccepted_Reverts() public {
        TaskId id = created();
        vm.prank(provider);
        ledger.withdraw(FUNDS - STAKE - BOND + 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, provider, BOND - 1, BOND));
        vm.prank(OPERATOR);
        serving.acceptTask(id);
    }

    function test_GivenUnbondingInTheSameBlock_WhenAccepted_TheBondIsTakenOutOfIt() public {
        TaskId id = created();
        vm.startPrank(provider);
        ledger.fund(address(serving), provider, BOND);
        ledger.requestReturn(address(serving), provider, BOND);
        vm.stopPrank();
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        eq(returning(provider, provider), 0, "request cancelled");
        eq(bondReserved(), BOND, "bond");
    }
}

contract FailTaskTest is World {
    function fail(TaskId id, FailReason reason) private {
        vm.prank(OPERATOR);
        serving.failTask(id, reason);
    }

    function test_P26_GivenCreated_WhenRefused_CostsNobodyAnything() public {
        TaskId id = created();
        vm.warp(START + 1 days);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskFailed(id, user, provider, block.number, FailReason.DatasetLargerThanDeclared, 0);
        fail(id, FailReason.DatasetLargerThanDeclared);
        isIn(id, TaskState.Failed);
        eq(feeReserved(), 0, "fee");
        eq(bondReserved(), 0, "bond");
        eq(total(user), FUNDS, "user");
        eq(total(provider), FUNDS, "provider");
        eq(counters().refused, 1, "refused");
        eq(counters().failed, 0, "not failed");
        eq(counters().open, 0, "open");
    }

    function test_P26_GivenAccepted_WhenFailedAtOnce_CostsNothing() public {
        TaskId id = accepted();
        fail(id, FailReason.OutOfMemory);
        eq(total(user), FUNDS, "user");
        eq(total(provider), FUNDS, "provider");
        eq(counters().failed, 1, "failed");
        eq(counters().refused, 0, "not refused");
    }

    function test_P26_GivenAccepted_WhenFailedHalfway_CostsAnEighthOfTheBond() public {
        TaskId id = accepted();
        vm.warp(START + TRAINING / 2);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskFailed(id, user, provider, block.number, FailReason.TrainingError, BOND / 8);
        fail(id, FailReason.TrainingError);
        eq(total(user), FUNDS + BOND / 8, "user");
        eq(total(provider), FUNDS - BOND / 8, "provider");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
    }

    function test_P26_GivenAccepted_WhenFailedOnTheLastSecond_CostsWhatAMissedDeadlineCosts() public {
        TaskId id = accepted();
        atDeadline(id);
        fail(id, FailReason.TrainingError);
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(total(user), FUNDS + COMPENSATION, "user");
        eq(total(provider), FUNDS - COMPENSATION, "provider");
    }

    function testFuzz_P26_GivenAnyMoment_WhenFailed_NeverCostsMoreThanAMissedDeadline(
        uint96 bond,
        uint40 time,
        uint40 elapsed
    ) public pure {
        vm.assume(time > 0 && elapsed <= time);
        uint256 share = Fees.givenUpShare(bond, elapsed, time);
        check(share <= Fees.missedTrainingShare(bond), "at most a quarter");
        if (elapsed < time) check(share <= Fees.givenUpShare(bond, elapsed + 1, time), "and never less later");
    }

    function test_GivenMissedDeadline_WhenFailed_RevertsSoThatExpireCannotBeEscaped() public {
        TaskId id = accepted();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + TRAINING));
        fail(id, FailReason.TrainingError);
    }

    function test_GivenStranger_WhenFailed_Reverts() public {
        TaskId id = accepted();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotOperator.selector, id, user));
        vm.prank(user);
        serving.failTask(id, FailReason.Unspecified);
    }

    function test_GivenFailed_WhenFailedAgain_ReleasesNothingTwice() public {
        TaskId id = failed();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Failed));
        fail(id, FailReason.Unspecified);
    }
}

contract DeliverTest is World {
    function deliver(DeliveryOrder memory delivery_) private {
        vm.prank(OPERATOR);
        serving.deliver(delivery_);
    }

    function test_GivenAccepted_WhenDelivered_PostsTheDeliverable() public {
        TaskId id = accepted();
        vm.warp(START + 100);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskDelivered(id, user, provider, block.number, delivery(id), START + 100 + ACK);
        deliver(delivery(id));
        Task memory task = serving.taskOf(id);
        eq(uint256(task.state), uint256(TaskState.Delivered), "state");
        eq(task.root, ROOT, "root");
        eq(task.exchange, commitment(), "commitment");
        eq(task.size, SIZE, "size");
        eq(task.deadline, START + 100 + ACK, "deadline");
    }

    function test_GivenDeadline_WhenDeliveredOnItsSecond_Works() public {
        TaskId id = accepted();
        atDeadline(id);
        deliver(delivery(id));
    }

    function test_GivenDeadline_WhenDeliveredOneSecondLate_Reverts() public {
        TaskId id = accepted();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + TRAINING));
        deliver(delivery(id));
    }

    function test_GivenStranger_WhenDelivered_Reverts() public {
        TaskId id = accepted();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotOperator.selector, id, stranger));
        vm.prank(stranger);
        serving.deliver(delivery(id));
    }

    function test_P14_GivenDelivered_WhenDeliveredAgain_Reverts() public {
        TaskId id = delivered();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Delivered));
        deliver(delivery(id));
    }

    function test_GivenEmptyDelivery_WhenDelivered_Reverts() public {
        TaskId id = accepted();
        DeliveryOrder[5] memory bad = [delivery(id), delivery(id), delivery(id), delivery(id), delivery(id)];
        bad[0].size = 0;
        bad[1].root = 0;
        bad[2].contentRoot = 0;
        bad[3].keyCommit = 0;
        bad[4].size = 2 ** 47 + 1;
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingInvalidDelivery.selector, id));
            deliver(bad[i]);
        }
    }

    function test_GivenDelivered_WhenLooked_NoMoneyMoved() public {
        delivered();
        eq(feeReserved(), FEE, "fee");
        eq(bondReserved(), BOND, "bond");
    }
}

/// @notice P30: a training that did less work than ordered is delivered for less.
contract RebateTest is World {
    uint256 private constant CHARGED = 5_000_011;
    uint256 private constant CHARGED_LAPSE_SHARE = 1_250_502; // 25.01 %, rounded down

    function deliverFor(uint256 fee) private returns (TaskId id) {
        id = accepted();
        DeliveryOrder memory delivery_ = delivery(id);
        delivery_.fee = uint96(fee);
        vm.prank(OPERATOR);
        serving.deliver(delivery_);
    }

    function acknowledgedFor(uint256 fee) private returns (TaskId id) {
        id = deliverFor(fee);
        vm.prank(user);
        serving.acknowledge(id, ROOT);
    }

    function revealedFor(uint256 fee) private returns (TaskId id) {
        id = acknowledgedFor(fee);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
    }

    function test_P30_GivenLessWork_WhenDelivered_TheDifferenceIsReleasedAndTheBondStays() public {
        TaskId id = deliverFor(CHARGED);
        eq(feeReserved(), CHARGED, "fee");
        eq(bondReserved(), BOND, "bond of the order");
        Task memory task = serving.taskOf(id);
        eq(task.fee, FEE, "fee of the order");
        eq(task.rebate, FEE - CHARGED, "rebate");
        eq(task.paid, 0, "paid");
    }

    function test_P30_GivenOneNeuronLess_WhenDelivered_ItIsReleasedToo() public {
        TaskId id = revealedFor(FEE - 1);
        eq(serving.taskOf(id).rebate, 1, "rebate");
        vm.prank(user);
        serving.confirm(id);
        eq(total(user), FUNDS - FEE + 1, "user");
        eq(feeReserved(), 0, "nothing reserved");
    }

    function test_P30_GivenMoreThanReserved_WhenDelivered_Reverts() public {
        TaskId id = accepted();
        DeliveryOrder memory delivery_ = delivery(id);
        delivery_.fee = uint96(FEE + 1);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingFeeTooHigh.selector, FEE + 1, FEE));
        vm.prank(OPERATOR);
        serving.deliver(delivery_);
    }

    function test_P30_GivenRebate_WhenConfirmed_OnlyTheChargeIsPaid() public {
        TaskId id = revealedFor(CHARGED);
        vm.prank(user);
        serving.confirm(id);
        eq(total(user), FUNDS - CHARGED, "user");
        eq(total(provider), FUNDS + CHARGED, "provider");
        eq(serving.taskOf(id).paid, CHARGED, "paid");
        eq(serving.serviceOf(provider).earned, CHARGED, "earned");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
    }

    function test_P30_GivenNothingCharged_WhenFinalized_NothingIsPaid() public {
        TaskId id = revealedFor(0);
        afterDeadline(id);
        TaskId[] memory ids = new TaskId[](1);
        ids[0] = id;
        serving.finalize(ids);
        isIn(id, TaskState.Settled);
        eq(total(user), FUNDS, "user");
        eq(serving.taskOf(id).paid, 0, "paid");
        eq(bondReserved(), 0, "bond");
    }

    /// @dev Or a provider that cannot deliver in time would deliver rubbish for nothing and keep its bond.
    function test_P30_GivenRubbishForNothing_WhenDisputed_TheWholeBondIsLost() public {
        TaskId id = revealedFor(0);
        vm.prank(user);
        serving.proveMisbehaviour(id, misbehaviour());
        eq(total(user), FUNDS + BOND / 2, "user");
        eq(total(provider), FUNDS - BOND, "provider");
    }

    function test_P30_GivenRubbishForNothing_WhenTheKeyIsNotRevealed_TheWholeBondIsLost() public {
        TaskId id = acknowledgedFor(0);
        afterDeadline(id);
        serving.expire(id);
        eq(total(user), FUNDS + BOND / 2, "user");
        eq(total(provider), FUNDS - BOND, "provider");
    }

    function test_P30_GivenRebate_WhenLapsedAndAcknowledgedLate_SharesAreThoseOfTheCharge() public {
        TaskId id = deliverFor(CHARGED);
        afterDeadline(id);
        serving.lapse(id);
        eq(total(provider), FUNDS + CHARGED_LAPSE_SHARE, "share of the charge");
        eq(feeReserved(), 0, "fee");
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        eq(feeReserved(), CHARGED - CHARGED_LAPSE_SHARE, "the rest");
        eq(serving.taskOf(id).paid, CHARGED_LAPSE_SHARE, "paid early");
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        vm.prank(user);
        serving.confirm(id);
        eq(total(provider), FUNDS + CHARGED, "all of the charge");
    }

    function testFuzz_P30_GivenAnyCharge_WhenSettled_TheUserPaysExactlyIt(uint96 charged, bool lapses) public {
        charged = uint96(bound(charged, 0, FEE));
        TaskId id = deliverFor(charged);
        if (lapses) {
            afterDeadline(id);
            serving.lapse(id);
        }
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        vm.prank(user);
        serving.confirm(id);
        eq(total(user), FUNDS - charged, "user");
        eq(total(provider), FUNDS + charged, "provider");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
    }
}

contract SettleCancelledTest is World {
    uint256 private constant AGREED = 1_234_567;

    function settle(TaskId id, uint256 amount, uint256 deadline, bytes memory signature) private {
        vm.prank(OPERATOR);
        serving.settleCancelled(id, amount, deadline, signature);
    }

    function test_GivenConsent_WhenSettled_PaysThePartAndReleasesTheRest() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, AGREED, START + 60);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskSettled(id, user, provider, block.number, AGREED, Settlement.Agreed);
        settle(id, AGREED, START + 60, signature);
        Task memory task = serving.taskOf(id);
        eq(uint256(task.state), uint256(TaskState.Settled), "state");
        eq(task.paid, AGREED, "paid");
        eq(task.fee, FEE, "fee");
        eq(task.exchange, BLIND_ROOT, "nothing delivered");
        eq(total(provider), FUNDS + AGREED, "provider");
        eq(total(user), FUNDS - AGREED, "user");
        eq(feeReserved() + bondReserved(), 0, "all released");
        eq(counters().confirmed + counters().finalized, 0, "counts as nothing good");
        eq(counters().open, 0, "open");
        eq(serving.serviceOf(provider).earned, AGREED, "earned");
    }

    function test_GivenWholeFeeOrNothing_WhenAgreed_BothWork() public {
        TaskId id = accepted();
        settle(id, FEE, START, consent(USER_KEY, id, FEE, START));
        eq(total(provider), FUNDS + FEE, "whole fee");
        id = accepted();
        settle(id, 0, START, consent(USER_KEY, id, 0, START));
        eq(total(provider), FUNDS + FEE, "nothing more");
    }

    function test_GivenNothingDue_WhenSettled_NoMoneyIsSaidToMove() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, 0, START);
        vm.recordLogs();
        settle(id, 0, START, signature);
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            check(logs[i].topics[0] != ILedger.Settled.selector, "Settled");
        }
        eq(logs.length, 3, "TaskSettled, and the fee and the bond released");
    }

    function test_GivenMoreThanTheFee_WhenSettled_Reverts() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, FEE + 1, START);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingAmountTooLarge.selector, FEE + 1, FEE));
        settle(id, FEE + 1, START, signature);
    }

    function test_P21_GivenConsentDeadline_WhenOneSecondLate_Reverts() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, AGREED, START + 60);
        vm.warp(START + 61);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingConsentExpired.selector, START + 60));
        settle(id, AGREED, START + 60, signature);
        vm.warp(START + 60);
        settle(id, AGREED, START + 60, signature);
    }

    function test_GivenMissedTrainingDeadline_WhenSettled_Reverts() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, AGREED, START + 365 days);
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + TRAINING));
        settle(id, AGREED, START + 365 days, signature);
    }

    function test_P21_GivenConsentToSomethingElse_WhenSettled_Reverts() public {
        TaskId id = accepted();
        bytes[4] memory signatures = [
            consent(USER_KEY, id, AGREED - 1, START),
            consent(USER_KEY, id, AGREED, START + 1),
            consent(USER_KEY, serving.taskIdOf(user, provider, 1), AGREED, START),
            consent(0xBAD, id, AGREED, START)
        ];
        for (uint256 i = 0; i < signatures.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingInvalidConsent.selector, id));
            settle(id, AGREED, START, signatures[i]);
        }
    }

    function test_P21_GivenConsentForAnotherChain_WhenReplayed_Reverts() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, AGREED, START);
        vm.chainId(16661);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingInvalidConsent.selector, id));
        settle(id, AGREED, START, signature);
    }

    function test_P21_GivenHighS_WhenSettled_Reverts() public {
        TaskId id = accepted();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(USER_KEY, consentDigest(id, AGREED, START));
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory malleable = abi.encodePacked(r, n - uint256(s), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingInvalidConsent.selector, id));
        settle(id, AGREED, START, malleable);
    }

    function test_P21_GivenMalformedSignature_WhenSettled_Reverts() public {
        TaskId id = accepted();
        bytes[3] memory malformed = [bytes(""), new bytes(65), new bytes(64)];
        for (uint256 i = 0; i < malformed.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingInvalidConsent.selector, id));
            settle(id, AGREED, START, malformed[i]);
        }
    }

    function test_P21_GivenUsedConsent_WhenUsedAgain_Reverts() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, AGREED, START);
        settle(id, AGREED, START, signature);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Settled));
        settle(id, AGREED, START, signature);
    }

    function test_GivenConsent_WhenStrangerUsesIt_Reverts() public {
        TaskId id = accepted();
        bytes memory signature = consent(USER_KEY, id, AGREED, START);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotOperator.selector, id, stranger));
        vm.prank(stranger);
        serving.settleCancelled(id, AGREED, START, signature);
    }
}
