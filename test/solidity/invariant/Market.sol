// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FineTuningServing} from "../../../contracts/FineTuningServing.sol";
import {Ledger} from "../../../contracts/Ledger.sol";
import {DeliveryOrder, FailReason, Task, TaskOrder, TaskState} from "../../../contracts/types/Task.sol";
import {Fees} from "../../../contracts/libraries/Fees.sol";
import {ServiceTerms} from "../../../contracts/types/Service.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

/// @notice A market over random days: every verb of the contracts, by several users and providers, in any order, with
/// time passing. One Ledger has two honest serving contracts, and one that takes what it can get. Verbs that are not allowed at the moment revert and change nothing. What the market
/// remembers by itself (money in, money out, losses seen) is what the invariants compare with.
contract Market is World {
    /// @dev The last two offer services; they order from each other, too.
    address[5] public actors;
    TaskId[] public tasks;
    FineTuningServing[2] public honest;
    Rogue public rogue;

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public forced;
    uint256 public calls;
    /// @notice Whether somebody lost money by another one's call, other than a task's party its fee or bond.
    bool public unfairLoss;
    /// @notice Whether an allowance grew by the call of anyone but its owner.
    bool public unfairAllowance;
    /// @notice Neuron that the owners have allowed the rogue contract in all, and that they lost to it.
    mapping(address owner => uint256) public rogueAllowed;
    mapping(address owner => uint256) public rogueTaken;
    /// @notice How often each state was entered.
    mapping(TaskState state => uint256) public reached;
    /// @dev The state of each task after the last call that named it.
    mapping(TaskId id => TaskState) private _states;
    mapping(TaskId id => uint256) private _servingOf;
    /// @dev The allowance of each actor at each serving contract after the last call.
    uint256[5][3] private _allowances;

    constructor() {
        vm.warp(START);
        ledger = new Ledger(LOCK);
        for (uint256 n = 0; n < 2; ++n) honest[n] = new FineTuningServing(ledger, parameters());
        rogue = new Rogue(ledger);
        serving = honest[0];
        for (uint256 i = 0; i < 5; ++i) {
            actors[i] = vm.addr(i + 1);
            open(actors[i], 10 ether);
            deposited += 10 ether;
            vm.deal(actors[i], 10 ether);
            vm.prank(actors[i]);
            ledger.authorize(address(honest[1]), type(uint256).max);
            (_allowances[0][i], _allowances[1][i]) = (type(uint256).max, type(uint256).max);
        }
        for (uint256 i = 3; i < 5; ++i) {
            for (uint256 n = 0; n < 2; ++n) {
                vm.prank(actors[i]);
                honest[n].registerService(termsFrom(i));
            }
        }
    }

    function setUp() public override {}

    function exposedLedger() external view returns (Ledger) {
        return ledger;
    }

    /// @notice The serving contract of a task.
    function servingOf(TaskId id) external view returns (FineTuningServing) {
        return honest[_servingOf[id]];
    }

    function servings() public view returns (address[3] memory) {
        return [address(honest[0]), address(honest[1]), address(rogue)];
    }

    function allTasks() external view returns (TaskId[] memory) {
        return tasks;
    }

    /// @dev Looks at everybody's money before and after, and at the task's state after.
    modifier watched(address who, TaskId id) {
        uint256[5] memory before = totals();
        _;
        ++calls;
        judge(who, id, before);
    }

    // -- Money ---------------------------------------------------------------------------------------------------

    function deposit(uint256 seed) external watched(actor(seed), none()) {
        address from = actor(seed);
        uint256 amount = bound(seed >> 8, 1, 1 ether);
        vm.deal(from, from.balance + amount);
        vm.prank(from);
        if (seed & 0x80 == 0) ledger.deposit{value: amount}();
        else ledger.depositFor{value: amount}(actor(seed >> 16));
        deposited += amount;
    }

    function forceEther(uint256 seed) external watched(address(0), none()) {
        uint256 amount = bound(seed, 1, 1 ether);
        vm.deal(address(ledger), address(ledger).balance + amount);
        forced += amount;
    }

    function withdraw(uint256 seed) external watched(actor(seed), none()) {
        (address owner, address to) = (actor(seed), actor(seed >> 16));
        uint256 amount = bound(seed >> 8, 0, available(owner) / 4 + 1);
        if (owner == to) {
            vm.prank(owner);
            try ledger.withdraw(amount) {
                withdrawn += amount;
            } catch {}
        } else {
            vm.prank(owner);
            try ledger.withdrawTo(to, amount) {
                withdrawn += amount;
            } catch {}
        }
    }

    function fund(uint256 seed) external watched(actor(seed), none()) {
        uint256 amount = bound(seed >> 8, 0, available(actor(seed)) / 4 + 1);
        vm.prank(actor(seed));
        try ledger.fund(anyServing(seed), offerer(seed >> 16), amount) {} catch {}
    }

    function transfer(uint256 seed) external watched(actor(seed), none()) {
        uint256 amount = bound(seed >> 8, 0, balanceAt(seed));
        vm.prank(actor(seed));
        try ledger.transfer(anyServing(seed), offerer(seed >> 16), offerer(seed >> 24), amount) {} catch {}
    }

    function requestReturn(uint256 seed) external watched(actor(seed), none()) {
        uint256 amount = bound(seed >> 8, 0, balanceAt(seed));
        vm.prank(actor(seed));
        try ledger.requestReturn(anyServing(seed), offerer(seed >> 16), amount) {} catch {}
    }

    function claimReturn(uint256 seed) external watched(actor(seed), none()) {
        vm.prank(actor(seed));
        ledger.claimReturn(anyServing(seed), offerer(seed >> 16));
    }

    function retrieve(uint256 seed) external watched(actor(seed), none()) {
        address[] memory providers = new address[](3);
        (providers[0], providers[1], providers[2]) = (actors[3], actors[4], actor(seed >> 16));
        vm.prank(actor(seed));
        ledger.retrieve(anyServing(seed), providers);
    }

    function authorize(uint256 seed) external watched(actor(seed), none()) {
        address at_ = anyServing(seed);
        bool isRogue = at_ == address(rogue);
        bool isLimited = isRogue || (seed >> 8) % 4 == 0;
        uint256 allowance = isLimited ? bound(seed >> 16, 0, 1 ether) : type(uint256).max;
        if (isRogue) rogueAllowed[actor(seed)] += allowance;
        vm.prank(actor(seed));
        ledger.authorize(at_, allowance);
    }

    /// @notice The rogue contract reserves, releases and pays out what it can, of anybody to anybody.
    function robbery(uint256 seed) external {
        (address victim, address provider_) = (actor(seed), offerer(seed >> 16));
        uint256[5] memory before = totals();
        uint256 allowance = ledger.allowanceOf(victim, address(rogue));
        rogue.reserve(victim, provider_, bound(seed >> 24, 0, allowance + 1));
        uint256 held = ledger.subAccountOf(victim, address(rogue), provider_).reserved;
        if (seed & 0x300 == 0) rogue.release(victim, provider_, bound(seed >> 32, 0, held + 1));
        else rogue.settle(victim, provider_, bound(seed >> 32, 0, held + 1), actor(seed >> 40));
        for (uint256 i = 0; i < 5; ++i) {
            uint256 left = total(actors[i]);
            if (left < before[i]) rogueTaken[actors[i]] += before[i] - left;
        }
        ++calls;
        noteAllowances(address(rogue));
    }

    // -- Services ------------------------------------------------------------------------------------------------

    function updateService(uint256 seed) external watched(offerer(seed), none()) {
        use(seed >> 80);
        vm.prank(offerer(seed));
        try serving.updateService(termsFrom(seed)) {} catch {}
    }

    function removeOrRegisterService(uint256 seed) external watched(offerer(seed), none()) {
        use(seed >> 80);
        vm.prank(offerer(seed));
        try serving.removeService() {
            if (seed & 0x80 == 0) return;
        } catch {}
        vm.prank(offerer(seed));
        try serving.registerService(termsFrom(seed)) {} catch {}
    }

    // -- Tasks ---------------------------------------------------------------------------------------------------

    function createTask(uint256 seed) external watched(actor(seed), none()) {
        use(seed >> 80);
        TaskOrder memory wanted = orderBy(actor(seed), offerer(seed >> 16));
        wanted.units = uint64(bound(seed >> 24, 1, 1_000_000));
        wanted.maxFee = seed & 0x700 == 0 ? 0.01 ether : 1 ether;
        vm.prank(actor(seed));
        try serving.createTask(wanted) returns (TaskId id) {
            tasks.push(id);
            _servingOf[id] = (seed >> 80) % 2;
            ++reached[TaskState.Created];
            _states[id] = TaskState.Created;
        } catch {}
    }

    function cancelTask(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Created);
        cancel(id, seed & 0x80 == 0 ? serving.taskOf(id).user : actor(seed));
    }

    function acceptTask(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Created);
        accept(id, caller(seed, OPERATOR));
    }

    function failTask(uint256 seed) external {
        TaskId id = pick(seed, seed & 0x100 == 0 ? TaskState.Created : TaskState.Accepted);
        fail(id, caller(seed, OPERATOR));
    }

    function deliver(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Accepted);
        deliver(id, caller(seed, OPERATOR), bound(seed >> 64, 0, uint256(serving.taskOf(id).fee) + 1));
    }

    function settleCancelled(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Accepted);
        Task memory task = serving.taskOf(id);
        uint256 signer = 1 + ((seed >> 40) % 5);
        if (task.user != actors[signer - 1] && seed & 0x300 != 0) return;
        uint256 amount = bound(seed >> 48, 0, uint256(task.fee) + 1);
        settle(id, caller(seed, OPERATOR), amount, consent(signer, id, amount, block.timestamp));
    }

    function demandChunk(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Delivered);
        demand(id, caller(seed, serving.taskOf(id).user), (seed >> 64) % 17);
    }

    function answerChunk(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Demanded);
        answer(id, caller(seed, OPERATOR));
    }

    function acknowledge(uint256 seed) external {
        TaskId id = pick(seed, seed & 0x300 == 0 ? TaskState.Lapsed : TaskState.Delivered);
        acknowledge(id, caller(seed, serving.taskOf(id).user));
    }

    function reveal(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Acknowledged);
        reveal(id, caller(seed, OPERATOR));
    }

    function confirm(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Revealed);
        confirm(id, caller(seed, serving.taskOf(id).user));
    }

    function proveMisbehaviour(uint256 seed) external {
        TaskId id = pick(seed, TaskState.Revealed);
        prove(id, caller(seed, serving.taskOf(id).user));
        if (serving.taskOf(id).state != TaskState.Slashed) return;
        // or the slashed one would accept nothing any more
        this.updateService(seed << 8);
        this.updateService((seed << 8) | 1);
    }

    function finalize(uint256 seed) external {
        finalize(pick(seed, TaskState.Revealed), actor(seed));
    }

    function expire(uint256 seed) external {
        TaskState[3] memory due = [TaskState.Accepted, TaskState.Demanded, TaskState.Acknowledged];
        expire(pick(seed, due[(seed >> 8) % 3]), actor(seed));
    }

    function lapse(uint256 seed) external {
        lapse(pick(seed, TaskState.Delivered), actor(seed));
    }

    /// @notice Two tasks take their regular next step, so that many come far.
    function advance(uint256 seed) external {
        for (uint256 i = 0; i < 2 && i < tasks.length; ++i) {
            TaskId id = tasks[tasks.length - 1 - (((seed >> 64) + i) % (tasks.length < 4 ? tasks.length : 4))];
            use(_servingOf[id]);
            Task memory task = serving.taskOf(id);
            if (task.state == TaskState.Created) accept(id, OPERATOR);
            else if (task.state == TaskState.Accepted) deliver(id, OPERATOR, task.fee);
            else if (task.state == TaskState.Demanded) answer(id, OPERATOR);
            else if (task.state == TaskState.Delivered) acknowledge(id, task.user);
            else if (task.state == TaskState.Acknowledged) reveal(id, OPERATOR);
            else if (task.state == TaskState.Revealed) confirm(id, task.user);
        }
    }

    /// @notice One of the newest tasks is left alone until its deadline has passed; then somebody ends it.
    function neglect(uint256 seed) external {
        if (tasks.length < 4) return;
        TaskId id = tasks[tasks.length - 1 - ((seed >> 64) % 4)];
        use(_servingOf[id]);
        bool waits = serving.taskOf(id).state == TaskState.Created;
        if (waits && (seed >> 72) % 8 != 0) return; // weeks, in which everything else would end
        if (deadlineOf(id) >= block.timestamp) vm.warp(deadlineOf(id) + 1);
        cancel(id, actor(seed));
        finalize(id, actor(seed));
        expire(id, actor(seed));
        lapse(id, actor(seed));
    }

    /// @notice Seconds to days pass; now and then exactly to some task's deadline, or one second after it.
    function pass(uint256 seed) external {
        uint256 time = block.timestamp + bound(seed >> 8, 1, 8 hours);
        if (tasks.length > 4 && seed & 3 != 0) {
            TaskId id = tasks[tasks.length - 1 - ((seed >> 16) % 4)];
            use(_servingOf[id]);
            uint256 deadline = deadlineOf(id) + (seed & 1);
            if (deadline > block.timestamp && deadline < block.timestamp + 8 days) time = deadline;
        }
        vm.warp(time);
    }

    /// @notice Brings every task to its end: what is due by anybody, what nobody accepted by its user.
    function endEverything() external {
        for (uint256 round = 0; round < 2; ++round) {
            vm.warp(block.timestamp + 400 days);
            for (uint256 i = 0; i < tasks.length; ++i) {
                TaskId id = tasks[i];
                use(_servingOf[id]);
                cancel(id, serving.taskOf(id).user);
                finalize(id, stranger);
                expire(id, stranger);
                lapse(id, stranger);
            }
        }
    }

    // -- One verb on one task ------------------------------------------------------------------------------------

    function cancel(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.cancelTask(id) {} catch {}
    }

    function accept(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.acceptTask(id) {} catch {}
    }

    function fail(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.failTask(id, FailReason.TrainingError) {} catch {}
    }

    function deliver(TaskId id, address as_, uint256 fee) private watched(as_, id) {
        DeliveryOrder memory delivered_ = delivery(id);
        delivered_.fee = uint96(fee);
        vm.prank(as_);
        try serving.deliver(delivered_) {} catch {}
    }

    function demand(TaskId id, address as_, uint256 index) private watched(as_, id) {
        vm.prank(as_);
        try serving.demandChunk(id, index) {} catch {}
    }

    /// @dev All chunks are the same, and so are their paths.
    function answer(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.answerChunk(id, new bytes(256), chunkPath()) {} catch {}
    }

    function settle(TaskId id, address as_, uint256 amount, bytes memory signature) private watched(as_, id) {
        vm.prank(as_);
        try serving.settleCancelled(id, amount, block.timestamp, signature) {} catch {}
    }

    function acknowledge(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.acknowledge(id, ROOT) {} catch {}
    }

    function reveal(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT) {} catch {}
    }

    function confirm(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.confirm(id) {} catch {}
    }

    function prove(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.proveMisbehaviour(id, misbehaviour()) {} catch {}
    }

    function finalize(TaskId id, address as_) private watched(as_, id) {
        TaskId[] memory ids = new TaskId[](2);
        (ids[0], ids[1]) = (id, id);
        vm.prank(as_);
        serving.finalize(ids);
    }

    function expire(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.expire(id) {} catch {}
    }

    function lapse(TaskId id, address as_) private watched(as_, id) {
        vm.prank(as_);
        try serving.lapse(id) {} catch {}
    }

    // -- Choices -------------------------------------------------------------------------------------------------

    function actor(uint256 seed) private view returns (address) {
        return actors[(seed & 0xff) % 5];
    }

    function offerer(uint256 seed) private view returns (address) {
        return actors[3 + (seed & 1)];
    }

    /// @dev Mostly the right one, sometimes anybody.
    function caller(uint256 seed, address right) private view returns (address) {
        return (seed >> 56) % 8 == 0 ? actor(seed) : right;
    }

    function none() private pure returns (TaskId) {
        return TaskId.wrap(0);
    }

    /// @dev A task in the given state if one is found soon, else any task, else none. Newer tasks come first.
    function pick(uint256 seed, TaskState state) private returns (TaskId id) {
        uint256 length = tasks.length;
        if (length == 0) return none();
        uint256 start = (seed >> 64) % 4;
        for (uint256 i = 0; i < 8; ++i) {
            id = tasks[length - 1 - ((start + i) % length)];
            if (_states[id] == state) break;
        }
        use(_servingOf[id]);
    }

    /// @dev The verbs that follow are called at one of the honest contracts.
    function use(uint256 n) private {
        serving = honest[n % 2];
    }

    function anyServing(uint256 seed) private view returns (address) {
        return servings()[(seed >> 72) % 3];
    }

    function balanceAt(uint256 seed) private view returns (uint256) {
        return ledger.subAccountOf(actor(seed), anyServing(seed), offerer(seed >> 16)).balance;
    }

    function termsFrom(uint256 seed) private pure returns (ServiceTerms memory t) {
        t = terms();
        t.pricePerUnit = uint96(bound(seed >> 8, 1, 5e11));
        t.maxTrainingTime = uint40(bound(seed >> 16, 1 hours, 12 hours));
        t.bondBps = uint16(bound(seed >> 24, 10_000, 65_535));
        t.unacknowledgedBps = uint16(bound(seed >> 32, 0, 3_000));
        t.openTasksPerUser = uint16(bound(seed >> 40, 1, 3));
        t.accepting = seed % 8 != 7;
    }

    // -- Judgement -----------------------------------------------------------------------------------------------

    function totals() private view returns (uint256[5] memory all) {
        for (uint256 i = 0; i < 5; ++i) {
            all[i] = total(actors[i]);
        }
    }

    /// @dev P7: a call by X lowers nothing of Y, except the task they agreed on, by at most its fee or bond.
    function judge(address who, TaskId id, uint256[5] memory before) private {
        uint256[5] memory afterwards = totals();
        Task memory task;
        if (TaskId.unwrap(id) != 0) {
            task = serving.taskOf(id);
            if (task.state != _states[id]) ++reached[task.state];
            _states[id] = task.state;
        }
        noteAllowances(who);
        for (uint256 i = 0; i < 5; ++i) {
            if (actors[i] == who || afterwards[i] >= before[i]) continue;
            uint256 loss = before[i] - afterwards[i];
            uint256 allowed =
                actors[i] == task.user
                    ? task.fee
                    : actors[i] == task.provider
                        ? Fees.bondFor(task.fee, task.bondBps)
                        : 0;
            if (loss > allowed) unfairLoss = true;
        }
    }

    /// @dev P25: a call by X raises no allowance of Y.
    function noteAllowances(address who) private {
        for (uint256 n = 0; n < 3; ++n) {
            for (uint256 i = 0; i < 5; ++i) {
                uint256 allowance = ledger.allowanceOf(actors[i], servings()[n]);
                if (allowance > _allowances[n][i] && actors[i] != who) unfairAllowance = true;
                _allowances[n][i] = allowance;
            }
        }
    }
}

/// @notice A serving contract that serves nobody: anyone can make it call the Ledger.
contract Rogue {
    Ledger private immutable _ledger;

    constructor(Ledger ledger) {
        _ledger = ledger;
    }

    function reserve(address account, address provider, uint256 amount) external {
        try _ledger.reserve(account, provider, amount) {} catch {}
    }

    function release(address account, address provider, uint256 amount) external {
        try _ledger.release(account, provider, amount) {} catch {}
    }

    function settle(address account, address provider, uint256 amount, address payee) external {
        try _ledger.settle(account, provider, amount, payee) {} catch {}
    }
}
