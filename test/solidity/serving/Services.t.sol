// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FineTuningServing} from "../../../contracts/FineTuningServing.sol";
import {IServiceRegistry} from "../../../contracts/interfaces/IServiceRegistry.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Service, ServiceTerms, Unit} from "../../../contracts/types/Service.sol";
import {ServingParameters} from "../../../contracts/types/ServingParameters.sol";
import {FailReason, Task} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

contract ServingConstructorTest is World {
    function test_GivenParametersInBounds_WhenDeployed_KeepsThem() public view {
        eq(address(serving.ledger()), address(ledger), "ledger");
        eq(serving.minimumStake(), STAKE, "stake");
        eq(serving.ackPeriod(), ACK, "ack");
        eq(serving.revealPeriod(), REVEAL, "reveal");
        eq(serving.disputePeriod(), DISPUTE, "dispute");
        eq(serving.LATE_ACKNOWLEDGEMENT_PERIOD(), LATE, "late");
        eq(serving.MAX_CONFIG_LENGTH(), 8192, "config");
    }

    function test_GivenPeriodOutOfBounds_WhenDeployed_Reverts() public {
        for (uint256 i = 0; i < 2; ++i) {
            uint256 wrong = i == 0 ? 0 : 30 days + 1;
            ServingParameters memory p = parameters();
            p.ackPeriod = wrong;
            refuses("ackPeriod", wrong, p);
            p = parameters();
            p.revealPeriod = wrong;
            refuses("revealPeriod", wrong, p);
            p = parameters();
            p.disputePeriod = wrong;
            refuses("disputePeriod", wrong, p);
        }
        ServingParameters memory q = parameters();
        q.minimumStake = 0;
        refuses("minimumStake", 0, q);
        q.minimumStake = uint256(type(uint96).max) + 1;
        refuses("minimumStake", q.minimumStake, q);
    }

    function test_GivenShortestAndLongestPeriods_WhenDeployed_Works() public {
        new FineTuningServing(ledger, ServingParameters(1, 1, 1, 1));
        new FineTuningServing(ledger, ServingParameters(type(uint96).max, 30 days, 30 days, 30 days));
    }

    function test_GivenLedgerWithoutCode_WhenDeployed_Reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IServiceRegistry.ServingParameterOutOfBounds.selector, "ledger", 0xDEAD)
        );
        new FineTuningServing(ILedger(address(0xDEAD)), parameters());
    }

    function refuses(string memory name, uint256 value, ServingParameters memory p) private {
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingParameterOutOfBounds.selector, name, value));
        new FineTuningServing(ledger, p);
    }
}

contract RegisterServiceTest is World {
    address internal newcomer = address(0xC0C);

    function setUp() public override {
        super.setUp();
        open(newcomer, 5 ether);
    }

    function test_GivenFunds_WhenRegistered_ReservesTheStakeAndShowsTheTerms() public {
        vm.expectEmit(address(serving));
        emit IServiceRegistry.ServiceRegistered(newcomer, STAKE, 2, terms());
        vm.prank(newcomer);
        serving.registerService(terms());
        eq(reserved(newcomer, newcomer), STAKE, "stake");
        Service memory service = serving.serviceOf(newcomer);
        eq(keccak256(abi.encode(service.terms)), keccak256(abi.encode(terms())), "terms");
        eq(service.provider, newcomer, "provider");
        eq(service.stake, STAKE, "stake shown");
    }

    function test_GivenService_WhenRegisteredAgain_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingServiceExists.selector, provider));
        vm.prank(provider);
        serving.registerService(terms());
    }

    function test_GivenTooLittleForTheStake_WhenRegistered_Reverts() public {
        open(stranger, STAKE - 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, stranger, STAKE - 1, STAKE));
        vm.prank(stranger);
        serving.registerService(terms());
    }

    function test_GivenNoAuthorization_WhenRegistered_Reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.LedgerInsufficientAllowance.selector, stranger, address(serving), 0, STAKE)
        );
        vm.prank(stranger);
        serving.registerService(terms());
    }

    function test_GivenTermsOutOfBounds_WhenRegistered_NamesTheField() public {
        ServiceTerms memory t = terms();
        t.pricePerUnit = 0;
        refuses(t, "pricePerUnit");
        t = terms();
        t.minimumUnits = 0;
        refuses(t, "minimumUnits");
        t = terms();
        t.operator = address(0);
        refuses(t, "operator");
        t = terms();
        t.maxTrainingTime = 0;
        refuses(t, "maxTrainingTime");
        t.maxTrainingTime = 365 days + 1;
        refuses(t, "maxTrainingTime");
        t = terms();
        t.bondBps = 9_999;
        refuses(t, "bondBps");
        t = terms();
        t.unacknowledgedBps = 3_001;
        refuses(t, "unacknowledgedBps");
        t = terms();
        t.openTasksPerUser = 0;
        refuses(t, "openTasksPerUser");
        t = terms();
        t.url = "";
        refuses(t, "url");
        t.url = string(new bytes(257));
        refuses(t, "url");
    }

    function test_GivenTermsAtTheirBounds_WhenRegistered_Works() public {
        ServiceTerms memory t = terms();
        t.pricePerUnit = type(uint96).max;
        t.minimumUnits = type(uint64).max;
        t.unit = Unit.Byte;
        t.maxTrainingTime = 365 days;
        t.bondBps = type(uint16).max;
        t.unacknowledgedBps = 3_000;
        t.openTasksPerUser = type(uint16).max;
        t.url = string(new bytes(256));
        t.encryptionKey[0] = 0x03;
        vm.prank(newcomer);
        serving.registerService(t);
        eq(keccak256(abi.encode(serving.serviceOf(newcomer).terms)), keccak256(abi.encode(t)), "terms");
    }

    function test_GivenMalformedKey_WhenRegistered_Reverts() public {
        bytes[4] memory keys = [
            bytes(""),
            new bytes(33),
            abi.encodePacked(publicKey("a"), uint8(1)),
            abi.encodePacked(bytes1(0x04), KEY)
        ];
        for (uint256 i = 0; i < keys.length; ++i) {
            ServiceTerms memory t = terms();
            t.encryptionKey = keys[i];
            vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingInvalidPublicKey.selector));
            vm.prank(newcomer);
            serving.registerService(t);
        }
    }

    function refuses(ServiceTerms memory t, string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingInvalidTerms.selector, field));
        vm.prank(newcomer);
        serving.registerService(t);
    }
}

