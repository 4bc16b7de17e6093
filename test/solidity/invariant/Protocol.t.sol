// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FineTuningServing} from "../../../contracts/FineTuningServing.sol";
import {Ledger} from "../../../contracts/Ledger.sol";
import {Fees} from "../../../contracts/libraries/Fees.sol";
import {TaskStates} from "../../../contracts/libraries/TaskStates.sol";
import {Account, ReturnRequest, SubAccount} from "../../../contracts/types/Account.sol";
import {Task, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {Assertions} from "../helpers/Assertions.sol";
import {Market} from "./Market.sol";

/// @notice The properties of the protocol page, by their numbers, as sums over everybody in a Market.
abstract contract Properties is Assertions {
    Market internal market;
    Ledger internal ledger;
    /// @dev Two honest ones, then the rogue.
    address[3] internal servings;
    address[5] internal actors;

    function setUp() public {
        market = new Market();
        ledger = market.exposedLedger();
        servings = market.servings();
        for (uint256 i = 0; i < 5; ++i) {
            actors[i] = market.actors(i);
        }
    }

    function checkP1() internal view {
        uint256 tracked = held() + ledger.burned();
        eq(address(ledger).balance, tracked + market.forced(), "P1: ether held");
    }

    function checkP2() internal view {
        for (uint256 i = 0; i < 5; ++i) {
            eq(account(i).locked, locked(i), "P2: locked");
        }
    }

    function checkP3() internal view {
        for (uint256 n = 0; n < 3; ++n) {
            for (uint256 i = 0; i < 5; ++i) {
                for (uint256 j = 3; j < 5; ++j) {
                    SubAccount memory s = sub(n, i, j);
                    check(s.reserved + s.returning <= s.balance, "P3: reserved and returning within the balance");
                }
            }
        }
    }

    function checkP4() internal view {
        for (uint256 n = 0; n < 2; ++n) checkP4At(n);
    }

    function checkP4At(uint256 n) private view {
        FineTuningServing serving = market.honest(n);
        uint256[5][5] memory promised;
        for (uint256 j = 3; j < 5; ++j) {
            if (isRegistered(n, j)) promised[j][j] = serving.minimumStake();
        }
        TaskId[] memory tasks = market.allTasks();
        for (uint256 k = 0; k < tasks.length; ++k) {
            Task memory task = serving.taskOf(tasks[k]);
            if (!TaskStates.isOpen(task.state)) continue;
            (uint256 u, uint256 p) = (indexOf(task.user), indexOf(task.provider));
            promised[u][p] += task.fee - task.rebate - task.paid;
            if (task.state != TaskState.Created) promised[p][p] += Fees.bondFor(task.fee, task.bondBps);
        }
        for (uint256 i = 0; i < 5; ++i) {
            for (uint256 j = 3; j < 5; ++j) {
                eq(sub(n, i, j).reserved, promised[i][j], "P4: reserved");
            }
        }
    }

    function checkP5() internal view {
        for (uint256 n = 0; n < 3; ++n) {
            for (uint256 i = 0; i < 5; ++i) {
                for (uint256 j = 3; j < 5; ++j) checkQueue(n, i, j);
            }
        }
    }

    function checkQueue(uint256 n, uint256 i, uint256 j) private view {
        ReturnRequest[] memory requests = ledger.returnRequestsOf(actors[i], servings[n], actors[j]);
        uint256 sum;
        for (uint256 k = 0; k < requests.length; ++k) sum += requests[k].amount;
        eq(sub(n, i, j).returning, sum, "P5: returning");
        check(requests.length <= ledger.MAX_RETURN_REQUESTS(), "P18: bounded queue");
    }

    function checkP6() internal view {
        eq(market.deposited(), market.withdrawn() + held() + ledger.burned(), "P6: deposits");
    }

    function checkP25() internal view {
        check(!market.unfairAllowance(), "P25: only its owner raises an allowance");
        for (uint256 i = 0; i < 5; ++i) {
            (uint256 taken, uint256 allowed) = (market.rogueTaken(actors[i]), market.rogueAllowed(actors[i]));
            check(taken <= allowed, "P25: a rogue contract takes no more than it was allowed");
        }
    }

    function checkP7() internal view {
        check(!market.unfairLoss(), "P7: nobody loses by another one's call");
    }

    /// @dev What a user has open at a provider, and a provider in all, is counted right.
    function checkCounters() internal view {
        for (uint256 n = 0; n < 2; ++n) checkCountersAt(n);
    }

    function checkCountersAt(uint256 n) private view {
        FineTuningServing serving = market.honest(n);
        uint256[5][5] memory open;
        TaskId[] memory tasks = market.allTasks();
        for (uint256 k = 0; k < tasks.length; ++k) {
            Task memory task = serving.taskOf(tasks[k]);
            if (TaskStates.isOpen(task.state)) ++open[indexOf(task.user)][indexOf(task.provider)];
        }
        for (uint256 j = 3; j < 5; ++j) {
            uint256 all;
            for (uint256 i = 0; i < 5; ++i) {
                eq(serving.openTaskCount(actors[i], actors[j]), open[i][j], "open at the provider");
                all += open[i][j];
            }
            if (isRegistered(n, j)) eq(serving.serviceOf(actors[j]).counters.open, all, "open in all");
        }
    }

    function checkAll() internal view {
        checkP1();
        checkP2();
        checkP3();
        checkP4();
        checkP5();
        checkP6();
        checkP7();
        checkP25();
        checkCounters();
    }

    function account(uint256 i) private view returns (Account memory) {
        return ledger.accountOf(actors[i]);
    }

    function sub(uint256 n, uint256 i, uint256 j) internal view returns (SubAccount memory) {
        return ledger.subAccountOf(actors[i], servings[n], actors[j]);
    }

    function locked(uint256 i) private view returns (uint256 sum) {
        for (uint256 n = 0; n < 3; ++n) {
            for (uint256 j = 3; j < 5; ++j) sum += sub(n, i, j).balance;
        }
    }

    function held() private view returns (uint256 sum) {
        for (uint256 i = 0; i < 5; ++i) {
            sum += account(i).available + locked(i);
        }
    }

    function indexOf(address actor) private view returns (uint256 i) {
        while (actors[i] != actor) ++i;
    }

    function isRegistered(uint256 n, uint256 j) internal view returns (bool) {
        try market.honest(n).serviceOf(actors[j]) {
            return true;
        } catch {
            return false;
        }
    }
}

/// @notice The runner calls the market's verbs at random and asks for one property after every call.
/// forge-config: default.invariant.runs = 20
/// forge-config: default.invariant.depth = 150
contract ProtocolInvariantTest is Properties {
    struct FuzzInterface {
        address addr;
        string[] artifacts;
    }

    /// @dev The runner calls whatever this contract has, at this address.
    function targetInterfaces() external view returns (FuzzInterface[] memory targets) {
        targets = new FuzzInterface[](1);
        targets[0].addr = address(market);
        targets[0].artifacts = new string[](1);
        targets[0].artifacts[0] = "Market";
    }

    /// @dev The market keeps the accounts, so every call goes through it.
    function excludeContracts() external view returns (address[] memory excluded) {
        excluded = new address[](4);
        excluded[0] = address(ledger);
        for (uint256 n = 0; n < 3; ++n) excluded[n + 1] = servings[n];
    }

    function invariant_P1_EtherHeldIsTheSumOfAllMoney() external view {
        checkP1();
    }

    function invariant_P2_LockedIsTheSumOfTheSubAccounts() external view {
        checkP2();
    }

    function invariant_P3_ReservedAndReturningStayWithinTheBalance() external view {
        checkP3();
    }

    function invariant_P4_ReservedIsWhatOpenTasksAndStakesPromise() external view {
        checkP4();
    }

    function invariant_P5_ReturningIsTheSumOfTheRequests() external view {
        checkP5();
    }

    function invariant_P6_NoMoneyAppearsOrDisappears() external view {
        checkP6();
    }

    function invariant_P7_NobodyLosesByAnotherOnesCall() external view {
        checkP7();
    }

    function invariant_P25_OnlyTheOwnerRaisesAnAllowance() external view {
        checkP25();
    }

    function invariant_CountersCountOpenTasks() external view {
        checkCounters();
    }
}

/// @notice The same market under a fixed course and under fuzzed ones, all properties at once.
/// @dev Courses stay short: the runner repeats a failing test with every step recorded, at 15 MB per step of a course.
contract ProtocolCourseTest is Properties {
    function live(uint256 seed, uint256 steps, uint256 checkEvery) private {
        for (uint256 i = 1; i <= steps; ++i) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            step(seed >> 8, seed & 0xff);
            if (i % checkEvery == 0) checkAll();
        }
    }

    function step(uint256 seed, uint256 verb) private {
        verb %= 39;
        if (verb < 7) market.createTask(seed);
        else if (verb < 14) market.advance(seed);
        else if (verb == 14) market.pass(seed);
        else if (verb < 17) market.neglect(seed);
        else if (verb < 19) market.acknowledge(seed);
        else if (verb == 19) market.confirm(seed);
        else if (verb == 20) market.finalize(seed);
        else if (verb == 21) market.expire(seed);
        else if (verb == 22) market.settleCancelled(seed);
        else if (verb == 23) market.cancelTask(seed);
        else if (verb == 24) market.failTask(seed);
        else if (verb == 25) market.deposit(seed);
        else if (verb == 26) market.withdraw(seed);
        else if (verb >= 37) market.robbery(seed);
        else if (verb == 36) market.answerChunk(seed);
        else if (verb >= 34) market.demandChunk(seed);
        else if (verb >= 32) market.proveMisbehaviour(seed);
        else if (verb == 27 && seed & 0x10000 == 0) market.transfer(seed);
        else if (verb == 27) market.fund(seed);
        else if (verb == 28) market.requestReturn(seed);
        else if (verb == 29) market.retrieve(seed);
        else if (verb == 30) market.updateService(seed);
        else if (seed & 0x10000 == 0) market.removeOrRegisterService(seed);
        else if (seed & 0x20000 == 0) market.authorize(seed);
        else if (seed & 0x40000 == 0) market.claimReturn(seed);
        else market.forceEther(seed);
    }

    function test_GivenALongCourse_EveryStateIsReachedAndEveryPropertyHolds() public {
        live(7, 260, 65);
        TaskState[12] memory states = [
            TaskState.Created,
            TaskState.Accepted,
            TaskState.Delivered,
            TaskState.Demanded,
            TaskState.Acknowledged,
            TaskState.Revealed,
            TaskState.Settled,
            TaskState.Cancelled,
            TaskState.Failed,
            TaskState.Expired,
            TaskState.Lapsed,
            TaskState.Slashed
        ];
        for (uint256 i = 0; i < states.length; ++i) {
            check(market.reached(states[i]) > 0, "every state is reached");
        }
        checkAll();
    }

    /// forge-config: default.fuzz.runs = 6
    function testFuzz_P11_GivenAnyCourse_EveryTaskCanBeEndedAndNoMoneyIsStuck(uint256 seed) public {
        live(seed, 120, 40);
        market.endEverything();
        TaskId[] memory tasks = market.allTasks();
        for (uint256 n = 0; n < tasks.length; ++n) {
            check(!TaskStates.isOpen(market.servingOf(tasks[n]).taskOf(tasks[n]).state), "ended");
        }
        for (uint256 n = 0; n < 2; ++n) {
            for (uint256 i = 0; i < 5; ++i) {
                for (uint256 j = 3; j < 5; ++j) {
                    uint256 stake = i == j && isRegistered(n, i) ? market.honest(n).minimumStake() : 0;
                    eq(sub(n, i, j).reserved, stake, "only the stakes stay reserved");
                }
            }
        }
        checkAll();
    }
}
