// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {TaskStates, TaskVerb} from "../../../contracts/libraries/TaskStates.sol";
import {FailReason, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

/// @notice P13: the table, written by hand, against the library, and against the contract, every state with
/// every verb.
contract StateTableTest is World {
    enum Verb {
        Cancel,
        Accept,
        Fail,
        SettleCancelled,
        Deliver,
        DemandChunk,
        AnswerChunk,
        Acknowledge,
        Lapse,
        Reveal,
        Confirm,
        Finalize,
        Expire,
        ProveMisbehaviour
    }

    uint256 private constant VERBS = uint256(type(Verb).max) + 1;
    uint256 private constant STATES = uint256(type(TaskState).max) + 1;

    mapping(Verb verb => mapping(TaskState from => TaskState)) private _to;

    function setUp() public override {
        super.setUp();
        _to[Verb.Cancel][TaskState.Created] = TaskState.Cancelled;
        _to[Verb.Accept][TaskState.Created] = TaskState.Accepted;
        _to[Verb.Fail][TaskState.Created] = TaskState.Failed;
        _to[Verb.Fail][TaskState.Accepted] = TaskState.Failed;
        _to[Verb.SettleCancelled][TaskState.Accepted] = TaskState.Settled;
        _to[Verb.Deliver][TaskState.Accepted] = TaskState.Delivered;
        _to[Verb.Acknowledge][TaskState.Delivered] = TaskState.Acknowledged;
        _to[Verb.DemandChunk][TaskState.Delivered] = TaskState.Demanded;
        _to[Verb.AnswerChunk][TaskState.Demanded] = TaskState.Delivered;
        _to[Verb.Acknowledge][TaskState.Demanded] = TaskState.Acknowledged;
        _to[Verb.Acknowledge][TaskState.Lapsed] = TaskState.Acknowledged;
        _to[Verb.Lapse][TaskState.Delivered] = TaskState.Lapsed;
        _to[Verb.Reveal][TaskState.Acknowledged] = TaskState.Revealed;
        _to[Verb.Confirm][TaskState.Revealed] = TaskState.Settled;
        _to[Verb.Finalize][TaskState.Revealed] = TaskState.Settled;
        _to[Verb.Expire][TaskState.Accepted] = TaskState.Expired;
        _to[Verb.Expire][TaskState.Demanded] = TaskState.Expired;
        _to[Verb.Expire][TaskState.Acknowledged] = TaskState.Expired;
        _to[Verb.ProveMisbehaviour][TaskState.Revealed] = TaskState.Slashed;
    }

    function test_P13_GivenEveryStateAndVerb_TheLibraryKnowsExactlyTheTable() public view {
        for (uint256 v = 0; v < VERBS; ++v) {
            for (uint256 s = 0; s < STATES; ++s) {
                TaskState to = TaskStates.next(TaskState(s), row(Verb(v)));
                eq(uint256(to), uint256(_to[Verb(v)][TaskState(s)]), "edge");
            }
        }
    }

    function test_P13_GivenEveryState_WhenEveryVerbIsTried_ExactlyTheTablesEdgesAreTaken() public {
        uint256 taken;
        for (uint256 s = 0; s < STATES; ++s) {
            TaskId id = taskIn(TaskState(s));
            for (uint256 v = 0; v < VERBS; ++v) {
                uint256 snapshot = vm.snapshotState();
                tryVerb(id, TaskState(s), Verb(v));
                vm.revertToState(snapshot);
                if (_to[Verb(v)][TaskState(s)] != TaskState.None) ++taken;
            }
            vm.warp(START);
            clear(id);
        }
        eq(taken, 19, "edges taken");
    }

    /// @dev Everything but the state is right: caller, time, arguments.
    function tryVerb(TaskId id, TaskState from, Verb verb) private {
        TaskState to = _to[verb][from];
        bool afterwards = verb == Verb.Expire || verb == Verb.Lapse || verb == Verb.Finalize;
        if (afterwards) vm.warp(block.timestamp + 60 days);
        bytes memory call = callOf(verb, id);
        vm.prank(callerOf(verb));
        (bool success, bytes memory answer) = address(serving).call(call);
        if (to != TaskState.None) {
            check(success, "allowed");
            isIn(id, to);
        } else if (verb == Verb.Finalize) {
            check(success, "skipped");
            isIn(id, from);
        } else {
            check(!success, "forbidden");
            bytes memory expected = abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, from);
            eq(keccak256(answer), keccak256(expected), "named");
        }
    }

    /// @dev Leaves the user's place at the provider free.
    function clear(TaskId id) private {
        TaskState state = stateOf(id);
        if (state == TaskState.Created) {
            vm.prank(user);
            serving.cancelTask(id);
        } else if (state == TaskState.Accepted) {
            vm.prank(OPERATOR);
            serving.failTask(id, FailReason.Unspecified);
        } else if (state == TaskState.Delivered) {
            afterDeadline(id);
            serving.lapse(id);
        } else if (state == TaskState.Demanded || state == TaskState.Acknowledged) {
            afterDeadline(id);
            serving.expire(id);
        } else if (state == TaskState.Revealed) {
            vm.prank(user);
            serving.confirm(id);
        }
    }

    function callerOf(Verb verb) private view returns (address) {
        if (verb == Verb.Cancel || verb == Verb.Acknowledge || verb == Verb.Confirm) return user;
        if (verb == Verb.ProveMisbehaviour || verb == Verb.DemandChunk) return user;
        if (verb == Verb.Expire || verb == Verb.Lapse || verb == Verb.Finalize) return stranger;
        return OPERATOR;
    }

    function callOf(Verb verb, TaskId id) private view returns (bytes memory) {
        if (verb == Verb.Cancel) return abi.encodeCall(serving.cancelTask, (id));
        if (verb == Verb.Accept) return abi.encodeCall(serving.acceptTask, (id));
        if (verb == Verb.Fail) return abi.encodeCall(serving.failTask, (id, FailReason.Unspecified));
        if (verb == Verb.Deliver) return abi.encodeCall(serving.deliver, (delivery(id)));
        if (verb == Verb.DemandChunk) return abi.encodeCall(serving.demandChunk, (id, CHUNK));
        if (verb == Verb.AnswerChunk) {
            return abi.encodeCall(serving.answerChunk, (id, new bytes(256), chunkPath()));
        }
        if (verb == Verb.Acknowledge) return abi.encodeCall(serving.acknowledge, (id, ROOT));
        if (verb == Verb.Lapse) return abi.encodeCall(serving.lapse, (id));
        if (verb == Verb.Reveal) return abi.encodeCall(serving.reveal, (id, KEY, BLIND_ROOT, CONTENT_ROOT));
        if (verb == Verb.Confirm) return abi.encodeCall(serving.confirm, (id));
        if (verb == Verb.Expire) return abi.encodeCall(serving.expire, (id));
        if (verb == Verb.Finalize) {
            TaskId[] memory ids = new TaskId[](1);
            ids[0] = id;
            return abi.encodeCall(serving.finalize, (ids));
        }
        if (verb == Verb.ProveMisbehaviour) return abi.encodeCall(serving.proveMisbehaviour, (id, misbehaviour()));
        uint256 deadline = block.timestamp;
        return abi.encodeCall(serving.settleCancelled, (id, 1, deadline, consent(USER_KEY, id, 1, deadline)));
    }

    function row(Verb verb) private pure returns (TaskVerb) {
        if (verb == Verb.Cancel) return TaskStates.CANCEL;
        if (verb == Verb.Accept) return TaskStates.ACCEPT;
        if (verb == Verb.Fail) return TaskStates.FAIL;
        if (verb == Verb.SettleCancelled) return TaskStates.SETTLE_CANCELLED;
        if (verb == Verb.Deliver) return TaskStates.DELIVER;
        if (verb == Verb.DemandChunk) return TaskStates.DEMAND_CHUNK;
        if (verb == Verb.AnswerChunk) return TaskStates.ANSWER_CHUNK;
        if (verb == Verb.Acknowledge) return TaskStates.ACKNOWLEDGE;
        if (verb == Verb.Lapse) return TaskStates.LAPSE;
        if (verb == Verb.Reveal) return TaskStates.REVEAL;
        if (verb == Verb.Confirm) return TaskStates.CONFIRM;
        if (verb == Verb.Finalize) return TaskStates.FINALIZE;
        if (verb == Verb.ProveMisbehaviour) return TaskStates.PROVE_MISBEHAVIOUR;
        return TaskStates.EXPIRE;
    }
}
