// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {Task, Settlement, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

contract AcknowledgeTest is World {
    function acknowledge(TaskId id, bytes32 root) private {
        vm.prank(user);
        serving.acknowledge(id, root);
    }

    function test_GivenDelivered_WhenAcknowledged_StartsTheRevealPeriod() public {
        TaskId id = delivered();
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskAcknowledged(id, user, provider, block.number, ROOT, START + REVEAL, false);
        acknowledge(id, ROOT);
        isIn(id, TaskState.Acknowledged);
        eq(deadlineOf(id), START + REVEAL, "deadline");
        eq(feeReserved(), FEE, "fee still reserved");
        eq(bondReserved(), BOND, "bond still reserved");
    }

    function test_P15_GivenAnotherRoot_WhenAcknowledged_Reverts() public {
        TaskId id = delivered();
        vm.expectRevert(
            abi.encodeWithSelector(IFineTuningServing.ServingWrongRoot.selector, id, ROOT, keccak256("swapped"))
        );
        acknowledge(id, keccak256("swapped"));
    }

    function test_GivenDelivered_WhenStranger_Reverts() public {
        TaskId id = delivered();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, provider));
        vm.prank(provider);
        serving.acknowledge(id, ROOT);
    }

    function test_GivenDeadline_WhenAcknowledgedOnItsSecond_Works() public {
        TaskId id = delivered();
        atDeadline(id);
        acknowledge(id, ROOT);
    }

    function test_GivenDeadline_WhenAcknowledgedOneSecondLate_Reverts() public {
        TaskId id = delivered();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + ACK));
        acknowledge(id, ROOT);
    }
}

contract LateAcknowledgeTest is World {
    function acknowledge(TaskId id, bytes32 root) private {
        vm.prank(user);
        serving.acknowledge(id, root);
    }

    function test_GivenLapsed_WhenAcknowledgedLate_ReservesTheRestWithoutABond() public {
        TaskId id = lapsed();
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskAcknowledged(
            id,
            user,
            provider,
            block.number,
            ROOT,
            block.timestamp + REVEAL,
            true
        );
        acknowledge(id, ROOT);
        isIn(id, TaskState.Acknowledged);
        eq(feeReserved(), FEE - LAPSE_SHARE, "the rest of the fee");
        eq(bondReserved(), 0, "no bond");
        eq(serving.taskOf(id).bondBps, 0, "no bond shown");
        eq(serving.openTaskCount(user, provider), 1, "open again");
        eq(counters().open, 1, "service's open");
        eq(counters().lapsed, 0, "not lapsed any more");
    }

    function test_GivenLate_WhenConfirmed_HasPaidTheFullPriceInTheEnd() public {
        TaskId id = acknowledgedLate();
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskSettled(id, user, provider, block.number, FEE - LAPSE_SHARE, Settlement.Confirmed);
        vm.prank(user);
        serving.confirm(id);
        eq(total(user), FUNDS - FEE, "user");
        eq(total(provider), FUNDS + FEE, "provider");
        eq(serving.taskOf(id).paid, FEE, "paid");
        eq(feeReserved(), 0, "nothing reserved");
        eq(counters().confirmed, 1, "confirmed");
        eq(counters().lapsed, 0, "counted once");
        eq(serving.serviceOf(provider).earned, FEE, "earned in both steps together");
    }

    function test_GivenLate_WhenNeverRevealed_TheRestComesBack() public {
        TaskId id = acknowledgedLate();
        afterDeadline(id);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskExpired(id, user, provider, block.number, 0, 0);
        serving.expire(id);
        eq(total(user), FUNDS - LAPSE_SHARE, "user");
        eq(total(provider), FUNDS + LAPSE_SHARE, "provider");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
    }

    function test_GivenNoFreeSlot_WhenAcknowledgedLate_IsStillAllowed() public {
        TaskId id = lapsed();
        created();
        acknowledge(id, ROOT);
        eq(serving.openTaskCount(user, provider), 2, "both open");
        eq(feeReserved(), 2 * FEE - LAPSE_SHARE, "both reserved");
    }

    function test_GivenThirtyDays_WhenOnTheirLastSecond_Works() public {
        TaskId id = lapsed();
        eq(deadlineOf(id), block.timestamp + LATE, "deadline");
        atDeadline(id);
        acknowledge(id, ROOT);
    }

    function test_GivenThirtyDays_WhenOneSecondLate_Reverts() public {
        TaskId id = lapsed();
        uint256 deadline = deadlineOf(id);
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, deadline));
        acknowledge(id, ROOT);
    }

    function test_GivenLapsed_WhenStrangerOrWrongRoot_Reverts() public {
        TaskId id = lapsed();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, stranger));
        vm.prank(stranger);
        serving.acknowledge(id, ROOT);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongRoot.selector, id, ROOT, bytes32(0)));
        acknowledge(id, 0);
    }
}