contract UpdateServiceTest is World {
    function test_GivenService_WhenUpdated_ShowsTheNewTerms() public {
        ServiceTerms memory t = terms();
        t.pricePerUnit = 9;
        t.accepting = false;
        t.bondBps = 20_000;
        t.url = "https://a.much.longer.host.name.provider.example:8443/with/a/path";
        vm.expectEmit(address(serving));
        emit IServiceRegistry.ServiceUpdated(provider, 2, t);
        vm.prank(provider);
        serving.updateService(t);
        eq(keccak256(abi.encode(serving.serviceOf(provider).terms)), keccak256(abi.encode(t)), "terms");
        eq(reserved(provider, provider), STAKE, "stake unchanged");
    }

    function test_P28_GivenAnyTermThatAnOrderBinds_WhenUpdated_IsANewOffer() public {
        ServiceTerms memory t = terms();
        t.pricePerUnit = 1;
        isNewOffer(t);
        t.minimumUnits = 1;
        isNewOffer(t);
        t.operator = stranger;
        isNewOffer(t);
        t.unit = Unit.Byte;
        isNewOffer(t);
        t.maxTrainingTime = 1;
        isNewOffer(t);
        t.bondBps = 10_001;
        isNewOffer(t);
        t.unacknowledgedBps = 1;
        isNewOffer(t);
        t.catalogueHash = keccak256("another catalogue");
        isNewOffer(t);
        t.encryptionKey = publicKey("another key");
        isNewOffer(t);
        t.encryptionKey[0] = 0x03;
        isNewOffer(t);
    }

    function test_P28_GivenWhatNoOrderBinds_WhenUpdated_IsTheSameOffer() public {
        ServiceTerms memory t = terms();
        t.openTasksPerUser = 9;
        t.accepting = false;
        t.url = "https://elsewhere.example";
        uint256 before = offerOf(provider);
        vm.prank(provider);
        serving.updateService(t);
        eq(offerOf(provider), before, "offer");
    }

    function isNewOffer(ServiceTerms memory t) private {
        uint256 before = offerOf(provider);
        vm.prank(provider);
        serving.updateService(t);
        check(offerOf(provider) > before, "a new offer");
    }

    function test_GivenOpenTask_WhenUpdated_TheTaskKeepsItsTerms() public {
        TaskId id = created();
        ServiceTerms memory t = terms();
        t.pricePerUnit = 1_000;
        t.maxTrainingTime = 1;
        t.bondBps = 10_000;
        t.unacknowledgedBps = 0;
        vm.prank(provider);
        serving.updateService(t);
        vm.prank(OPERATOR);
        serving.acceptTask(id);
        Task memory task = serving.taskOf(id);
        eq(task.fee, FEE, "fee");
        eq(task.bondBps, BOND_BPS, "bond");
        eq(task.unacknowledgedBps, UNACKNOWLEDGED_BPS, "unacknowledged share");
        eq(task.deadline, START + TRAINING, "training time");
        eq(bondReserved(), BOND, "bond reserved");
    }

    function test_GivenNoService_WhenUpdated_Reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingUnknownService.selector, stranger));
        vm.prank(stranger);
        serving.updateService(terms());
    }

    function test_GivenBadTerms_WhenUpdated_Reverts() public {
        ServiceTerms memory t = terms();
        t.bondBps = 0;
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingInvalidTerms.selector, "bondBps"));
        vm.prank(provider);
        serving.updateService(t);
    }
}

