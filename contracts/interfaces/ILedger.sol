// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Account, ReturnRequest, SubAccount} from "../types/Account.sol";

/// @title Ledger: all the money, no owner
/// @notice Holds all money of users and providers, in neuron (1e-18 OG), and knows nothing of tasks, models or files.
/// There is no owner, no proxy, no pause and no upgrade. A serving contract reserves of an account at most what the
/// account's owner allowed it to.
/// @dev All amounts are in neuron, all times in unix seconds. Ether sent without a verb is refused; ether forced in is
/// surplus that belongs to nobody and changes no balance. docs/protocol.md gives the reasons behind the rules.
interface ILedger {
    /// @notice Emitted when money is deposited to an account.
    /// @param account whose available balance grew
    /// @param from who deposited it
    /// @param amount neuron deposited
    /// @param available the account's new available balance in neuron
    event Deposited(address indexed account, address indexed from, uint256 amount, uint256 available);
    /// @notice Emitted when money is withdrawn by the owner of an account.
    /// @param account whose available balance shrank
    /// @param to who received it
    /// @param amount neuron withdrawn
    /// @param available neuron left in the available balance
    event Withdrawn(address indexed account, address indexed to, uint256 amount, uint256 available);
    /// @notice Emitted when the owner of an account sets how much a serving contract may reserve of it.
    /// @param account whose money it is
    /// @param serving the serving contract
    /// @param allowance neuron it may reserve from now on; `UNLIMITED` is never used up
    event Authorized(address indexed account, address indexed serving, uint256 allowance);
    /// @notice Emitted when an account uses a provider for the first time at a serving contract.
    /// @param account the account
    /// @param serving the serving contract
    /// @param provider the provider, from now on in `providersOf`
    event SubAccountOpened(address indexed account, address indexed serving, address indexed provider);
    /// @notice Emitted when money moves from the main account to a sub-account.
    /// @param account the account
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron moved
    /// @param balance the sub-account's new balance in neuron
    event Funded(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 balance
    );
    /// @notice Emitted when the owner of an account moves free balance from one sub-account to another.
    /// @param account the account
    /// @param serving the serving contract of both
    /// @param from the provider whose sub-account shrank
    /// @param to the provider whose sub-account grew
    /// @param amount neuron moved
    event Transferred(
        address indexed account,
        address indexed serving,
        address indexed from,
        address to,
        uint256 amount
    );
    /// @notice Emitted when a serving contract reserves money in a sub-account. What the free balance lacked was taken
    /// first from return requests (`ReturnCancelled`), then from the main account (`Funded`).
    /// @param account the account
    /// @param serving the serving contract that reserved it
    /// @param provider the sub-account's provider
    /// @param amount neuron reserved by this step
    /// @param reserved neuron reserved in total
    event Reserved(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 reserved
    );
    /// @notice Emitted when reserved money becomes free again.
    /// @param account the account
    /// @param serving the serving contract that had reserved it
    /// @param provider the sub-account's provider
    /// @param amount neuron that became free
    /// @param reserved neuron still reserved
    event Released(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 reserved
    );
    /// @notice Emitted when reserved money is paid to an account, or burned.
    /// @param account the account that paid
    /// @param serving the serving contract that had reserved it
    /// @param provider the sub-account's provider
    /// @param payee whose available balance grew; 0 if it was burned
    /// @param amount neuron paid or burned
    /// @param reserved neuron still reserved
    event Settled(
        address indexed account,
        address indexed serving,
        address indexed provider,
        address payee,
        uint256 amount,
        uint256 reserved
    );
    /// @notice Emitted when the owner of an account requests the return of free sub-account balance.
    /// @param account the account
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param index place of the request in the queue, counted from the oldest. If that place already had a request,
    /// `amount` was added to it, and all of it unlocks at `unlocksAt`
    /// @param amount neuron requested by this step
    /// @param unlocksAt unix seconds from which the request can be claimed
    event ReturnRequested(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 index,
        uint256 amount,
        uint256 unlocksAt
    );
    /// @notice Emitted when return requests, newest first, are cancelled for a reservation.
    /// @param account the account
    /// @param serving the serving contract that makes the reservation
    /// @param provider the sub-account's provider
    /// @param amount neuron taken from the requests, now free
    /// @param returning neuron left in the requests
    event ReturnCancelled(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 returning
    );
    /// @notice Emitted when matured return requests, oldest first, are moved to the main account.
    /// @param account the account
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron moved
    /// @param balance neuron left in the sub-account
    event ReturnClaimed(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 balance
    );