contract RevealTest is World {
    function reveal(TaskId id, bytes32 key) private {
        vm.prank(OPERATOR);
        serving.reveal(id, key, BLIND_ROOT, CONTENT_ROOT);
    }

    function test_GivenAcknowledged_WhenRevealed_PublishesTheKey() public {
        TaskId id = acknowledged();
        vm.expectEmit(address(serving));
        emit IFineTuningServing.KeyRevealed(id, user, provider, block.number, KEY, START + DISPUTE);
        reveal(id, KEY);
        Task memory task = serving.taskOf(id);
        eq(uint256(task.state), uint256(TaskState.Revealed), "state");
        eq(task.exchange, commitment(), "commitment");
        eq(task.deadline, START + DISPUTE, "deadline");
    }

    function test_GivenAnotherKey_WhenRevealed_Reverts() public {
        TaskId id = acknowledged();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongKey.selector, id));
        reveal(id, keccak256("another key"));
        // The commitment itself is no key either.
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongKey.selector, id));
        reveal(id, keccak256(abi.encode(KEY)));
    }

    function test_GivenAnotherBlindOrContentRoot_WhenRevealed_Reverts() public {
        TaskId id = acknowledged();
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongKey.selector, id));
        serving.reveal(id, KEY, keccak256("another"), CONTENT_ROOT);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongKey.selector, id));
        serving.reveal(id, KEY, BLIND_ROOT, keccak256("another"));
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongKey.selector, id));
        serving.reveal(id, KEY, CONTENT_ROOT, BLIND_ROOT);
    }

    function test_GivenStranger_WhenRevealed_Reverts() public {
        TaskId id = acknowledged();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotOperator.selector, id, user));
        vm.prank(user);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
    }

    function test_GivenDeadline_WhenRevealedOnItsSecond_Works() public {
        TaskId id = acknowledged();
        atDeadline(id);
        reveal(id, KEY);
    }

    function test_GivenDeadline_WhenRevealedOneSecondLate_Reverts() public {
        TaskId id = acknowledged();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + REVEAL));
        reveal(id, KEY);
    }

    function test_P14_GivenRevealed_WhenRevealedAgain_Reverts() public {
        TaskId id = revealed();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Revealed));
        reveal(id, KEY);
    }

    function test_GivenEarlyState_WhenRevealed_RevertsSoThatNoKeyIsGivenAwayUnpaid() public {
        TaskId id = delivered();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Delivered));
        reveal(id, KEY);
    }
}

contract ConfirmTest is World {
    function confirm(TaskId id) private {
        vm.prank(user);
        serving.confirm(id);
    }

    function test_GivenRevealed_WhenConfirmed_PaysTheProvider() public {
        TaskId id = revealed();
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskSettled(id, user, provider, block.number, FEE, Settlement.Confirmed);
        confirm(id);
        Task memory task = serving.taskOf(id);
        eq(uint256(task.state), uint256(TaskState.Settled), "state");
        eq(task.paid, FEE, "paid");
        eq(task.deadline, 0, "deadline");
        eq(task.exchange, commitment(), "the commitment stays readable");
        eq(total(provider), FUNDS + FEE, "provider");
        eq(total(user), FUNDS - FEE, "user");
        eq(available(provider), FUNDS - STAKE - BOND + FEE, "the fee is free at once");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(serving.openTaskCount(user, provider), 0, "open");
        eq(counters().confirmed, 1, "confirmed");
        eq(serving.serviceOf(provider).earned, FEE, "earned");
        eq(counters().open, 0, "service's open");
    }

    function test_GivenRevealed_WhenStranger_Reverts() public {
        TaskId id = revealed();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, provider));
        vm.prank(provider);
        serving.confirm(id);
    }

    function test_GivenDisputePeriodOver_WhenConfirmed_StillWorks() public {
        TaskId id = revealed();
        vm.warp(START + 100 days);
        confirm(id);
        isIn(id, TaskState.Settled);
    }

    function test_P14_GivenSettled_WhenConfirmedOrFinalizedAgain_PaysNothingTwice() public {
        TaskId id = settled();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Settled));
        confirm(id);
        TaskId[] memory ids = new TaskId[](2);
        (ids[0], ids[1]) = (id, id);
        vm.warp(START + 100 days);
        serving.finalize(ids);
        eq(total(provider), FUNDS + FEE, "provider");
    }

    function test_GivenRevokedAuthorization_WhenConfirmed_TheProviderIsStillPaid() public {
        TaskId id = revealed();
        vm.prank(user);
        ledger.authorize(address(serving), 0);
        vm.warp(START + DISPUTE + 1);
        TaskId[] memory ids = new TaskId[](1);
        ids[0] = id;
        serving.finalize(ids);
        eq(total(provider), FUNDS + FEE, "provider");
    }
}

