// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IChunkDemands} from "../../../contracts/interfaces/IChunkDemands.sol";
import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {DeliveryOrder, Task, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

/// @notice P31: a provider that cannot show what it delivered is not paid for it.
contract ChunkDemandsTest is World {
    function demand(TaskId id, uint256 index) private {
        vm.prank(user);
        serving.demandChunk(id, index);
    }

    function answer(TaskId id, bytes memory chunk, bytes32[] memory path) private {
        vm.prank(OPERATOR);
        serving.answerChunk(id, chunk, path);
    }

    function test_P31_GivenDelivered_WhenAChunkIsDemanded_TheProviderHasToAnswer() public {
        TaskId id = delivered();
        vm.warp(START + ACK);
        vm.expectEmit(address(serving));
        emit IChunkDemands.ChunkDemanded(id, user, provider, CHUNK, START + ACK + REVEAL);
        demand(id, CHUNK);
        isIn(id, TaskState.Demanded);
        Task memory task = serving.taskOf(id);
        eq(task.deadline, START + ACK + REVEAL, "deadline");
        eq(task.chunk, CHUNK, "chunk");
        eq(task.demands, 1, "demands");
        eq(feeReserved(), FEE, "fee");
        eq(bondReserved(), BOND, "bond");
    }

    function test_P31_GivenDemand_WhenAnswered_TheAcknowledgementPeriodStartsAgain() public {
        TaskId id = demanded();
        atDeadline(id);
        vm.expectEmit(address(serving));
        emit IChunkDemands.ChunkAnswered(id, user, provider, CHUNK, START + REVEAL + ACK);
        answer(id);
        isIn(id, TaskState.Delivered);
        eq(deadlineOf(id), START + REVEAL + ACK, "deadline");
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        isIn(id, TaskState.Acknowledged);
    }

    function test_P31_GivenDemand_WhenNeverAnswered_CostsWhatAMissedRevealCosts() public {
        TaskId id = demanded();
        afterDeadline(id);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskExpired(id, user, provider, block.number, BOND / 2, BOND / 2);
        vm.prank(stranger);
        serving.expire(id);
        isIn(id, TaskState.Expired);
        eq(total(user), FUNDS + BOND / 2, "user's total");
        eq(total(provider), FUNDS - BOND, "provider's total");
        eq(ledger.burned(), BOND / 2, "burned");
        eq(counters().expired, 1, "expired");
        eq(counters().lapsed, 0, "lapsed");
    }

    function test_P31_GivenDemand_WhenTheAcknowledgementPeriodIsOver_NothingIsPaidForALapse() public {
        TaskId id = demanded();
        vm.warp(START + ACK + 1);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Demanded));
        serving.lapse(id);
    }

    function test_GivenDemand_WhenTheUserFoundTheFile_NeedsNoAnswer() public {
        TaskId id = demanded();
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        eq(deadlineOf(id), START + REVEAL, "deadline");
    }

    function test_GivenDemand_WhenTheDeadlineIsMissed_NeitherSideCanSaveTheTask() public {
        TaskId id = demanded();
        afterDeadline(id);
        bytes memory late = abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + REVEAL);
        vm.expectRevert(late);
        answer(id);
        vm.expectRevert(late);
        vm.prank(user);
        serving.acknowledge(id, ROOT);
    }

    function test_GivenDemand_WhenExpiredOnItsLastSecond_Reverts() public {
        TaskId id = demanded();
        atDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlineNotPassed.selector, id, START + REVEAL));
        serving.expire(id);
    }

    function test_GivenThreeDemands_WhenOneMore_Reverts() public {
        TaskId id = delivered();
        for (uint256 i = 0; i < 3; ++i) {
            demand(id, i);
            eq(serving.taskOf(id).chunk, i, "chunk");
            answer(id);
        }
        eq(serving.taskOf(id).demands, 3, "demands");
        vm.expectRevert(abi.encodeWithSelector(IChunkDemands.ServingDemandLimit.selector, id, 3));
        demand(id, 0);
    }

    function test_GivenStrangerOrProvider_WhenDemanded_Reverts() public {
        TaskId id = delivered();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, provider));
        vm.prank(provider);
        serving.demandChunk(id, 0);
    }

    function test_GivenAcknowledgementDeadline_WhenDemandedOneSecondLate_Reverts() public {
        TaskId id = delivered();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + ACK));
        demand(id, 0);
    }

    function test_GivenChunkBeyondTheFile_WhenDemanded_Reverts() public {
        TaskId id = delivered();
        vm.expectRevert(abi.encodeWithSelector(IChunkDemands.ServingUnknownChunk.selector, id, 16));
        demand(id, 16);
        demand(id, 15);
    }

    function test_GivenLargestFile_WhenItsLastChunkIsDemanded_IsRecordedExactly() public {
        TaskId id = accepted();
        DeliveryOrder memory largest = delivery(id);
        largest.size = uint64(serving.MAX_SIZE());
        vm.prank(OPERATOR);
        serving.deliver(largest);
        // Padding begins after the last page, and nobody has to store it.
        uint256 pages = 2 ** 35 + 2 ** 28 + 2 ** 21 + 2 ** 14 + 2 ** 7 + 1;
        vm.expectRevert(abi.encodeWithSelector(IChunkDemands.ServingUnknownChunk.selector, id, pages * 16));
        demand(id, pages * 16);
        demand(id, pages * 16 - 1);
        eq(serving.taskOf(id).chunk, pages * 16 - 1, "chunk");
        eq(serving.taskOf(id).size, 2 ** 47, "size");
    }

    function test_GivenAnotherChunkOrPath_WhenAnswered_Reverts() public {
        TaskId id = demanded();
        bytes memory another = new bytes(256);
        another[255] = 0x01;
        bytes memory invalid = abi.encodeWithSelector(ITaskRegistry.ServingInvalidProof.selector, id);
        bytes32[] memory path = chunkPath();
        vm.expectRevert(invalid);
        answer(id, another, path);
        vm.expectRevert(invalid);
        answer(id, new bytes(255), path);
        vm.expectRevert(invalid);
        answer(id, new bytes(512), path);
        vm.expectRevert(invalid);
        answer(id, new bytes(256), new bytes32[](3));
        path[2] = 0;
        vm.expectRevert(invalid);
        answer(id, new bytes(256), path);
    }

    /// @dev A file of two different pages, so that place and padding matter: page 0 holds ones, page 1 zeros.
    function test_GivenTwoPages_WhenTheChunkOfAnotherPlaceIsShown_Reverts() public {
        (bytes memory ones, bytes memory zeros) = (new bytes(256), new bytes(256));
        for (uint256 i = 0; i < 256; ++i) ones[i] = 0xff;
        bytes32[] memory path = new bytes32[](6);
        bytes32 page0 = keccak256(ones);
        for (uint256 i = 0; i < 4; ++i) {
            path[i] = page0;
            page0 = keccak256(abi.encode(page0, page0));
        }
        // Three pages: two with data, one with their digests. The third is promoted on the first step above the pages.
        path[4] = ROOT;
        path[5] = ROOT;
        bytes32 root = keccak256(abi.encode(keccak256(abi.encode(page0, ROOT)), ROOT));
        TaskId id = accepted();
        DeliveryOrder memory posted = delivery(id);
        (posted.root, posted.size) = (root, 4_097);
        vm.prank(OPERATOR);
        serving.deliver(posted);
        demand(id, 7);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingInvalidProof.selector, id));
        answer(id, zeros, chunkPath());
        answer(id, ones, path);
        isIn(id, TaskState.Delivered);
        demand(id, 47);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingInvalidProof.selector, id));
        answer(id, ones, path);
        bytes32[] memory last = new bytes32[](5);
        bytes32[] memory within = chunkPath();
        for (uint256 i = 0; i < 4; ++i) last[i] = within[i];
        last[4] = keccak256(abi.encode(page0, ROOT));
        answer(id, zeros, last);
    }
}