    /// @notice Thrown when the main account has less than is needed. Deposit the difference.
    /// @param account the account
    /// @param available neuron it has available
    /// @param required neuron needed from it
    error LedgerInsufficientBalance(address account, uint256 available, uint256 required);
    /// @notice Thrown when more is requested or transferred than the free balance: what is neither reserved nor
    /// returning.
    /// @param account the account
    /// @param provider the sub-account's provider
    /// @param free free balance in neuron
    /// @param required neuron requested or to transfer
    error LedgerInsufficientFree(address account, address provider, uint256 free, uint256 required);
    /// @notice Thrown when a serving contract tries to release or settle more than it has reserved.
    /// @param account the account
    /// @param provider the sub-account's provider
    /// @param reserved neuron it has reserved
    /// @param required neuron to release or settle
    error LedgerInsufficientReserved(address account, address provider, uint256 reserved, uint256 required);
    /// @notice Thrown when a serving contract tries to reserve more than the account's owner allowed. Call `authorize`.
    /// @param account the account
    /// @param serving the serving contract that tried to reserve
    /// @param allowance neuron it may reserve
    /// @param required neuron it tried to reserve
    error LedgerInsufficientAllowance(address account, address serving, uint256 allowance, uint256 required);
    /// @notice Thrown when an address that has to be a contract has no code.
    /// @param serving the address
    error LedgerNotContract(address serving);
    /// @notice Thrown when an amount is 0 but must not be.
    error LedgerZeroAmount();
    /// @notice Thrown when an address is 0 but must not be.
    error LedgerZeroAddress();
    /// @notice Thrown when the contract would hold more than 2^120 - 1 neuron with this deposit.
    /// @param amount neuron of the deposit
    error LedgerAmountTooLarge(uint256 amount);
    /// @notice Thrown when the receiver refuses the ether. The money stays in its account.
    /// @param to the receiver
    /// @param amount neuron it was to receive
    error LedgerTransferFailed(address to, uint256 amount);
    /// @notice Thrown when a Ledger is deployed with a lock period out of its bounds.
    /// @param lockPeriod the given lock period in seconds
    /// @param minimum lower bound in seconds
    /// @param maximum upper bound in seconds
    error LedgerLockPeriodOutOfBounds(uint256 lockPeriod, uint256 minimum, uint256 maximum);

    // -- Owner of the account ------------------------------------------------------------------------------------

    /// @notice Deposits msg.value and authorizes `serving`, in one transaction. Works for an existing account, too.
    /// @dev Reverts like `authorize`, and with LedgerZeroAmount (msg.value), LedgerAmountTooLarge.
    /// @param serving the serving contract
    /// @param allowance neuron of the caller's account that it may reserve from now on
    function openAccount(address serving, uint256 allowance) external payable;

    /// @notice Adds msg.value to the caller's account.
    /// @dev Reverts with LedgerZeroAmount, LedgerAmountTooLarge.
    function deposit() external payable;

    /// @notice Adds msg.value to any account. Anyone may call it.
    /// @dev Reverts with LedgerZeroAddress (account), LedgerZeroAmount, LedgerAmountTooLarge.
    /// @param account whose available balance grows
    function depositFor(address account) external payable;

    /// @notice Pays part of the caller's available balance out to the caller.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientBalance, LedgerTransferFailed. A receiver that re-enters,
    /// burns gas or returns huge data harms only itself.
    /// @param amount neuron to pay out
    function withdraw(uint256 amount) external;

    /// @notice Pays part of the caller's available balance out to another address.
    /// @dev Reverts like `withdraw`, and with LedgerZeroAddress (to).
    /// @param to the receiver
    /// @param amount neuron to pay out
    function withdrawTo(address to, uint256 amount) external;

    /// @notice Sets how much of the caller's account a serving contract may reserve from now on. Each reservation uses
    /// the allowance up, whatever becomes of the money, so that a faulty serving contract never costs more. What is
    /// already reserved stays so.
    /// @dev As ERC-20's approve. Reverts with LedgerNotContract (serving), unless the allowance is 0.
    /// @param serving the serving contract
    /// @param allowance neuron it may reserve; `UNLIMITED` is never used up, 0 allows nothing
    function authorize(address serving, uint256 allowance) external;

    /// @notice Moves money from the caller's main account into a sub-account; opens it at first use. Needs no
    /// allowance: until the serving contract has one, the money can only be returned.
    /// @dev Reverts with LedgerZeroAmount, LedgerNotContract (serving), LedgerZeroAddress (provider),
    /// LedgerInsufficientBalance.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron to move
    function fund(address serving, address provider, uint256 amount) external;

    /// @notice Requests the return of free sub-account balance; it unlocks after the lock period. If the queue is full,
    /// the amount is added to the newest request, whose lock period then starts again.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientFree.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron to return
    function requestReturn(address serving, address provider, uint256 amount) external;

