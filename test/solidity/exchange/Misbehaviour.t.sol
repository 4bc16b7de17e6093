// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../../contracts/interfaces/IDisputes.sol";
import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {Fees} from "../../../contracts/libraries/Fees.sol";
import {MisbehaviourProof} from "../../../contracts/types/MisbehaviourProof.sol";
import {ServiceTerms} from "../../../contracts/types/Service.sol";
import {TaskOrder, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {Containers, Place} from "../helpers/Containers.sol";
import {World} from "../helpers/World.sol";

/// @notice P24: honest containers are never slashable, a page that differs from its entry always is.
contract MisbehaviourTest is Containers {
    /// @dev Page 0 of 129 pages: its entry is in another segment. The storage tree has an odd number of nodes.
    function aDataPage() private pure returns (Place memory) {
        return Place({size: 128 * 4096 + 1, leaves: 144, page: 0, parent: 129, entry: 0, isTop: false});
    }

    /// @dev Every level, both sides of every boundary: pages of a hash page, segments, blinds, levels.
    function places() private pure returns (Place[] memory all) {
        all = new Place[](22);
        all[0] = Place({size: 1, leaves: 1, page: 0, parent: 0, entry: 0, isTop: true});
        all[1] = Place({size: 4096, leaves: 1, page: 0, parent: 0, entry: 0, isTop: true});
        all[2] = Place({size: 4097, leaves: 3, page: 0, parent: 2, entry: 0, isTop: false});
        all[3] = Place({size: 4097, leaves: 3, page: 1, parent: 2, entry: 1, isTop: false});
        all[4] = Place({size: 4097, leaves: 3, page: 2, parent: 0, entry: 0, isTop: true});
        all[5] = Place({size: 128 * 4096, leaves: 144, page: 127, parent: 128, entry: 127, isTop: false});
        all[6] = Place({size: 128 * 4096, leaves: 144, page: 128, parent: 0, entry: 0, isTop: true});
        all[7] = aDataPage();
        all[8] = Place({size: 128 * 4096 + 1, leaves: 144, page: 63, parent: 129, entry: 63, isTop: false});
        all[9] = Place({size: 128 * 4096 + 1, leaves: 144, page: 64, parent: 129, entry: 64, isTop: false});
        all[10] = Place({size: 128 * 4096 + 1, leaves: 144, page: 127, parent: 129, entry: 127, isTop: false});
        all[11] = Place({size: 128 * 4096 + 1, leaves: 144, page: 128, parent: 130, entry: 0, isTop: false});
        all[12] = Place({size: 128 * 4096 + 1, leaves: 144, page: 129, parent: 131, entry: 0, isTop: false});
        all[13] = Place({size: 128 * 4096 + 1, leaves: 144, page: 130, parent: 131, entry: 1, isTop: false});
        all[14] = Place({size: 128 * 4096 + 1, leaves: 144, page: 131, parent: 0, entry: 0, isTop: true});
        // 1 GiB: 262,144 pages, 2,048 + 16 + 1 hash pages, padded to 17 sixteenths of 2^18.
        all[15] = Place({size: 2 ** 30, leaves: 294_912, page: 100_000, parent: 262_925, entry: 32, isTop: false});
        all[16] = Place({size: 2 ** 30, leaves: 294_912, page: 262_143, parent: 264_191, entry: 127, isTop: false});
        all[17] = Place({size: 2 ** 30, leaves: 294_912, page: 262_144, parent: 264_192, entry: 0, isTop: false});
        // Segment 4,096 has blind 0 again: here page and entry share it, though not their segment.
        all[18] = Place({size: 2 ** 30, leaves: 294_912, page: 7, parent: 262_144, entry: 7, isTop: false});
        all[19] = Place({size: 2 ** 30, leaves: 294_912, page: 264_207, parent: 264_208, entry: 15, isTop: false});
        all[20] = Place({size: 2 ** 30, leaves: 294_912, page: 264_208, parent: 0, entry: 0, isTop: true});
        // 128 TiB, the largest: 2^35 pages, then 2^28, 2^21, 2^14, 2^7, 1; padded to 9 sixteenths of 2^36.
        all[21] = Place({
            size: 2 ** 47,
            leaves: 2 ** 35 + 2 ** 32,
            page: 2 ** 35 - 1,
            parent: 2 ** 35 + 2 ** 28 - 1,
            entry: 127,
            isTop: false
        });
    }

    function prove(TaskId id, MisbehaviourProof memory proof) private {
        vm.prank(user);
        serving.proveMisbehaviour(id, proof);
    }

    function isInvalid(TaskId id, MisbehaviourProof memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingInvalidProof.selector, id));
        prove(id, proof);
    }

    // -- The rule ------------------------------------------------------------------------------------------------

    /// @dev In groups, because the runner repeats a failing test with every step recorded: half a gigabyte a place.
    function areFine(uint256 first, uint256 end) private {
        uint256 start = vm.snapshotState();
        for (uint256 i = first; i < end; ++i) {
            (TaskId id, MisbehaviourProof memory proof) = sold(places()[i], true);
            vm.expectRevert(abi.encodeWithSelector(IDisputes.ServingNoMisbehaviour.selector, id));
            prove(id, proof);
            vm.revertToState(start);
        }
    }

    function areSlashed(uint256 first, uint256 end) private {
        uint256 start = vm.snapshotState();
        for (uint256 i = first; i < end; ++i) {
            (TaskId id, MisbehaviourProof memory proof) = sold(places()[i], false);
            vm.expectEmit(address(serving));
            emit IDisputes.TaskSlashed(id, user, provider, block.number, proof.page, BOND / 2, BOND / 2);
            prove(id, proof);
            isIn(id, TaskState.Slashed);
            vm.revertToState(start);
        }
    }

    function test_P24_GivenOneOrTwoPages_WhenAPageIsAsItsEntrySays_IsNotSlashable() public {
        areFine(0, 5);
    }

    function test_P24_GivenOneOrTwoPages_WhenAPageDiffersFromItsEntry_IsSlashed() public {
        areSlashed(0, 5);
    }

    function test_P24_GivenAFullHashPage_WhenAPageIsAsItsEntrySays_IsNotSlashable() public {
        areFine(5, 10);
    }

    function test_P24_GivenAFullHashPage_WhenAPageDiffersFromItsEntry_IsSlashed() public {
        areSlashed(5, 10);
    }

    function test_P24_GivenThreeLevels_WhenAPageIsAsItsEntrySays_IsNotSlashable() public {
        areFine(10, 15);
    }

    function test_P24_GivenThreeLevels_WhenAPageDiffersFromItsEntry_IsSlashed() public {
        areSlashed(10, 15);
    }

    function test_P24_GivenOneGibibyte_WhenAPageIsAsItsEntrySays_IsNotSlashable() public {
        areFine(15, 21);
    }

    function test_P24_GivenOneGibibyte_WhenAPageDiffersFromItsEntry_IsSlashed() public {
        areSlashed(15, 21);
    }

    function test_P24_GivenTheLargestSize_WhenAPageIsAsItsEntrySays_IsNotSlashable() public {
        areFine(21, 22);
    }

    function test_P24_GivenTheLargestSize_WhenAPageDiffersFromItsEntry_IsSlashed() public {
        areSlashed(21, 22);
    }

    // -- Proofs that show nothing --------------------------------------------------------------------------------

    function test_GivenFault_WhenTheCommitmentIsNotOpened_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), false);
        (bytes32 key, bytes32 blindRoot) = (proof.key, proof.blindRoot);
        proof.key = keccak256("another");
        isInvalid(id, proof);
        (proof.key, proof.blindRoot) = (key, keccak256("another"));
        isInvalid(id, proof);
        (proof.blindRoot, proof.contentRoot) = (blindRoot, keccak256("another"));
        isInvalid(id, proof);
    }

    function test_GivenHonest_WhenAnotherPlaceIsClaimed_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), true);
        uint256[7] memory pages = [uint256(1), 64, 128, 129, 131, 132, type(uint256).max];
        for (uint256 i = 0; i < pages.length; ++i) {
            proof.page = pages[i];
            isInvalid(id, proof);
        }
    }

    /// @dev Whoever reads the padding as a page takes the first bytes of page 0 for its entry, which slashes anybody.
    function test_P24_GivenPadding_WhenItIsProvedToBeAPage_Reverts() public {
        Place memory padding = Place({size: 128 * 4096 + 1, leaves: 144, page: 132, parent: 0, entry: 0, isTop: false});
        (TaskId id, MisbehaviourProof memory proof) = sold(padding, false);
        isInvalid(id, proof);
    }

    function test_GivenHonest_WhenThePageIsNotTheDelivered_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), true);
        bytes memory delivered_ = proof.pageBytes;
        proof.pageBytes = abi.encodePacked(delivered_, uint256(0));
        isInvalid(id, proof);
        proof.pageBytes = new bytes(4095);
        isInvalid(id, proof);
        proof.pageBytes = "";
        isInvalid(id, proof);
        proof.pageBytes = delivered_;
        delivered_[4095] ^= 0x01;
        isInvalid(id, proof);
    }

    function test_GivenHonest_WhenAPathIsBent_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), true);
        bytes32[][4] memory right = [proof.pagePath, proof.blindPath, proof.entryPath, proof.entryBlindPath];
        for (uint256 bend = 0; bend < 12; ++bend) {
            bytes32[][4] memory paths = right;
            bytes32[] memory straight = right[bend / 3];
            paths[bend / 3] = bent(straight, bend % 3);
            (proof.pagePath, proof.blindPath, proof.entryPath, proof.entryBlindPath) = (
                paths[0],
                paths[1],
                paths[2],
                paths[3]
            );
            isInvalid(id, proof);
            paths[bend / 3] = straight;
        }
    }

    /// @dev One sibling changed, one missing, one too many.
    function bent(bytes32[] memory path, uint256 how) private pure returns (bytes32[] memory bent_) {
        uint256 length =
            how == 0
                ? path.length
                : how == 1
                    ? path.length - 1
                    : path.length + 1;
        bent_ = new bytes32[](length);
        for (uint256 i = 0; i < length && i < path.length; ++i) {
            bent_[i] = path[i];
        }
        if (how == 0) bent_[length - 1] ^= bytes32(uint256(1));
    }

    function test_GivenHonest_WhenABlindIsNotTheAgreed_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), true);
        (bytes32 blind, bytes32 entryBlind) = (proof.blind, proof.entryBlind);
        proof.blind = entryBlind;
        isInvalid(id, proof);
        (proof.blind, proof.entryBlind) = (blind, blind);
        isInvalid(id, proof);
        (proof.entryBlind, proof.entryBlindPath) = (0, new bytes32[](0));
        isInvalid(id, proof);
    }

    function test_GivenSharedBlind_WhenOneIsGivenForTheEntry_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(places()[18], true);
        proof.entryBlind = proof.blind;
        isInvalid(id, proof);
        proof.entryBlindPath = proof.blindPath;
        isInvalid(id, proof);
        proof.entryBlind = 0;
        isInvalid(id, proof);
    }

    function test_GivenHonest_WhenTheEntryIsNotTheDelivered_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), true);
        proof.entryChunk[255] ^= 0x01;
        isInvalid(id, proof);
        proof.entryChunk = new bytes(255);
        isInvalid(id, proof);
        proof.entryChunk = new bytes(257);
        isInvalid(id, proof);
        proof.entryChunk = "";
        isInvalid(id, proof);
    }

    function test_GivenHonest_WhenTheTopPagesRuleIsAskedForAnotherPage_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), true);
        (proof.entryChunk, proof.entryPath) = ("", new bytes32[](0));
        (proof.entryBlind, proof.entryBlindPath) = (0, new bytes32[](0));
        isInvalid(id, proof);
    }

    function test_GivenTopPage_WhenAnEntryIsGivenToo_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(places()[4], false);
        proof.entryChunk = new bytes(256);
        isInvalid(id, proof);
        (proof.entryChunk, proof.entryPath) = ("", new bytes32[](1));
        isInvalid(id, proof);
        (proof.entryPath, proof.entryBlind) = (new bytes32[](0), proof.blind);
        isInvalid(id, proof);
        (proof.entryBlind, proof.entryBlindPath) = (0, proof.blindPath);
        isInvalid(id, proof);
    }

    function test_GivenFault_WhenProvedForAnotherTask_Reverts() public {
        (TaskId id, MisbehaviourProof memory proof) = sold(aDataPage(), false);
        prove(id, proof);
        (TaskId honest, ) = sold(aDataPage(), true);
        isInvalid(honest, proof);
    }
}