contract FinalizeTest is World {
    function finalize(TaskId id) private {
        TaskId[] memory ids = new TaskId[](1);
        ids[0] = id;
        vm.prank(stranger);
        serving.finalize(ids);
    }

    function test_GivenDisputePeriod_WhenItsLastSecond_IsSkipped() public {
        TaskId id = revealed();
        atDeadline(id);
        finalize(id);
        isIn(id, TaskState.Revealed);
        eq(total(provider), FUNDS, "nothing paid");
    }

    function test_GivenDisputePeriod_WhenOneSecondLater_AnybodyPaysTheProvider() public {
        TaskId id = revealed();
        afterDeadline(id);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskSettled(id, user, provider, block.number, FEE, Settlement.Finalized);
        finalize(id);
        isIn(id, TaskState.Settled);
        eq(total(provider), FUNDS + FEE, "provider");
        eq(total(stranger), 0, "stranger");
    }

    function test_GivenBatch_WhenSomeAreNotDue_TheOthersArePaid() public {
        TaskId early = revealed();
        afterDeadline(early);
        vm.prank(user);
        serving.confirm(early);
        TaskId due = revealed();
        afterDeadline(due);
        TaskId[] memory ids = new TaskId[](4);
        ids[0] = serving.taskIdOf(user, provider, 99);
        ids[1] = early;
        ids[2] = due;
        ids[3] = due;
        serving.finalize(ids);
        isIn(due, TaskState.Settled);
        eq(total(provider), FUNDS + 2 * FEE, "each paid once");
    }

    function test_GivenNothing_WhenFinalized_DoesNothing() public {
        serving.finalize(new TaskId[](0));
    }
}

contract ExpireTest is World {
    function test_GivenAccepted_WhenTheTrainingDeadlinePassed_FeeAndAQuarterOfTheBondGoToTheUser() public {
        TaskId id = accepted();
        afterDeadline(id);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskExpired(id, user, provider, block.number, COMPENSATION, 0);
        vm.prank(stranger);
        serving.expire(id);
        isIn(id, TaskState.Expired);
        eq(total(user), FUNDS + COMPENSATION, "user");
        eq(total(provider), FUNDS - COMPENSATION, "provider");
        eq(available(user), FUNDS - FEE + COMPENSATION, "the compensation is free at once");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(counters().expired, 1, "expired");
        eq(counters().open, 0, "open");
    }

    function test_P26_GivenAcknowledged_WhenTheRevealDeadlinePassed_HalfOfTheBondIsTheUsersAndHalfIsBurned() public {
        TaskId id = acknowledged();
        afterDeadline(id);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskExpired(id, user, provider, block.number, BOND / 2, BOND / 2);
        serving.expire(id);
        eq(total(user), FUNDS + BOND / 2, "user");
        eq(total(provider), FUNDS - BOND, "provider");
        eq(ledger.burned(), BOND / 2, "burned");
        eq(counters().expired, 1, "expired");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(serving.taskOf(id).exchange, commitment(), "commitment");
    }

    function test_GivenDeadline_WhenExpiredOnItsSecond_Reverts() public {
        TaskId id = accepted();
        atDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlineNotPassed.selector, id, START + TRAINING));
        serving.expire(id);
    }

    function test_GivenRevealDeadline_WhenExpiredOnItsSecond_Reverts() public {
        TaskId id = acknowledged();
        atDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlineNotPassed.selector, id, START + REVEAL));
        serving.expire(id);
    }

    function test_GivenRevokedAuthorizations_WhenExpired_TheUserIsStillCompensated() public {
        TaskId id = accepted();
        vm.prank(provider);
        ledger.authorize(address(serving), 0);
        afterDeadline(id);
        serving.expire(id);
        eq(total(user), FUNDS + COMPENSATION, "user");
    }
}

contract LapseTest is World {
    function test_GivenDelivered_WhenNeverAcknowledged_TheAgreedShareIsPaid() public {
        TaskId id = delivered();
        afterDeadline(id);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskLapsed(id, user, provider, block.number, LAPSE_SHARE, block.timestamp + LATE);
        vm.prank(stranger);
        serving.lapse(id);
        isIn(id, TaskState.Lapsed);
        eq(serving.taskOf(id).paid, LAPSE_SHARE, "paid");
        eq(total(provider), FUNDS + LAPSE_SHARE, "provider");
        eq(total(user), FUNDS - LAPSE_SHARE, "user");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(serving.openTaskCount(user, provider), 0, "open");
        eq(counters().lapsed, 1, "lapsed");
        eq(serving.serviceOf(provider).earned, LAPSE_SHARE, "earned");
        eq(counters().open, 0, "service's open");
    }

    function test_GivenDeadline_WhenLapsedOnItsSecond_Reverts() public {
        TaskId id = delivered();
        atDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlineNotPassed.selector, id, START + ACK));
        serving.lapse(id);
    }

    function test_GivenLapsed_WhenLapsedAgain_PaysNothingTwice() public {
        TaskId id = lapsed();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Lapsed));
        serving.lapse(id);
    }
}
