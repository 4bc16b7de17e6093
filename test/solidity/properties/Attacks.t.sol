// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../../contracts/interfaces/IDisputes.sol";
import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {DeliveryOrder, FailReason, TaskOrder, TaskState} from "../../../contracts/types/Task.sol";
import {MisbehaviourProof} from "../../../contracts/types/MisbehaviourProof.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {StreamCipher} from "../helpers/StreamCipher.sol";
import {World} from "../helpers/World.sol";

/// @notice Attacks that no test of a single verb covers.
contract AttacksTest is World {
    function test_P12_GivenAnyWait_WhenEverybodyElseTriesEverything_TheDeadlineStays() public {
        deadlineStays(accepted());
        setUp();
        deadlineStays(delivered());
        setUp();
        deadlineStays(acknowledged());
        setUp();
        deadlineStays(revealed());
        setUp();
        deadlineStays(lapsed());
    }

    /// @dev Tried early, late and in the last second, by somebody who has no part in the task.
    function deadlineStays(TaskId id) private {
        uint256 deadline = deadlineOf(id);
        uint256[3] memory times = [block.timestamp, (block.timestamp + deadline) / 2, deadline];
        for (uint256 i = 0; i < times.length; ++i) {
            vm.warp(times[i]);
            everyVerb(id, stranger);
            eq(deadlineOf(id), deadline, "deadline");
        }
        vm.warp(deadline + 1);
        eq(deadlineOf(id), deadline, "deadline, when it has passed and nobody acted");
    }

    function test_P22_GivenTheDeployer_WhenHeTriesEverything_HeIsNobody() public {
        TaskState[5] memory states = [
            TaskState.Created,
            TaskState.Accepted,
            TaskState.Delivered,
            TaskState.Acknowledged,
            TaskState.Revealed
        ];
        for (uint256 i = 0; i < states.length; ++i) {
            TaskId id = taskIn(states[i]);
            address deployer = address(this);
            everyVerb(id, deployer);
            check(serving.taskOf(id).state == states[i], "the task stays where it is");
            check(!callable(address(ledger), abi.encodeCall(ILedger.settle, (user, provider, 1, deployer))), "settle");
            check(!callable(address(ledger), abi.encodeCall(ILedger.release, (user, provider, 1))), "release");
            check(!callable(address(ledger), abi.encodeCall(ILedger.reserve, (user, provider, 1))), "reserve");
            eq(total(user), FUNDS, "the user's money");
            eq(total(provider), FUNDS, "the provider's money");
            setUp();
        }
    }

    function test_P22_GivenBothContracts_WhenAskedForAPrivilege_HaveNone() public {
        string[9] memory verbs = [
            "owner()",
            "admin()",
            "pause()",
            "renounceOwnership()",
            "transferOwnership(address)",
            "upgradeTo(address)",
            "upgradeToAndCall(address,bytes)",
            "initialize(address)",
            "setLockPeriod(uint256)"
        ];
        for (uint256 i = 0; i < verbs.length; ++i) {
            bytes memory data = abi.encodeWithSignature(verbs[i], address(this), new bytes(0));
            check(!callable(address(ledger), data), verbs[i]);
            check(!callable(address(serving), data), verbs[i]);
        }
    }

    function test_P24_GivenHonestPage_WhenClaimed_IsNotSlashable() public {
        TaskId id = accepted();
        bytes32 contentRoot = honestContentRoot(id);
        reveal(id, ROOT, contentRoot);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ServingNoMisbehaviour.selector, id));
        vm.prank(user);
        serving.proveMisbehaviour(id, claim(contentRoot, new bytes(4096)));
    }

    function testFuzz_P24_GivenFlippedBit_WhenProved_IsSlashed(uint256 bit) public {
        bit %= 8 * 4096;
        TaskId id = accepted();
        bytes32 contentRoot = honestContentRoot(id);
        bytes memory page = new bytes(4096);
        page[bit / 8] = bytes1(uint8(1 << (bit % 8)));
        reveal(id, rootOf(page), contentRoot);
        vm.prank(user);
        serving.proveMisbehaviour(id, claim(contentRoot, page));
        check(serving.taskOf(id).state == TaskState.Slashed, "slashed");
    }

    function testFuzz_P24_GivenRandomContentRoot_WhenProved_IsSlashed(bytes32 contentRoot) public {
        TaskId id = accepted();
        vm.assume(contentRoot != 0 && contentRoot != honestContentRoot(id));
        reveal(id, ROOT, contentRoot);
        vm.prank(user);
        serving.proveMisbehaviour(id, claim(contentRoot, new bytes(4096)));
        check(serving.taskOf(id).state == TaskState.Slashed, "slashed");
    }

    function test_P1_GivenEtherForcedIntoBothContracts_WhenATaskIsPlayed_EverybodyGetsHisOwn() public {
        vm.deal(address(ledger), address(ledger).balance + 5 ether);
        vm.deal(address(serving), 5 ether);
        settled();
        eq(total(user), FUNDS - FEE, "the user paid the fee");
        eq(total(provider), FUNDS + FEE, "the provider got it");
        eq(address(ledger).balance, 2 * FUNDS + 5 ether, "the surplus belongs to nobody");
    }

    function test_P10_GivenReturnRequestsInTheBlockOfEveryStep_WhenSettled_NothingReservedEscapes() public {
        TaskId id = created();
        askEverythingBack();
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        askEverythingBack();
        vm.prank(OPERATOR);
        serving.deliver(delivery(id));
        askEverythingBack();
        eq(reservedOf(user), FEE, "the fee");
        eq(reservedOf(provider), STAKE + BOND, "stake and bond");
        vm.warp(block.timestamp + LOCK);
        askEverythingBack(); // claims what has matured, too
        eq(reservedOf(user), FEE, "the fee, after the lock period");
        eq(reservedOf(provider), STAKE + BOND, "stake and bond, after the lock period");
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        askEverythingBack();
        vm.prank(user);
        serving.confirm(id);
        eq(total(user), FUNDS - FEE, "the user paid");
        eq(total(provider), FUNDS + FEE, "the provider earned");
    }

    function test_P20_GivenHundredDustTasks_WhenTheUserOrders_HeNeitherWaitsNorPaysMore() public {
        uint256 before = gasToOrder();
        for (uint160 i = 1; i <= 100; ++i) {
            address dust = address((0xD057 << 16) | i);
            open(dust, 1 ether);
            TaskOrder memory wanted = orderBy(dust, provider);
            wanted.units = MINIMUM_UNITS;
            vm.prank(dust);
            serving.createTask(wanted);
        }
        check(gasToOrder() <= before, "the order costs the same");
        TaskId id = created();
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        check(serving.taskOf(id).state == TaskState.Accepted, "accepted");
    }

    function test_P14_GivenLateDelivery_WhenTheTaskHasExpired_IsRefused() public {
        TaskId id = expired();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Expired));
        vm.prank(OPERATOR);
        serving.deliver(delivery(id));
    }

    function test_P17_GivenSameOrderOnAnotherChain_WhenPlaced_IsAnotherTask() public {
        TaskId here = serving.taskIdOf(user, provider, 0);
        vm.chainId(2);
        check(TaskId.unwrap(created()) != TaskId.unwrap(here), "another id");
        eq(serving.taskCount(user, provider), 1, "one task");
        check(serving.taskOf(here).state == TaskState.None, "nothing under the id of the first chain");
    }

    // -- Means ---------------------------------------------------------------------------------------------------

    /// @dev Every verb on a task; what is not allowed reverts.
    function everyVerb(TaskId id, address as_) private {
        TaskId[] memory ids = new TaskId[](1);
        ids[0] = id;
        bytes memory signature = new bytes(65);
        bytes[12] memory calls = [
            abi.encodeCall(IFineTuningServing.cancelTask, (id)),
            abi.encodeCall(IFineTuningServing.acceptTask, (id)),
            abi.encodeCall(IFineTuningServing.failTask, (id, FailReason.Unspecified)),
            abi.encodeCall(IFineTuningServing.deliver, (delivery(id))),
            abi.encodeCall(IFineTuningServing.settleCancelled, (id, FEE, block.timestamp, signature)),
            abi.encodeCall(IFineTuningServing.acknowledge, (id, ROOT)),
            abi.encodeCall(IFineTuningServing.reveal, (id, KEY, BLIND_ROOT, CONTENT_ROOT)),
            abi.encodeCall(IFineTuningServing.confirm, (id)),
            abi.encodeCall(IDisputes.proveMisbehaviour, (id, misbehaviour())),
            abi.encodeCall(IFineTuningServing.finalize, (ids)),
            abi.encodeCall(IFineTuningServing.expire, (id)),
            abi.encodeCall(IFineTuningServing.lapse, (id))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(as_);
            callable(address(serving), calls[i]);
        }
    }

    function callable(address target, bytes memory data) private returns (bool success) {
        (success, ) = target.call(data);
    }

    function askEverythingBack() private {
        address[] memory providers = new address[](1);
        providers[0] = provider;
        vm.prank(user);
        ledger.retrieve(address(serving), providers);
        vm.prank(provider);
        ledger.retrieve(address(serving), providers);
    }

    function reservedOf(address account) private view returns (uint256) {
        return ledger.subAccountOf(account, address(serving), provider).reserved;
    }

    function gasToOrder() private returns (uint256 used) {
        uint256 snapshot = vm.snapshotState();
        TaskOrder memory wanted = order();
        vm.prank(user);
        used = gasleft();
        serving.createTask(wanted);
        used -= gasleft();
        vm.revertToState(snapshot);
    }

    /// @dev What a page of zeros, as it is stored, decrypts to.
    function honestContentRoot(TaskId id) private returns (bytes32) {
        bytes32 key = keccak256(abi.encodePacked("FX1", id, uint32(0), bytes32(0), KEY));
        return sha256(new StreamCipher().xor(key, 0, 0, new bytes(4096)));
    }

    function rootOf(bytes memory page) private pure returns (bytes32) {
        bytes32[] memory nodes = new bytes32[](16);
        for (uint256 i = 0; i < 16; ++i) {
            bytes memory chunk = new bytes(256);
            for (uint256 j = 0; j < 256; ++j) {
                chunk[j] = page[i * 256 + j];
            }
            nodes[i] = keccak256(chunk);
        }
        for (uint256 count = 8; count > 0; count /= 2) {
            for (uint256 i = 0; i < count; ++i) {
                nodes[i] = keccak256(abi.encode(nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        return nodes[0];
    }

    function reveal(TaskId id, bytes32 root, bytes32 contentRoot) private {
        DeliveryOrder memory delivered_ = delivery(id);
        (delivered_.root, delivered_.contentRoot) = (root, contentRoot);
        vm.prank(OPERATOR);
        serving.deliver(delivered_);
        vm.prank(user);
        serving.acknowledge(id, root);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, contentRoot);
    }

    function claim(bytes32 contentRoot, bytes memory page) private pure returns (MisbehaviourProof memory proof) {
        proof = misbehaviour();
        (proof.contentRoot, proof.pageBytes) = (contentRoot, page);
    }
}