/// @notice P29: when a provider last broke a promise is as public as how often.
contract FailureTest is World {
    function failedAt() private view returns (uint256) {
        return serving.serviceOf(provider).failedAt;
    }

    function test_P29_GivenNoBrokenPromise_WhenTasksEnd_NoFailureIsRecorded() public {
        cancelled();
        failed();
        settled();
        lapsed();
        eq(failedAt(), 0, "never");
    }

    function test_P29_GivenTaskGivenUpAfterAcceptance_TheMomentIsRecorded() public {
        TaskId id = accepted();
        vm.warp(START + 77);
        vm.prank(OPERATOR);
        serving.failTask(id, FailReason.TrainingError);
        eq(failedAt(), START + 77, "given up");
    }

    function test_P29_GivenMissedDeadlineOrMisbehaviour_TheMomentIsRecorded() public {
        expired();
        eq(failedAt(), START + TRAINING + 1, "expired");
        TaskId id = revealed();
        vm.warp(block.timestamp + 5);
        vm.prank(user);
        serving.proveMisbehaviour(id, misbehaviour());
        eq(failedAt(), START + TRAINING + 6, "slashed");
    }
}

contract RemoveServiceTest is World {
    function remove() private {
        vm.prank(provider);
        serving.removeService();
    }

    function test_GivenNoOpenTasks_WhenRemoved_FreesTheStake() public {
        vm.expectEmit(address(serving));
        emit IServiceRegistry.ServiceRemoved(provider, STAKE);
        remove();
        eq(reserved(provider, provider), 0, "stake");
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingUnknownService.selector, provider));
        serving.serviceOf(provider);
    }

    function test_GivenOpenTask_WhenRemoved_Reverts() public {
        created();
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingTasksOpen.selector, provider, 1));
        remove();
    }

    function test_GivenNoService_WhenRemoved_Reverts() public {
        remove();
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingUnknownService.selector, provider));
        remove();
    }

    function test_GivenRemoved_WhenRegisteredAgain_KeepsItsHistoryAndItsPlace() public {
        failed();
        settled();
        remove();
        vm.prank(provider);
        serving.registerService(terms());
        eq(counters().refused, 1, "refused");
        eq(counters().confirmed, 1, "confirmed");
        eq(serving.serviceOf(provider).earned, FEE, "earned");
        eq(serving.serviceCount(), 1, "listed once");
    }

    function test_GivenLapsedTask_WhenServiceIsRemoved_LateUserStillGetsHisModel() public {
        TaskId id = lapsed();
        remove();
        vm.prank(user);
        serving.acknowledge(id, ROOT);
        vm.prank(OPERATOR);
        serving.reveal(id, KEY, BLIND_ROOT, CONTENT_ROOT);
        vm.prank(user);
        serving.confirm(id);
        eq(serving.taskOf(id).paid, FEE, "paid in full");
    }
}

contract ServicesPageTest is World {
    function setUp() public override {
        super.setUp();
        for (uint160 i = 1; i <= 4; ++i) {
            open(address(0xE00 + i), 2 ether);
            vm.prank(address(0xE00 + i));
            serving.registerService(terms());
        }
    }

    function test_GivenServices_WhenPaged_ComeInTheOrderOfRegistration() public view {
        eq(serving.serviceCount(), 5, "count");
        Service[] memory page = serving.services(0, 2);
        eq(page.length, 2, "page");
        eq(page[0].provider, provider, "first");
        eq(page[1].provider, address(0xE01), "second");
        eq(serving.services(4, type(uint256).max).length, 1, "cut at the end");
        eq(serving.services(5, 1).length, 0, "behind the end");
    }

    function test_GivenRemovedService_WhenPaged_IsLeftOut() public {
        vm.prank(address(0xE02));
        serving.removeService();
        Service[] memory page = serving.services(0, 10);
        eq(page.length, 4, "live ones");
        eq(page[2].provider, address(0xE03), "order kept");
        eq(serving.services(2, 1).length, 0, "its place is empty");
        eq(serving.serviceCount(), 5, "places");
    }
}
