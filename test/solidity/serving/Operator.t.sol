// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../../../contracts/interfaces/IFineTuningServing.sol";
import {IServiceRegistry} from "../../../contracts/interfaces/IServiceRegistry.sol";
import {ITaskRegistry} from "../../../contracts/interfaces/ITaskRegistry.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ServiceTerms} from "../../../contracts/types/Service.sol";
import {FailReason, TaskState} from "../../../contracts/types/Task.sol";
import {TaskId} from "../../../contracts/types/TaskId.sol";
import {World} from "../helpers/World.sol";

/// @notice P32: the operator's key works for its provider, and cannot take its money.
contract OperatorTest is World {
    address private constant SUCCESSOR = address(0x5CC);

    function replaceOperator() private {
        ServiceTerms memory t = terms();
        t.operator = SUCCESSOR;
        vm.prank(provider);
        serving.updateService(t);
    }

    function isRefused(TaskId id, address caller, bytes memory call) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskRegistry.ServingNotOperator.selector, id, caller));
        vm.prank(caller);
        (bool success, ) = address(serving).call(call);
        check(success, "the revert was expected");
    }

    /// @dev The verbs that work for the provider, each with a task in which it is allowed.
    function verbs() private returns (TaskId[6] memory ids, bytes[6] memory calls) {
        openPlaces();
        ids = [created(), created(), accepted(), acknowledged(), demanded(), accepted()];
        calls[0] = abi.encodeCall(serving.acceptTask, (ids[0]));
        calls[1] = abi.encodeCall(serving.failTask, (ids[1], FailReason.Unspecified));
        calls[2] = abi.encodeCall(serving.deliver, (delivery(ids[2])));
        calls[3] = abi.encodeCall(serving.reveal, (ids[3], KEY, BLIND_ROOT, CONTENT_ROOT));
        calls[4] = abi.encodeCall(serving.answerChunk, (ids[4], new bytes(256), chunkPath()));
        bytes memory agreed = consent(USER_KEY, ids[5], 0, START);
        calls[5] = abi.encodeCall(serving.settleCancelled, (ids[5], 0, START, agreed));
    }

    function openPlaces() private {
        ServiceTerms memory t = terms();
        t.openTasksPerUser = 9;
        vm.prank(provider);
        serving.updateService(t);
    }

    function test_P32_GivenTheProviderItself_WhenItIsNotTheOperator_NoVerbOfTheOperatorWorks() public {
        (TaskId[6] memory ids, bytes[6] memory calls) = verbs();
        for (uint256 i = 0; i < 6; ++i) isRefused(ids[i], provider, calls[i]);
        for (uint256 i = 0; i < 6; ++i) isRefused(ids[i], stranger, calls[i]);
    }

    function test_P32_GivenStolenKey_WhenTheProviderReplacesIt_TheThiefCanDoNothingMore() public {
        (TaskId[6] memory ids, bytes[6] memory calls) = verbs();
        replaceOperator();
        for (uint256 i = 0; i < 6; ++i) isRefused(ids[i], OPERATOR, calls[i]);
        for (uint256 i = 0; i < 6; ++i) {
            vm.prank(SUCCESSOR);
            (bool success, ) = address(serving).call(calls[i]);
            check(success, "the successor works on tasks that were open already");
        }
    }

    function test_P32_GivenStolenKey_WhenItTriesToTakeMoney_TheProvidersIsUntouched() public {
        settled();
        uint256 before = total(provider);
        vm.expectRevert(abi.encodeWithSelector(ILedger.LedgerInsufficientBalance.selector, OPERATOR, 0, 1));
        vm.prank(OPERATOR);
        ledger.withdrawTo(OPERATOR, 1);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingUnknownService.selector, OPERATOR));
        vm.prank(OPERATOR);
        serving.removeService();
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.ServingUnknownService.selector, OPERATOR));
        vm.prank(OPERATOR);
        serving.updateService(terms());
        eq(total(provider), before, "provider's total");
        eq(total(OPERATOR), 0, "operator's total");
    }

    /// @dev What is at stake if nobody notices: the bonds of the tasks that the thief accepts.
    function test_P32_GivenStolenKey_WhenItAbandonsTheTask_AtMostTheBondIsLost() public {
        TaskId id = accepted();
        afterDeadline(id);
        serving.expire(id);
        check(total(provider) >= FUNDS - BOND, "the bond is the most");
    }

    function test_GivenOperator_WhenItAccepts_TheProviderPaysTheBondAndEarns() public {
        TaskId id = settled();
        isIn(id, TaskState.Settled);
        eq(total(provider), FUNDS + FEE, "provider's total");
        eq(total(OPERATOR), 0, "operator's total");
        eq(serving.serviceOf(provider).earned, FEE, "earned");
    }

    function test_P28_GivenAnotherOperator_WhenOrderedByTheOldOffer_Reverts() public {
        uint32 before = offerOf(provider);
        replaceOperator();
        eq(serving.serviceOf(provider).terms.operator == SUCCESSOR ? 1 : 0, 1, "operator");
        check(offerOf(provider) > before, "a new offer");
    }
}

/// @notice A wallet with code. It vouches for what its owner wrote down.
contract ContractWallet {
    mapping(bytes32 digest => bytes32 signatureHash) private _approved;
    bytes4 private immutable _answer;

    constructor(bytes4 answer) {
        _answer = answer;
    }

    function approve(bytes32 digest, bytes calldata signature) external {
        _approved[digest] = keccak256(signature);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return _approved[digest] == keccak256(signature) ? _answer : bytes4(0xffffffff);
    }
}

/// @notice P34: a user that is a contract agrees as its code says (ERC-1271).
contract ContractWalletTest is World {
    function agreed(bytes4 answer) private returns (TaskId id, ContractWallet wallet) {
        wallet = new ContractWallet(answer);
        user = address(wallet);
        open(user, FUNDS);
        id = accepted();
    }

    function settle(TaskId id, bytes memory signature) private {
        vm.prank(OPERATOR);
        serving.settleCancelled(id, 1_000, START, signature);
    }

    function test_P34_GivenContractWallet_WhenItVouches_TheAgreedPartIsPaid() public {
        (TaskId id, ContractWallet wallet) = agreed(0x1626ba7e);
        wallet.approve(consentDigest(id, 1_000, START), "two of three");
        settle(id, "two of three");
        isIn(id, TaskState.Settled);
        eq(total(user), FUNDS - 1_000, "user's total");
    }

    function test_P34_GivenContractWallet_WhenItDoesNotVouch_Reverts() public {
        (TaskId id, ContractWallet wallet) = agreed(0x1626ba7e);
        bytes memory invalid = abi.encodeWithSelector(IFineTuningServing.ServingInvalidConsent.selector, id);
        vm.expectRevert(invalid);
        settle(id, "two of three");
        wallet.approve(consentDigest(id, 999, START), "two of three");
        vm.expectRevert(invalid);
        settle(id, "two of three");
    }

    function test_P34_GivenContractThatAnswersSomethingElse_WhenAsked_Reverts() public {
        (TaskId id, ContractWallet wallet) = agreed(0x00000001);
        wallet.approve(consentDigest(id, 1_000, START), "two of three");
        vm.expectRevert(abi.encodeWithSelector(IFineTuningServing.ServingInvalidConsent.selector, id));
        settle(id, "two of three");
    }
}
