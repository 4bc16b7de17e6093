// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "./interfaces/ILedger.sol";
import {Pages} from "./libraries/Pages.sol";
import {ReturnQueue} from "./libraries/ReturnQueue.sol";
import {Account, ReturnRequest, SubAccount} from "./types/Account.sol";

/// @title Ledger: all the money, no owner
/// @notice interfaces/ILedger.sol is the manual.
/// @dev Amounts are compared as uint256 and cast after the comparison. No cast can truncate: every stored amount is
/// part of the contract's balance, and a deposit that would raise the balance above 2^120 - 1 is refused.
/// @custom:security-contact see SECURITY.md
contract Ledger is ILedger {
    using ReturnQueue for ReturnQueue.Queue;

    /// @notice A sub-account in storage. balance = free + reserved + requests.total.
    /// @dev A reservation touches only the first slot as long as the free balance suffices.
    struct SubAccountRecord {
        uint120 free; // neuron neither reserved nor returning
        uint120 reserved; // neuron held for the serving contract
        bool opened; // listed among the account's providers
        ReturnQueue.Queue requests; // return requests
    }

    /// @inheritdoc ILedger
    uint256 public constant MAX_RETURN_REQUESTS = ReturnQueue.CAPACITY;
    /// @inheritdoc ILedger
    uint256 public constant UNLIMITED = type(uint256).max;

    /// @dev A request never unlocks in the second in which it is made.
    uint256 private constant MIN_LOCK_PERIOD = 1 seconds;
    /// @dev Bounds how long an owner waits for their money.
    uint256 private constant MAX_LOCK_PERIOD = 30 days;
    /// @dev Maximum neuron that the contract may hold, so that two amounts and a flag fit one slot.
    uint256 private constant MAX_HELD = type(uint120).max;

    /// @inheritdoc ILedger
    uint256 public immutable lockPeriod;
    /// @inheritdoc ILedger
    uint256 public burned;
    /// @inheritdoc ILedger
    mapping(address account => mapping(address serving => uint256)) public allowanceOf;

    /// @dev The main accounts.
    mapping(address account => Account) private _accounts;
    /// @dev The sub-accounts.
    mapping(address account => mapping(address serving => mapping(address provider => SubAccountRecord)))
        private _subAccounts;
    /// @dev Providers that an account has a sub-account for, in the order of first use. Never shrinks.
    mapping(address account => mapping(address serving => address[])) private _providers;

    /// @notice Sets the immutable lock period.
    /// @dev Reverts with LedgerLockPeriodOutOfBounds.
    /// @param lockPeriod_ seconds between a return request and its unlock time, 1 second to 30 days
    constructor(uint256 lockPeriod_) {
        if (lockPeriod_ < MIN_LOCK_PERIOD || lockPeriod_ > MAX_LOCK_PERIOD) {
            revert LedgerLockPeriodOutOfBounds(lockPeriod_, MIN_LOCK_PERIOD, MAX_LOCK_PERIOD);
        }
        lockPeriod = lockPeriod_;
    }

    // -- Owner of the account ------------------------------------------------------------------------------------

    /// @inheritdoc ILedger
    function openAccount(address serving, uint256 allowance) external payable {
        _authorize(serving, allowance);
        _deposit(msg.sender);
    }

    /// @inheritdoc ILedger
    function deposit() external payable {
        _deposit(msg.sender);
    }

    /// @inheritdoc ILedger
    function depositFor(address account) external payable {
        if (account == address(0)) revert LedgerZeroAddress();
        _deposit(account);
    }

    /// @inheritdoc ILedger
    function withdraw(uint256 amount) external {
        _withdraw(msg.sender, amount);
    }

    /// @inheritdoc ILedger
    function withdrawTo(address to, uint256 amount) external {
        if (to == address(0)) revert LedgerZeroAddress();
        _withdraw(to, amount);
    }

    /// @inheritdoc ILedger
    function authorize(address serving, uint256 allowance) external {
        _authorize(serving, allowance);
    }

    /// @inheritdoc ILedger
    function fund(address serving, address provider, uint256 amount) external {
        if (amount == 0) revert LedgerZeroAmount();
        if (serving.code.length == 0) revert LedgerNotContract(serving);
        _fund(msg.sender, serving, provider, amount);
    }

    /// @inheritdoc ILedger
    function transfer(address serving, address from, address to, uint256 amount) external {
        if (amount == 0) revert LedgerZeroAmount();
        SubAccountRecord storage source = _subAccounts[msg.sender][serving][from];
        uint256 free = source.free;
        if (free < amount) revert LedgerInsufficientFree(msg.sender, from, free, amount);
        source.free = uint120(free - amount);
        SubAccountRecord storage target = _subAccounts[msg.sender][serving][to];
        if (!target.opened) _open(target, msg.sender, serving, to);
        target.free += uint120(amount);
        emit Transferred(msg.sender, serving, from, to, amount);
    }

    /// @inheritdoc ILedger
    function requestReturn(address serving, address provider, uint256 amount) external {
        if (amount == 0) revert LedgerZeroAmount();
        uint256 free = _subAccounts[msg.sender][serving][provider].free;
        if (free < amount) revert LedgerInsufficientFree(msg.sender, provider, free, amount);
        _requestReturn(serving, provider, free, amount);
    }

    /// @inheritdoc ILedger
    function claimReturn(address serving, address provider) external returns (uint256 amount) {
        return _claimReturn(serving, provider);
    }

    /// @inheritdoc ILedger
    function retrieve(address serving, address[] calldata providers) external {
        for (uint256 i = 0; i < providers.length; ++i) {
            _claimReturn(serving, providers[i]);
            uint256 free = _subAccounts[msg.sender][serving][providers[i]].free;
            if (free > 0) _requestReturn(serving, providers[i], free, free);
        }
    }

    // -- Serving contracts ---------------------------------------------------------------------------------------

    /// @inheritdoc ILedger
    function reserve(address account, address provider, uint256 amount) external {
        if (amount == 0) revert LedgerZeroAmount();
        _useAllowance(account, amount);
        SubAccountRecord storage sub = _subAccounts[account][msg.sender][provider];
        uint256 free = sub.free;
        if (free < amount) {
            _replenish(account, provider, amount - free);
            free = amount;
        }
        uint256 reserved = sub.reserved + amount;
        sub.free = uint120(free - amount);
        sub.reserved = uint120(reserved);
        emit Reserved(account, msg.sender, provider, amount, reserved);
    }

    /// @inheritdoc ILedger
    function release(address account, address provider, uint256 amount) external {
        SubAccountRecord storage sub = _subAccounts[account][msg.sender][provider];
        uint256 reserved = _reservedLess(sub, account, provider, amount);
        sub.free += uint120(amount);
        sub.reserved = uint120(reserved);
        emit Released(account, msg.sender, provider, amount, reserved);
    }

    /// @inheritdoc ILedger
    function settle(address account, address provider, uint256 amount, address payee) external {
        SubAccountRecord storage sub = _subAccounts[account][msg.sender][provider];
        uint256 reserved = _reservedLess(sub, account, provider, amount);
        sub.reserved = uint120(reserved);
        _accounts[account].locked -= uint128(amount);
        if (payee == address(0)) burned += amount;
        else _accounts[payee].available += uint128(amount);
        emit Settled(account, msg.sender, provider, payee, amount, reserved);
    }

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @inheritdoc ILedger
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    /// @inheritdoc ILedger
    function subAccountOf(
        address account,
        address serving,
        address provider
    ) external view returns (SubAccount memory) {
        SubAccountRecord storage sub = _subAccounts[account][serving][provider];
        return SubAccount({balance: uint128(_balance(sub)), reserved: sub.reserved, returning: sub.requests.total});
    }

    /// @inheritdoc ILedger
    function returnRequestsOf(
        address account,
        address serving,
        address provider
    ) external view returns (ReturnRequest[] memory) {
        return _subAccounts[account][serving][provider].requests.list();
    }

    /// @inheritdoc ILedger
    function providerCount(address account, address serving) external view returns (uint256) {
        return _providers[account][serving].length;
    }

    /// @inheritdoc ILedger
    function providersOf(
        address account,
        address serving,
        uint256 offset,
        uint256 limit
    ) external view returns (address[] memory page) {
        return Pages.slice(_providers[account][serving], offset, limit);
    }

    // -- Internals -----------------------------------------------------------------------------------------------

    /// @notice Adds msg.value to an account.
    /// @dev Reverts with LedgerZeroAmount, LedgerAmountTooLarge.
    /// @param to whose available balance grows
    function _deposit(address to) private {
        uint256 amount = _pull();
        Account storage account = _accounts[to];
        uint256 available = account.available + amount;
        account.available = uint128(available);
        emit Deposited(to, msg.sender, amount, available);
    }

    /// @notice Sets how much of the caller's account a serving contract may reserve.
    /// @dev Reverts with LedgerNotContract, unless the allowance is 0.
    /// @param serving the serving contract
    /// @param allowance neuron, or `UNLIMITED`
    function _authorize(address serving, uint256 allowance) private {
        if (allowance != 0 && serving.code.length == 0) revert LedgerNotContract(serving);
        allowanceOf[msg.sender][serving] = allowance;
        emit Authorized(msg.sender, serving, allowance);
    }

    /// @notice Uses up the caller's allowance.
    /// @dev Reverts with LedgerInsufficientAllowance.
    /// @param account whose money is reserved
    /// @param amount neuron
    function _useAllowance(address account, uint256 amount) private {
        uint256 allowance = allowanceOf[account][msg.sender];
        if (allowance == UNLIMITED) return;
        if (allowance < amount) revert LedgerInsufficientAllowance(account, msg.sender, allowance, amount);
        allowanceOf[account][msg.sender] = allowance - amount;
    }

    /// @notice Pays out of the caller's available balance.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientBalance, LedgerTransferFailed.
    /// @param to the receiver
    /// @param amount neuron
    function _withdraw(address to, uint256 amount) private {
        if (amount == 0) revert LedgerZeroAmount();
        Account storage account = _accounts[msg.sender];
        uint256 available = account.available;
        if (available < amount) revert LedgerInsufficientBalance(msg.sender, available, amount);
        available -= amount;
        account.available = uint128(available);
        emit Withdrawn(msg.sender, to, amount, available);
        _send(to, amount);
    }

    /// @notice Moves money from the main account to the sub-account's free balance; opens the sub-account at first use.
    /// @dev Reverts with LedgerInsufficientBalance, LedgerZeroAddress (provider).
    /// @param owner the account's owner
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron
    function _fund(address owner, address serving, address provider, uint256 amount) private {
        Account storage account = _accounts[owner];
        uint256 available = account.available;
        if (available < amount) revert LedgerInsufficientBalance(owner, available, amount);
        account.available = uint128(available - amount);
        account.locked += uint128(amount);

        SubAccountRecord storage sub = _subAccounts[owner][serving][provider];
        if (!sub.opened) _open(sub, owner, serving, provider);
        sub.free += uint120(amount);
        emit Funded(owner, serving, provider, amount, _balance(sub));
    }

    /// @notice Opens a sub-account: lists its provider.
    /// @dev Reverts with LedgerZeroAddress (provider).
    /// @param sub its record
    /// @param owner the account's owner
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    function _open(SubAccountRecord storage sub, address owner, address serving, address provider) private {
        if (provider == address(0)) revert LedgerZeroAddress();
        sub.opened = true;
        _providers[owner][serving].push(provider);
        emit SubAccountOpened(owner, serving, provider);
    }

    /// @notice Adds to the free balance of the caller's sub-account: return requests newest first, then the main
    /// account.
    /// @dev Reverts like _fund.
    /// @param account the account's owner
    /// @param provider the sub-account's provider
    /// @param shortfall neuron to add
    function _replenish(address account, address provider, uint256 shortfall) private {
        SubAccountRecord storage sub = _subAccounts[account][msg.sender][provider];
        uint256 cancelled = sub.requests.cancelNewest(shortfall);
        if (cancelled > 0) {
            sub.free += uint120(cancelled);
            emit ReturnCancelled(account, msg.sender, provider, cancelled, sub.requests.total);
        }
        if (cancelled < shortfall) _fund(account, msg.sender, provider, shortfall - cancelled);
    }

    /// @notice Moves money from the free balance into the return queue.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param free free balance in neuron, as read by the caller
    /// @param amount neuron to return, 1 to `free`
    function _requestReturn(address serving, address provider, uint256 free, uint256 amount) private {
        SubAccountRecord storage sub = _subAccounts[msg.sender][serving][provider];
        sub.free = uint120(free - amount);
        uint256 unlocksAt = block.timestamp + lockPeriod;
        uint256 index = sub.requests.push(amount, unlocksAt);
        emit ReturnRequested(msg.sender, serving, provider, index, amount, unlocksAt);
    }

    /// @notice Moves all matured requests to the main account.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @return amount neuron that arrived; 0 if nothing has matured
    function _claimReturn(address serving, address provider) private returns (uint256 amount) {
        SubAccountRecord storage sub = _subAccounts[msg.sender][serving][provider];
        amount = sub.requests.popMatured(block.timestamp);
        if (amount == 0) return 0;
        Account storage account = _accounts[msg.sender];
        account.available += uint128(amount);
        account.locked -= uint128(amount);
        emit ReturnClaimed(msg.sender, serving, provider, amount, _balance(sub));
    }

    /// @notice The reserved balance left after an amount is taken from it.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientReserved.
    /// @param sub the sub-account's record
    /// @param account the account's owner, for the error
    /// @param provider the sub-account's provider, for the error
    /// @param amount neuron to take away
    /// @return neuron left
    function _reservedLess(
        SubAccountRecord storage sub,
        address account,
        address provider,
        uint256 amount
    ) private view returns (uint256) {
        if (amount == 0) revert LedgerZeroAmount();
        uint256 reserved = sub.reserved;
        if (reserved < amount) revert LedgerInsufficientReserved(account, provider, reserved, amount);
        return reserved - amount;
    }

    /// @notice A sub-account's balance.
    /// @param sub its record
    /// @return neuron
    function _balance(SubAccountRecord storage sub) private view returns (uint256) {
        return uint256(sub.free) + sub.reserved + sub.requests.total;
    }

    /// @notice Takes the ether that came with the call. With `_send`, all that knows what the money is.
    /// @dev Reverts with LedgerZeroAmount, LedgerAmountTooLarge.
    /// @return neuron
    function _pull() private view returns (uint256) {
        if (msg.value == 0) revert LedgerZeroAmount();
        if (address(this).balance > MAX_HELD) revert LedgerAmountTooLarge(msg.value);
        return msg.value;
    }

    /// @notice Sends ether.
    /// @dev Copies no return data: a receiver that returns huge data, burns gas or re-enters harms only itself.
    /// Reverts with LedgerTransferFailed.
    /// @param to the receiver
    /// @param amount neuron
    function _send(address to, uint256 amount) private {
        bool success;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            success := call(gas(), to, amount, 0, 0, 0, 0)
        }
        if (!success) revert LedgerTransferFailed(to, amount);
    }
}
