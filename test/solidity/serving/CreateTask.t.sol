// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {IServiceRegistry} from "../../../contracts/interfaces/IServiceRegistry.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ServiceTerms} from "../../../contracts/types/Service.sol";
import {Task, TaskOrder, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

contract CreateTaskTest is World {
    function create(TaskOrder memory wanted) internal returns (TaskId) {
        vm.prank(user);
        return serving.createTask(wanted);
    }

    function test_P28_GivenOtherTerms_WhenOrdered_RevertsWithBothOffers() public {
        TaskOrder memory wanted = order();
        ServiceTerms memory t = terms();
        t.bondBps = 10_000; // the same price, and a smaller bond
        vm.prank(provider);
        serving.updateService(t);
        vm.expectRevert(
            abi.encodeWithSelector(IFineTuningServing.ServingOfferChanged.selector, wanted.offer, offerOf(provider))
        );
        vm.prank(user);
        serving.createTask(wanted);
    }

    function test_P29_GivenTheLastSecondOfItsValidity_WhenOrdered_Works() public {
        TaskOrder memory wanted = order();
        wanted.validUntil = uint40(block.timestamp);
        TaskId id = create(wanted);
        isIn(id, TaskState.Created);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, stranger));
        vm.prank(stranger);
        serving.cancelTask(id);
    }

    function test_P28_GivenRemovedAndRegisteredAgain_WhenOrderedByTheOldOffer_Reverts() public {
        TaskOrder memory wanted = order();
        vm.startPrank(provider);
        serving.removeService();
        serving.registerService(terms());
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingOfferChanged.selector, 1, 2));
        vm.prank(user);
        serving.createTask(wanted);
    }

    function test_P29_GivenOrderThatIsNoLongerValid_WhenPlaced_Reverts() public {
        TaskOrder memory wanted = order();
        wanted.validUntil = uint40(START + 10);
        vm.warp(START + 11);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingOrderExpired.selector, START + 10));
        vm.prank(user);
        serving.createTask(wanted);
    }

    function validFor(uint256 time) private returns (TaskId id) {
        TaskOrder memory wanted = order();
        wanted.validUntil = uint40(START + time);
        vm.prank(user);
        id = serving.createTask(wanted);
        eq(deadlineOf(id), START + time, "deadline");
    }

    function test_P29_GivenOrder_WhenItsLastSecond_IsAccepted() public {
        TaskId id = validFor(10);
        vm.warp(START + 10);
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        isIn(id, TaskState.Accepted);
    }

    function test_P29_GivenOrder_WhenOneSecondLater_IsNotAcceptedAndAnyoneCancelsIt() public {
        TaskId id = validFor(10);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, stranger));
        vm.prank(stranger);
        serving.cancelTask(id);
        vm.warp(START + 11);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + 10));
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        vm.prank(stranger);
        serving.cancelTask(id);
        isIn(id, TaskState.Cancelled);
        eq(total(user), FUNDS, "user");
        eq(feeReserved(), 0, "the fee is free");
    }

    /// @dev No two orders collide here, so the record of a task is written into its place.
    function test_P17_GivenTaskUnderTheSameId_WhenOrdered_Reverts() public {
        TaskId id = serving.taskIdOf(user, provider, 0);
        TaskOrder memory wanted = order();
        for (uint256 slot = 0; serving.taskOf(id).state == TaskState.None; ++slot) {
            check(slot < 32, "the slot of the tasks is found");
            bytes32 place = keccak256(abi.encode(id, slot));
            vm.store(address(serving), place, bytes32(uint256(TaskState.Cancelled)));
        }
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingTaskExists.selector, id));
        vm.prank(user);
        serving.createTask(wanted);
    }

    function test_GivenService_WhenCreated_ReservesTheFee() public {
        TaskOrder memory wanted = order();
        TaskId expected = serving.taskIdOf(user, provider, 0);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskCreated(expected, user, provider, FEE, wanted);
        TaskId id = create(wanted);
        eq(TaskId.unwrap(id), TaskId.unwrap(expected), "id");
        eq(feeReserved(), FEE, "fee reserved");
        eq(total(user), FUNDS, "user's total");
        eq(serving.openTaskCount(user, provider), 1, "open");
        eq(serving.taskCount(user, provider), 1, "created");
        eq(counters().open, 1, "service's open");
        Task memory task = serving.taskOf(id);
        eq(uint256(task.state), uint256(TaskState.Created), "state");
        eq(task.user, user, "user");
        eq(task.provider, provider, "provider");
        eq(task.fee, FEE, "fee");
        eq(task.deadline, START + VALID, "deadline");
        eq(task.trainingTime, TRAINING, "training time");
        eq(task.bondBps, BOND_BPS, "bond");
        eq(task.unacknowledgedBps, UNACKNOWLEDGED_BPS, "unacknowledged");
        eq(task.exchange, wanted.blindRoot, "blind root");
        eq(task.paid, 0, "paid");
    }

    function test_GivenNoService_WhenCreated_Reverts() public {
        TaskOrder memory wanted = order();
        wanted.provider = stranger;
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingUnknownService.selector, stranger));
        create(wanted);
    }

    function test_GivenTheProviderHimself_WhenCreated_Reverts() public {
        TaskOrder memory wanted = orderBy(provider, provider);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingSelfService.selector, provider));
        vm.prank(provider);
        serving.createTask(wanted);
    }

    function test_GivenServiceNotAccepting_WhenCreated_Reverts() public {
        ServiceTerms memory t = terms();
        t.accepting = false;
        vm.prank(provider);
        serving.updateService(t);
        TaskOrder memory wanted = order();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingNotAccepting.selector, provider));
        create(wanted);
    }

    function test_GivenWrongNonce_WhenCreated_RevertsSoThatNoOrderIsPlacedTwice() public {
        cancelled();
        TaskOrder memory wanted = order();
        wanted.nonce = 0;
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongNonce.selector, 1, 0));
        create(wanted);
        wanted.nonce = 2;
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingWrongNonce.selector, 1, 2));
        create(wanted);
    }

    function test_GivenOpenTaskAtTheLimit_WhenCreated_RevertsUntilItEnds() public {
        TaskId id = created();
        TaskOrder memory wanted = order();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingOpenTaskLimit.selector, user, provider, 1));
        create(wanted);
        vm.prank(user);
        serving.cancelTask(id);
        create(wanted);
    }

    function test_GivenHigherLimit_WhenCreated_AllowsExactlyThatMany() public {
        ServiceTerms memory t = terms();
        t.openTasksPerUser = 3;
        vm.prank(provider);
        serving.updateService(t);
        for (uint256 i = 0; i < 3; ++i) {
            created();
        }
        TaskOrder memory wanted = order();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingOpenTaskLimit.selector, user, provider, 3));
        create(wanted);
        eq(feeReserved(), 3 * FEE, "all fees reserved");
    }

    function test_P20_GivenStrangersTasks_WhenTheyFillTheirLimit_TheUsersPlaceStaysFree() public {
        for (uint160 i = 1; i <= 5; ++i) {
            open(address(0xE00 + i), 1 ether);
            TaskOrder memory theirs = orderBy(address(0xE00 + i), provider);
            vm.prank(address(0xE00 + i));
            serving.createTask(theirs);
        }
        created();
        eq(counters().open, 6, "open");
    }

    function test_P30_GivenFewerUnitsThanTheMinimum_WhenCreated_Reverts() public {
        TaskOrder memory wanted = order();
        wanted.units = MINIMUM_UNITS - 1;
        vm.expectRevert(
            abi.encodeWithSelector(IFineTuningServing.ServingTooFewUnits.selector, MINIMUM_UNITS - 1, MINIMUM_UNITS)
        );
        create(wanted);
        wanted.units = MINIMUM_UNITS;
        TaskId id = create(wanted);
        eq(serving.taskOf(id).fee, uint256(MINIMUM_UNITS) * PRICE, "the smallest order's fee");
    }

    function test_P16_GivenHigherPrice_WhenCreated_RevertsAboveMaxFee() public {
        ServiceTerms memory t = terms();
        t.pricePerUnit = PRICE + 1;
        vm.prank(provider);
        serving.updateService(t);
        TaskOrder memory wanted = order();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingFeeTooHigh.selector, FEE + UNITS, FEE));
        create(wanted);
    }

    function testFuzz_P16_GivenAnyPrice_WhenCreated_NeverReservesMoreThanMaxFee(
        uint64 units,
        uint96 price,
        uint96 maxFee
    ) public {
        vm.assume(units >= MINIMUM_UNITS && price > 0);
        open(user, type(uint96).max);
        ServiceTerms memory t = terms();
        t.pricePerUnit = price;
        vm.prank(provider);
        serving.updateService(t);
        TaskOrder memory wanted = order();
        wanted.units = units;
        wanted.maxFee = maxFee;
        uint256 fee = uint256(units) * price;
        if (fee > maxFee) {
            vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingFeeTooHigh.selector, fee, maxFee));
            create(wanted);
        } else {
            TaskId id = create(wanted);
            eq(feeReserved(), fee, "exact fee");
            eq(serving.taskOf(id).fee, fee, "fee kept");
        }
    }

    function test_P8_GivenLargestFee_WhenCreated_ReservesItExactly() public {
        open(user, type(uint96).max);
        ServiceTerms memory t = terms();
        t.pricePerUnit = type(uint96).max;
        t.minimumUnits = 1;
        vm.prank(provider);
        serving.updateService(t);
        TaskOrder memory wanted = order();
        wanted.units = 1;
        wanted.maxFee = type(uint96).max;
        create(wanted);
        eq(feeReserved(), type(uint96).max, "fee");
    }

    function test_GivenMalformedUserKey_WhenCreated_Reverts() public {
        TaskOrder memory wanted = order();
        wanted.userKey = abi.encodePacked(bytes1(0x04), KEY);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingInvalidPublicKey.selector));
        create(wanted);
    }

    function test_GivenConfigAtItsLimit_WhenOneByteMore_Reverts() public {
        TaskOrder memory wanted = order();
        wanted.config = new bytes(8193);
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingConfigTooLarge.selector, 8193, 8192));
        create(wanted);
        wanted.config = new bytes(8192);
        uint256 before = gasleft();
        create(wanted);
        check(before - gasleft() < 1_000_000, "P18: the largest order fits easily");
    }

    function test_GivenTooLittleMoney_WhenCreated_Reverts() public {
        vm.prank(user);
        ledger.withdraw(FUNDS - FEE + 1);
        TaskOrder memory wanted = order();
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, user, FEE - 1, FEE));
        create(wanted);
    }

    function test_GivenRevokedAuthorization_WhenCreated_Reverts() public {
        vm.prank(user);
        ledger.authorize(address(serving), 0);
        TaskOrder memory wanted = order();
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientAllowance.selector, user, address(serving), 0, FEE)
        );
        create(wanted);
    }

    function test_P10_GivenReturnRequestInTheSameBlock_WhenCreated_TheFeeIsTakenOutOfIt() public {
        vm.startPrank(user);
        ledger.fund(address(serving), provider, FEE);
        ledger.requestReturn(address(serving), provider, FEE);
        ledger.withdraw(FUNDS - FEE);
        vm.stopPrank();
        created();
        eq(returning(user, provider), 0, "request cancelled");
        eq(feeReserved(), FEE, "fee reserved");
        vm.warp(START + LOCK);
        vm.prank(user);
        eq(ledger.claimReturn(address(serving), provider), 0, "nothing to claim");
    }

    function test_P17_GivenChainContractUserProviderNumber_WhenOneDiffers_TheIdDiffers() public {
        bytes16 id = TaskId.unwrap(serving.taskIdOf(user, provider, 0));
        check(id != TaskId.unwrap(serving.taskIdOf(user, provider, 1)), "number");
        check(id != TaskId.unwrap(serving.taskIdOf(provider, user, 0)), "parties");
        check(id != TaskId.unwrap(serving.taskIdOf(stranger, provider, 0)), "user");
        vm.chainId(16661);
        check(id != TaskId.unwrap(serving.taskIdOf(user, provider, 0)), "chain");
    }

    function test_P17_GivenTask_ItsIdIsTheHashThatAnybodyCanCompute() public view {
        bytes16 id = bytes16(keccak256(abi.encode(block.chainid, address(serving), user, provider, 3)));
        check(TaskId.unwrap(serving.taskIdOf(user, provider, 3)) == id, "chain, contract, user, provider, number");
    }

    function testFuzz_P17_GivenTwoTasks_TheirIdsDiffer(
        address u,
        address p,
        uint64 n,
        address v,
        address q,
        uint64 m
    ) public view {
        bool same = u == v && p == q && n == m;
        bool sameId = TaskId.unwrap(serving.taskIdOf(u, p, n)) == TaskId.unwrap(serving.taskIdOf(v, q, m));
        check(same == sameId, "ids are equal exactly when the tasks are");
    }
}