/// @notice What a proof moves, and when it may be given.
contract ProveMisbehaviourTest is World {
    function prove(TaskId id, address as_) private {
        MisbehaviourProof memory proof = misbehaviour();
        vm.prank(as_);
        serving.proveMisbehaviour(id, proof);
    }

    function test_GivenRevealed_WhenProved_TheFeeIsBackAndHalfOfTheBondIsTheUsers() public {
        TaskId id = revealed();
        vm.expectEmit(address(serving));
        emit IDisputes.TaskSlashed(id, user, provider, block.number, 0, BOND / 2, BOND / 2);
        prove(id, user);
        isIn(id, TaskState.Slashed);
        eq(deadlineOf(id), 0, "deadline");
        eq(serving.taskOf(id).paid, 0, "paid");
        eq(total(user), FUNDS + BOND / 2, "user");
        eq(total(provider), FUNDS - BOND, "provider");
        eq(ledger.burned(), BOND / 2, "burned");
        eq(available(user), FUNDS - FEE + BOND / 2, "the compensation is free at once");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(serving.openTaskCount(user, provider), 0, "open");
        eq(counters().open, 0, "service's open");
        eq(counters().slashed, 1, "slashed");
        eq(counters().confirmed + counters().finalized, 0, "not completed");
        eq(serving.serviceOf(provider).earned, 0, "earned");
    }

    function test_P27_GivenSlashed_WhenOrderedFrom_RevertsUntilTheTermsAreUpdated() public {
        prove(revealed(), user);
        TaskOrder memory next = order();
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingNotAccepting.selector, provider));
        vm.prank(user);
        serving.createTask(next);
        vm.prank(provider);
        serving.updateService(terms());
        created();
    }

    function test_GivenOddBond_WhenProved_TheHalvesAddUp() public {
        ServiceTerms memory t = terms();
        t.bondBps = 10_000;
        vm.prank(provider);
        serving.updateService(t);
        TaskId id = revealed();
        vm.expectEmit(address(serving));
        emit IDisputes.TaskSlashed(id, user, provider, block.number, 0, 3_500_011, 3_500_010);
        prove(id, user);
        eq(total(user), FUNDS + 3_500_011, "half, rounded up");
        eq(ledger.burned(), 3_500_010, "the rest");
        eq(total(provider), FUNDS - FEE, "a bond of 7,000,021");
    }

    function testFuzz_P8_GivenBond_TheSharesAddUpAndDifferByOneAtMost(uint128 bond) public pure {
        uint256 share = Fees.brokenPromiseShare(bond);
        check(share <= bond, "part of the whole");
        check(share - (bond - share) <= 1, "half");
    }

    function test_GivenLateAcknowledgement_WhenProved_TheRestOfTheFeeIsBackAndNoBondIsTouched() public {
        TaskId id = acknowledgedLate();
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        vm.expectEmit(address(serving));
        emit IDisputes.TaskSlashed(id, user, provider, block.number, 0, 0, 0);
        prove(id, user);
        eq(total(user), FUNDS - LAPSE_SHARE, "user");
        eq(total(provider), FUNDS + LAPSE_SHARE, "provider");
        eq(serving.taskOf(id).paid, LAPSE_SHARE, "paid");
        eq(ledger.burned(), 0, "burned");
        eq(feeReserved() + bondReserved(), 0, "nothing reserved");
        eq(counters().slashed, 1, "slashed");
        eq(counters().lapsed, 0, "not lapsed any more");
    }

    function test_GivenStranger_WhenProved_Reverts() public {
        TaskId id = revealed();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, stranger));
        prove(id, stranger);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotUser.selector, id, provider));
        prove(id, provider);
    }

    function test_GivenDeadline_WhenProvedOnItsSecond_Works() public {
        TaskId id = revealed();
        atDeadline(id);
        prove(id, user);
    }

    function test_GivenDeadline_WhenProvedOneSecondLate_Reverts() public {
        TaskId id = revealed();
        afterDeadline(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingDeadlinePassed.selector, id, START + DISPUTE));
        prove(id, user);
    }

    function test_P14_GivenSlashed_WhenProvedConfirmedOrFinalized_NothingMovesTwice() public {
        TaskId id = slashed();
        bytes memory slashed_ = abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Slashed);
        vm.expectRevert(slashed_);
        prove(id, user);
        vm.expectRevert(slashed_);
        vm.prank(user);
        serving.confirm(id);
        TaskId[] memory ids = new TaskId[](1);
        ids[0] = id;
        vm.warp(START + 100 days);
        serving.finalize(ids);
        eq(total(provider), FUNDS - BOND, "provider");
    }

    function test_GivenSettled_WhenProved_Reverts() public {
        TaskId id = settled();
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingWrongState.selector, id, TaskState.Settled));
        prove(id, user);
    }

    function test_GivenRevokedAuthorizations_WhenProved_TheUserIsStillCompensated() public {
        TaskId id = revealed();
        vm.prank(provider);
        ledger.authorize(address(serving), 0);
        prove(id, user);
        eq(total(user), FUNDS + BOND / 2, "user");
    }
}
