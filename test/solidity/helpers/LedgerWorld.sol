// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Ledger} from "../../../contracts/Ledger.sol";
import {ReturnRequest} from "../../../contracts/types/Account.sol";
import {Assertions} from "./Assertions.sol";

/// @notice A Ledger alone. The serving contract is an address with code that the tests act as.
abstract contract LedgerWorld is Assertions {
    uint256 internal constant LOCK = 24 hours;
    uint256 internal constant START = 1_800_000_000;

    Ledger internal ledger;
    address internal user = address(0xA11CE);
    address internal other = address(0x0E);
    address internal provider = address(0xB0B);
    address internal serving = address(0x5E);

    function setUp() public virtual {
        vm.warp(START);
        ledger = new Ledger(LOCK);
        vm.etch(serving, hex"00");
        vm.deal(user, 1_000 ether);
        vm.deal(other, 1_000 ether);
        vm.prank(user);
        ledger.openAccount{value: 100 ether}(serving, type(uint256).max);
    }

    function fund(uint256 amount) internal {
        vm.prank(user);
        ledger.fund(serving, provider, amount);
    }

    function requestReturn(uint256 amount) internal {
        vm.prank(user);
        ledger.requestReturn(serving, provider, amount);
    }

    function claimReturn() internal returns (uint256) {
        vm.prank(user);
        return ledger.claimReturn(serving, provider);
    }

    function retrieve() internal {
        address[] memory providers = new address[](1);
        providers[0] = provider;
        vm.prank(user);
        ledger.retrieve(serving, providers);
    }

    function reserve(uint256 amount) internal {
        vm.prank(serving);
        ledger.reserve(user, provider, amount);
    }

    function release(uint256 amount) internal {
        vm.prank(serving);
        ledger.release(user, provider, amount);
    }

    function settle(uint256 amount, address payee) internal {
        vm.prank(serving);
        ledger.settle(user, provider, amount, payee);
    }

    function transfer(address from, address to, uint256 amount) internal {
        vm.prank(user);
        ledger.transfer(serving, from, to, amount);
    }

    function authorize(uint256 allowed) internal {
        vm.prank(user);
        ledger.authorize(serving, allowed);
    }

    function allowance() internal view returns (uint256) {
        return ledger.allowanceOf(user, serving);
    }

    function requests() internal view returns (ReturnRequest[] memory) {
        return ledger.returnRequestsOf(user, serving, provider);
    }

    function available(address owner) internal view returns (uint256) {
        return ledger.accountOf(owner).available;
    }

    function locked(address owner) internal view returns (uint256) {
        return ledger.accountOf(owner).locked;
    }

    function balance() internal view returns (uint256) {
        return ledger.subAccountOf(user, serving, provider).balance;
    }

    function reserved() internal view returns (uint256) {
        return ledger.subAccountOf(user, serving, provider).reserved;
    }

    function returning() internal view returns (uint256) {
        return ledger.subAccountOf(user, serving, provider).returning;
    }
}
