// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FineTuningServing} from "../../../contracts/FineTuningServing.sol";
import {Ledger} from "../../../contracts/Ledger.sol";
import {MisbehaviourProof} from "../../../contracts/types/MisbehaviourProof.sol";
import {Service, ServiceCounters, ServiceTerms, Unit} from "../../../contracts/types/Service.sol";
import {ServingParameters} from "../../../contracts/types/ServingParameters.sol";
import {DeliveryOrder, FailReason, Task, TaskOrder, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {Assertions} from "./Assertions.sol";

/// @notice Both contracts, one registered provider, one user with money, and the way to every state of a task.
abstract contract World is Assertions {
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant LOCK = 24 hours;
    uint256 internal constant STAKE = 1 ether;
    uint256 internal constant ACK = 72 hours;
    uint256 internal constant REVEAL = 12 hours;
    uint256 internal constant DISPUTE = 24 hours;
    uint256 internal constant LATE = 30 days;
    uint256 internal constant VALID = 20 days;
    uint256 internal constant TRAINING = 6 hours;

    // Numbers that leave a remainder in every division.
    uint96 internal constant PRICE = 7;
    uint64 internal constant UNITS = 1_000_003;
    uint64 internal constant MINIMUM_UNITS = 1_009;
    uint16 internal constant BOND_BPS = 12_345;
    uint16 internal constant UNACKNOWLEDGED_BPS = 2_501;
    uint256 internal constant FEE = 7_000_021;
    uint256 internal constant BOND = 8_641_526; // 8,641,525.92 rounded up
    uint256 internal constant COMPENSATION = 2_160_381; // a quarter of the bond, rounded down
    uint256 internal constant LAPSE_SHARE = 1_750_705; // 25.01 % of the fee, rounded down

    // What every test delivers: one page of zeros under a content root that it does not decrypt to. So every revealed
    // task can be slashed, with the proof below.
    /// @dev The storage root of 4,096 zeros.
    bytes32 internal constant ROOT = 0x09c7082879180d28c789c05fafe7030871c76cedbe82c948b165d6a1d66ac15b;
    bytes32 internal constant CONTENT_ROOT = keccak256("content root");
    /// @dev The first blind is 0, and so is every sibling on its path.
    bytes32 internal constant BLIND_ROOT = 0x54a165bff29b760ed9129c444fd274be6d02f6265e4a46c18f0fd8886cd6a430;
    bytes32 internal constant KEY = keccak256("key");
    uint64 internal constant SIZE = 4_000;
    /// @dev One of its 16 chunks.
    uint256 internal constant CHUNK = 5;

    uint256 internal constant USER_KEY = 0xA11CE;
    /// @dev Works for every provider, and has no account of its own.
    address internal constant OPERATOR = address(0x09E);
    uint256 internal constant FUNDS = 100 ether;

    Ledger internal ledger;
    FineTuningServing internal serving;
    address internal user = vm.addr(USER_KEY);
    address internal provider = address(0xB0B);
    address internal stranger = address(0x57A);

    function setUp() public virtual {
        vm.warp(START);
        ledger = new Ledger(LOCK);
        serving = new FineTuningServing(ledger, parameters());
        open(provider, FUNDS);
        vm.prank(provider);
        serving.registerService(terms());
        open(user, FUNDS);
    }

    // -- Ingredients ---------------------------------------------------------------------------------------------

    function parameters() internal pure returns (ServingParameters memory) {
        return ServingParameters({minimumStake: STAKE, ackPeriod: ACK, revealPeriod: REVEAL, disputePeriod: DISPUTE});
    }

    function terms() internal pure returns (ServiceTerms memory) {
        return
            ServiceTerms({
                pricePerUnit: PRICE,
                minimumUnits: MINIMUM_UNITS,
                unit: Unit.Token,
                maxTrainingTime: uint40(TRAINING),
                bondBps: BOND_BPS,
                unacknowledgedBps: UNACKNOWLEDGED_BPS,
                openTasksPerUser: 1,
                accepting: true,
                operator: OPERATOR,
                catalogueHash: keccak256("catalogue"),
                encryptionKey: publicKey("provider"),
                url: "https://provider.example:8443"
            });
    }

    function publicKey(string memory name) internal pure returns (bytes memory) {
        return abi.encodePacked(bytes1(0x02), keccak256(bytes(name)));
    }

    function order() internal view returns (TaskOrder memory) {
        return orderBy(user, provider);
    }

    function orderBy(address user_, address provider_) internal view returns (TaskOrder memory) {
        return
            TaskOrder({
                provider: provider_,
                nonce: uint64(serving.taskCount(user_, provider_)),
                units: UNITS,
                offer: offerOf(provider_),
                validUntil: uint40(block.timestamp + VALID),
                maxFee: uint96(FEE),
                model: keccak256("model"),
                datasetRoot: keccak256("dataset"),
                validationRoot: 0,
                blindRoot: BLIND_ROOT,
                userKey: publicKey("user"),
                config: bytes('{"epochs":3}')
            });
    }

    /// @notice The number of a provider's offer; 0 if there is none.
    function offerOf(address provider_) internal view returns (uint32) {
        try serving.serviceOf(provider_) returns (Service memory service) {
            return service.offer;
        } catch {
            return 0;
        }
    }

    function delivery(TaskId id) internal pure returns (DeliveryOrder memory) {
        return
            DeliveryOrder({
                id: id,
                size: SIZE,
                fee: uint96(FEE),
                root: ROOT,
                contentRoot: CONTENT_ROOT,
                keyCommit: keccak256(abi.encode(KEY)),
                receiptRoot: keccak256("receipt")
            });
    }

    /// @notice What `exchange` holds from the delivery on.
    function commitment() internal pure returns (bytes32) {
        return keccak256(abi.encode(BLIND_ROOT, CONTENT_ROOT, keccak256(abi.encode(KEY))));
    }

    function misbehaviour() internal pure returns (MisbehaviourProof memory proof) {
        proof.key = KEY;
        proof.blindRoot = BLIND_ROOT;
        proof.contentRoot = CONTENT_ROOT;
        proof.pageBytes = new bytes(4096);
        proof.blindPath = new bytes32[](12);
    }

    /// @notice The siblings from a chunk of zeros to ROOT: each the root of as many zeros.
    function chunkPath() internal pure returns (bytes32[] memory path) {
        path = new bytes32[](4);
        path[0] = keccak256(new bytes(256));
        for (uint256 i = 1; i < path.length; ++i) path[i] = keccak256(abi.encode(path[i - 1], path[i - 1]));
    }

    // -- Steps ---------------------------------------------------------------------------------------------------

    function open(address owner, uint256 amount) internal {
        vm.deal(owner, amount);
        vm.prank(owner);
        ledger.openAccount{value: amount}(address(serving), type(uint256).max);
    }

    function created() internal returns (TaskId id) {
        TaskOrder memory wanted = order();
        vm.prank(user);
        return serving.createTask(wanted);
    }

    function accepted() internal returns (TaskId id) {
        id = created();
        vm.prank(OPERATOR);
        serving.acceptTask(id);
    }

    function delivered() internal returns (TaskId id) {
        id = accepted();
        vm.prank(OPERATOR);
        serving.deliver(delivery(id));
    }

    function demanded() internal returns (TaskId id) {
        id = delivered();
        vm.prank(user);
        serving.demandChunk(id, CHUNK);
    }

    function answer(TaskId id) internal {
        vm.prank(OPERATOR);
        serving.answerChunk(id, new bytes(256), chunkPath());
    }

    function acknowledged() internal returns (TaskId id) {
        id = delivered();
        vm.prank(user);
        serving.acknowledge(id, ROOT);
    }

    function revealed() internal returns (TaskId id) {
        id = acknowledged();
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
    }

    function settled() internal returns (TaskId id) {
        id = revealed();
        vm.prank(user);
        serving.confirm(id);
    }

    function slashed() internal returns (TaskId id) {
        id = revealed();
        vm.prank(user);
        serving.proveMisbehaviour(id, misbehaviour());
    }

    function cancelled() internal returns (TaskId id) {
        id = created();
        vm.prank(user);
        serving.cancelTask(id);
    }

    function failed() internal returns (TaskId id) {
        id = created();
        vm.prank(OPERATOR);
        serving.failTask(id, FailReason.DatasetInvalid);
    }

    function expired() internal returns (TaskId id) {
        id = accepted();
        afterDeadline(id);
        serving.expire(id);
    }

    function lapsed() internal returns (TaskId id) {
        id = delivered();
        afterDeadline(id);
        serving.lapse(id);
    }

    function acknowledgedLate() internal returns (TaskId id) {
        id = lapsed();
        vm.prank(user);
        serving.acknowledge(id, ROOT);
    }

    function taskIn(TaskState state) internal returns (TaskId) {
        if (state == TaskState.Created) return created();
        if (state == TaskState.Accepted) return accepted();
        if (state == TaskState.Delivered) return delivered();
        if (state == TaskState.Demanded) return demanded();
        if (state == TaskState.Acknowledged) return acknowledged();
        if (state == TaskState.Revealed) return revealed();
        if (state == TaskState.Settled) return settled();
        if (state == TaskState.Cancelled) return cancelled();
        if (state == TaskState.Failed) return failed();
        if (state == TaskState.Expired) return expired();
        if (state == TaskState.Lapsed) return lapsed();
        if (state == TaskState.Slashed) return slashed();
        check(state == TaskState.None, "a state that can be reached");
        return serving.taskIdOf(user, provider, 1_000);
    }

    function atDeadline(TaskId id) internal {
        vm.warp(deadlineOf(id));
    }

    function afterDeadline(TaskId id) internal {
        vm.warp(deadlineOf(id) + 1);
    }

    /// @notice The user's signature over SettleCancelled(id, amount, deadline), for this chain and contract.
    function consent(
        uint256 privateKey,
        TaskId id,
        uint256 amount,
        uint256 deadline
    ) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, consentDigest(id, amount, deadline));
        return abi.encodePacked(r, s, v);
    }

    function consentDigest(TaskId id, uint256 amount, uint256 deadline) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Anneal FineTuningServing"),
                keccak256("1"),
                block.chainid,
                address(serving)
            )
        );
        bytes32 content = keccak256(
            abi.encode(keccak256("SettleCancelled(bytes16 id,uint256 amount,uint256 deadline)"), id, amount, deadline)
        );
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    // -- Readings ------------------------------------------------------------------------------------------------

    function deadlineOf(TaskId id) internal view returns (uint256) {
        return serving.taskOf(id).deadline;
    }

    function stateOf(TaskId id) internal view returns (TaskState) {
        return serving.taskOf(id).state;
    }

    function available(address owner) internal view returns (uint256) {
        return ledger.accountOf(owner).available;
    }

    function locked(address owner) internal view returns (uint256) {
        return ledger.accountOf(owner).locked;
    }

    function balance(address owner, address provider_) internal view returns (uint256) {
        return ledger.subAccountOf(owner, address(serving), provider_).balance;
    }

    function reserved(address owner, address provider_) internal view returns (uint256) {
        return ledger.subAccountOf(owner, address(serving), provider_).reserved;
    }

    function returning(address owner, address provider_) internal view returns (uint256) {
        return ledger.subAccountOf(owner, address(serving), provider_).returning;
    }

    function feeReserved() internal view returns (uint256) {
        return reserved(user, provider);
    }

    function bondReserved() internal view returns (uint256) {
        return reserved(provider, provider) - STAKE;
    }

    function total(address owner) internal view returns (uint256) {
        return available(owner) + locked(owner);
    }

    function counters() internal view returns (ServiceCounters memory) {
        return serving.serviceOf(provider).counters;
    }

    function isIn(TaskId id, TaskState state) internal view {
        eq(uint256(stateOf(id)), uint256(state), "state");
    }
}
