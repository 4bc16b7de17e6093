// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {ServiceTerms} from "../../../contracts/types/Service.sol";
import {Settlement, Task, TaskOrder} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

/// @notice P33: the record of a task leads to all of its events, one block each.
contract HintsTest is World {
    uint256 private constant FIRST = 1_000;

    function at(uint256 step) private {
        vm.roll(FIRST + 100 * step);
    }

    function movedIn(TaskId id, uint256 step) private view {
        Task memory task = serving.taskOf(id);
        eq(task.createdBlock, FIRST, "created");
        eq(task.movedBlock, FIRST + 100 * step, "moved");
    }

    function test_P33_GivenATaskToItsEnd_EveryEventNamesTheBlockOfTheOneBefore() public {
        at(0);
        TaskId id = created();
        movedIn(id, 0);
        at(1);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskAccepted(id, user, provider, FIRST, BOND, START + TRAINING);
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        at(2);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskDelivered(id, user, provider, FIRST + 100, delivery(id), START + ACK);
        vm.prank(OPERATOR);
        serving.deliver(delivery(id));
        movedIn(id, 2);
        // A demand and its answer are in the record, so they do not hide the delivery.
        at(3);
        vm.prank(user);
        serving.demandChunk(id, CHUNK);
        at(4);
        answer(id);
        movedIn(id, 2);
        at(5);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskAcknowledged(id, user, provider, FIRST + 200, ROOT, START + REVEAL, false);
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        at(6);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.KeyRevealed(id, user, provider, FIRST + 500, KEY, START + DISPUTE);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        at(7);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskSettled(id, user, provider, FIRST + 600, FEE, Settlement.Confirmed);
        vm.prank(user);
        serving.confirm(id);
        movedIn(id, 7);
    }

    function test_P33_GivenTermsThatChangedSince_TheOffersEventIsStillFound() public {
        ServiceTerms memory t = terms();
        t.encryptionKey = publicKey("next");
        vm.roll(FIRST);
        vm.prank(provider);
        serving.updateService(t);
        t.url = "https://elsewhere.example"; // the same offer, so its event stays the first one
        vm.roll(FIRST + 1);
        vm.prank(provider);
        serving.updateService(t);
        TaskId id = created();
        vm.roll(FIRST + 2);
        vm.prank(provider);
        serving.updateService(terms());
        Task memory task = serving.taskOf(id);
        eq(task.offer, 2, "offer");
        eq(task.offerBlock, FIRST, "block of its event");
    }

    function test_P33_GivenLapse_WhenAcknowledgedLate_TheChainOfBlocksGoesOn() public {
        at(0);
        TaskId id = delivered();
        afterDeadline(id);
        at(1);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskLapsed(id, user, provider, FIRST, LAPSE_SHARE, block.timestamp + LATE);
        serving.lapse(id);
        at(2);
        vm.expectEmit(address(serving));
        emit IFineTuningServing.TaskAcknowledged(id, user, provider, FIRST + 100, ROOT, block.timestamp + REVEAL, true);
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        movedIn(id, 2);
    }

    function test_P33_GivenTasksOfSeveralUsers_WhenListed_AllAreFoundFromViews() public {
        TaskId first = cancelled();
        TaskId second = cancelled();
        address other = address(0x07E4);
        open(other, FUNDS);
        TaskOrder memory wanted = orderBy(other, provider);
        vm.prank(other);
        TaskId third = serving.createTask(wanted);
        address[] memory users = serving.usersOf(provider, 0, 10);
        eq(users.length, 2, "users");
        check(users[0] == user && users[1] == other, "in the order of their first tasks");
        address[] memory providers = new address[](2);
        (providers[0], providers[1]) = (provider, provider);
        uint256[] memory counts = serving.taskCounts(users, providers);
        check(counts[0] == 2 && counts[1] == 1, "counts");
        TaskId[] memory ids = new TaskId[](3);
        ids[0] = serving.taskIdOf(user, provider, 0);
        ids[1] = serving.taskIdOf(user, provider, 1);
        ids[2] = serving.taskIdOf(other, provider, 0);
        check(same(ids[0], first) && same(ids[1], second) && same(ids[2], third), "ids");
        Task[] memory all = serving.tasks(ids);
        for (uint256 i = 0; i < 3; ++i) {
            eq(keccak256(abi.encode(all[i])), keccak256(abi.encode(serving.taskOf(ids[i]))), "task");
        }
        eq(serving.usersOf(provider, 1, 10).length, 1, "second page");
        eq(serving.usersOf(provider, 0, 1).length, 1, "first page");
        eq(serving.usersOf(stranger, 0, 10).length, 0, "nobody's");
    }

    function same(TaskId a, TaskId b) private pure returns (bool) {
        return TaskId.unwrap(a) == TaskId.unwrap(b);
    }
}
