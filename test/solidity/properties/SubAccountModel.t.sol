// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Account, SubAccount} from "../../../contracts/types/Account.sol";
import {LedgerWorld} from "../helpers/LedgerWorld.sol";
import {SubAccountModel} from "./SubAccountModel.sol";

/// @notice The numbers of the model, about which everything is proved, are the Ledger's own.
contract SubAccountModelTest is LedgerWorld {
    SubAccountModel private _model;

    function setUp() public override {
        super.setUp();
        _model = new SubAccountModel();
        _model.deposit(100 ether);
    }

    function testFuzz_P3_GivenRandomHistory_TheLedgerMovesAsTheProvedModel(uint256 seed) public {
        for (uint256 i = 0; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            step(seed % 9, uint128(bound(seed >> 8, 1, seed & 0x80 == 0 ? 1 ether : 60 ether)));
            compare();
        }
    }

    /// @dev Both take the step, or both refuse it.
    function step(uint256 verb, uint128 amount) private {
        uint256 returningBefore = returning();
        bool done = attempt(verb, amount);
        if (verb == 4) amount = uint128(returningBefore - returning()); // what had matured
        check(done == model(verb, amount), "both or neither");
        if (verb == 8) vm.warp(block.timestamp + LOCK / 4);
    }

    function attempt(uint256 verb, uint128 amount) private returns (bool) {
        if (verb == 0) {
            vm.prank(user);
            try ledger.deposit{value: amount}() {
                return true;
            } catch {
                return false;
            }
        }
        bytes memory data;
        if (verb == 1) data = abi.encodeCall(ledger.withdraw, (amount));
        if (verb == 2) data = abi.encodeCall(ledger.fund, (serving, provider, amount));
        if (verb == 3) data = abi.encodeCall(ledger.requestReturn, (serving, provider, amount));
        if (verb == 4) data = abi.encodeCall(ledger.claimReturn, (serving, provider));
        if (verb == 5 || verb == 8) data = abi.encodeCall(ledger.reserve, (user, provider, amount));
        if (verb == 6) data = abi.encodeCall(ledger.release, (user, provider, amount));
        if (verb == 7) data = abi.encodeCall(ledger.settle, (user, provider, amount, amount % 2 == 0 ? user : other));
        vm.prank(verb < 5 ? user : serving);
        (bool success, ) = address(ledger).call(data);
        return success;
    }

    function model(uint256 verb, uint128 amount) private returns (bool success) {
        bytes memory data;
        if (verb == 0) data = abi.encodeCall(_model.deposit, (amount));
        if (verb == 1) data = abi.encodeCall(_model.withdraw, (amount));
        if (verb == 2) data = abi.encodeCall(_model.fund, (amount));
        if (verb == 3) data = abi.encodeCall(_model.requestReturn, (amount));
        if (verb == 4) data = abi.encodeCall(_model.claimReturn, (amount));
        if (verb == 5 || verb == 8) data = abi.encodeCall(_model.reserve, (amount));
        if (verb == 6) data = abi.encodeCall(_model.release, (amount));
        if (verb == 7) data = abi.encodeCall(_model.settle, (amount, amount % 2 == 0));
        (success, ) = address(_model).call(data);
    }

    function compare() private view {
        Account memory account = ledger.accountOf(user);
        SubAccount memory sub = ledger.subAccountOf(user, serving, provider);
        eq(account.available, _model.available(), "available");
        eq(account.locked, _model.locked(), "locked");
        eq(sub.balance - sub.reserved - sub.returning, _model.free(), "free");
        eq(sub.reserved, _model.reserved(), "reserved");
        eq(sub.returning, _model.returning(), "returning");
    }
}