    /// @notice Moves free balance between two of the caller's sub-accounts at one serving contract, at once: money that
    /// a task has freed pays an order elsewhere without waiting for the lock period. Opens the second at first use.
    /// @dev Reverts with LedgerZeroAmount, LedgerZeroAddress (to), LedgerInsufficientFree.
    /// @param serving the serving contract of both
    /// @param from the provider whose sub-account gives
    /// @param to the provider whose sub-account gets
    /// @param amount neuron to move
    function transfer(address serving, address from, address to, uint256 amount) external;

    /// @notice Moves all matured requests of the caller's sub-account to their main account.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @return amount neuron moved; 0 if nothing has matured
    function claimReturn(address serving, address provider) external returns (uint256 amount);

    /// @notice For each provider: claims what has matured and requests the return of what is free. Entries with nothing
    /// to do are skipped, so that they do not make the others fail. Retrieving, retrieving again after the lock period,
    /// and withdrawing empties an account without open tasks.
    /// @param serving the sub-accounts' serving contract
    /// @param providers the sub-accounts' providers
    function retrieve(address serving, address[] calldata providers) external;

    // -- Serving contracts (msg.sender is the serving contract) --------------------------------------------------

    /// @notice Reserves money in the sub-account (account, msg.sender, provider): from its free balance, then from
    /// return requests, newest first, then from the main account. Uses up as much of the allowance.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientAllowance, LedgerInsufficientBalance (what the main account
    /// lacks), LedgerZeroAddress (provider, if the sub-account would have to be opened).
    /// @param account whose money is reserved
    /// @param provider the sub-account's provider
    /// @param amount neuron to reserve
    function reserve(address account, address provider, uint256 amount) external;

    /// @notice Frees part of the reserved balance. Only for the serving contract that reserved it.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientReserved.
    /// @param account whose money is freed
    /// @param provider the sub-account's provider
    /// @param amount neuron to free
    function release(address account, address provider, uint256 amount) external;

    /// @notice Pays part of the reserved balance to another account, or burns it. Only for the serving contract that
    /// reserved it.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientReserved. The payee is credited, not called, so it cannot block a payment.
    /// @param account whose money is paid
    /// @param provider the sub-account's provider
    /// @param amount neuron to pay
    /// @param payee whose available balance grows; 0 burns the amount
    function settle(address account, address provider, uint256 amount, address payee) external;

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @notice A main account.
    /// @param account its owner
    /// @return the main account; all zero if there is none
    function accountOf(address account) external view returns (Account memory);
    /// @notice A sub-account.
    /// @param account its owner
    /// @param serving its serving contract
    /// @param provider its provider
    /// @return the sub-account; all zero if there is none
    function subAccountOf(address account, address serving, address provider) external view returns (SubAccount memory);
    /// @notice The live return requests of a sub-account.
    /// @param account its owner
    /// @param serving its serving contract
    /// @param provider its provider
    /// @return the requests, oldest first; at most `MAX_RETURN_REQUESTS`
    function returnRequestsOf(
        address account,
        address serving,
        address provider
    ) external view returns (ReturnRequest[] memory);
    /// @notice How much of an account a serving contract may still reserve.
    /// @param account whose money it is
    /// @param serving the serving contract
    /// @return neuron, or `UNLIMITED`
    function allowanceOf(address account, address serving) external view returns (uint256);
    /// @notice How many providers an account has a sub-account for at a serving contract.
    /// @param account the account
    /// @param serving the serving contract
    /// @return length of the list that `providersOf` pages through
    function providerCount(address account, address serving) external view returns (uint256);
    /// @notice One page of an account's providers at a serving contract, in the order of first use. The list only
    /// grows.
    /// @param account the account
    /// @param serving the serving contract
    /// @param offset place of the page's first provider in the list, from 0
    /// @param limit providers on the page at most
    /// @return the providers; none after the end of the list
    function providersOf(
        address account,
        address serving,
        uint256 offset,
        uint256 limit
    ) external view returns (address[] memory);
    /// @notice The time between a return request and its unlock time.
    /// @return seconds, 1 second to 30 days, fixed at deployment
    function lockPeriod() external view returns (uint256);
    /// @notice The total amount burned so far. It stays in the contract and belongs to nobody.
    /// @return neuron
    function burned() external view returns (uint256);
    /// @notice The maximum number of live return requests of a sub-account.
    /// @return requests: 16
    function MAX_RETURN_REQUESTS() external view returns (uint256);
    /// @notice The allowance that reservations do not use up.
    /// @return neuron: 2^256 - 1
    function UNLIMITED() external view returns (uint256);
}
