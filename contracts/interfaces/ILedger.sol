// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Account, ReturnRequest, SubAccount} from "../types/Account.sol";

/// @title Ledger: all the money, no owner
/// @notice Holds every neuron (1e-18 OG) of every user and provider and knows nothing of tasks, models or files.
/// There is no owner, no proxy, no pause and nothing to upgrade. A serving contract acts on an account only if the
/// account's owner authorized it.
/// @dev Every amount is in neuron, every time in unix seconds. Ether sent without a verb is refused; ether forced in
/// is surplus that belongs to nobody and changes no balance. docs/protocol.md gives the reasons behind the rules.
interface ILedger {
    /// @notice Emitted when money comes in for an account.
    /// @param account whose available balance grew
    /// @param from who paid it in
    /// @param amount neuron that came in
    /// @param available neuron of the account's new available balance
    event Deposited(address indexed account, address indexed from, uint256 amount, uint256 available);
    /// @notice Emitted when money goes out to the owner of an account.
    /// @param account whose available balance shrank
    /// @param amount neuron that went out
    /// @param available neuron left in the available balance
    event Withdrawn(address indexed account, uint256 amount, uint256 available);
    /// @notice Emitted when the owner of an account allows or forbids a serving contract to reserve its money.
    /// @param account whose money it is
    /// @param serving the serving contract
    /// @param authorized whether it may reserve from now on
    event AuthorizationSet(address indexed account, address indexed serving, bool authorized);
    /// @notice Emitted when an account uses a provider for the first time at a serving contract.
    /// @param account the account
    /// @param serving the serving contract
    /// @param provider the provider, now in `providersOf`
    event SubAccountOpened(address indexed account, address indexed serving, address indexed provider);
    /// @notice Emitted when money moves from the main account to a sub-account.
    /// @param account the account
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron that moved
    /// @param balance neuron of the sub-account's new balance
    event Funded(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 balance
    );
    /// @notice Emitted when a serving contract reserves money of a sub-account. What the free balance lacked came first
    /// out of return requests (`ReturnCancelled`), then out of the main account (`Funded`).
    /// @param account the account
    /// @param serving the serving contract that reserved it
    /// @param provider the sub-account's provider
    /// @param amount neuron reserved by this step
    /// @param reserved neuron reserved in all
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
    /// @notice Emitted when reserved money is paid to somebody, or burned.
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
    /// @notice Emitted when the owner of an account asks for free sub-account balance back.
    /// @param account the account
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param index place of the request in the queue, counted from the oldest. If a request was there already,
    /// `amount` joined it, and all of it unlocks at `unlocksAt`
    /// @param amount neuron asked for by this step
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
    /// @param serving the serving contract that reserves
    /// @param provider the sub-account's provider
    /// @param amount neuron taken out of the requests, now free
    /// @param returning neuron left in the requests
    event ReturnCancelled(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 returning
    );
    /// @notice Emitted when matured return requests, oldest first, arrive in the main account.
    /// @param account the account
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron that arrived
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
    /// @notice Thrown when less of a sub-account is free, neither reserved nor returning, than is asked back.
    /// @param account the account
    /// @param provider the sub-account's provider
    /// @param free neuron that are free
    /// @param required neuron asked for
    error LedgerInsufficientFree(address account, address provider, uint256 free, uint256 required);
    /// @notice Thrown when a serving contract wants to release or settle more than it has reserved.
    /// @param account the account
    /// @param provider the sub-account's provider
    /// @param reserved neuron it has reserved
    /// @param required neuron it wants to release or settle
    error LedgerInsufficientReserved(address account, address provider, uint256 reserved, uint256 required);
    /// @notice Thrown when an account's owner has not authorized a serving contract. Call `authorize` or `openAccount`.
    /// @param account the account
    /// @param serving the serving contract that wants to reserve
    error LedgerNotAuthorized(address account, address serving);
    /// @notice Thrown when an amount is 0 that has to be more.
    error LedgerZeroAmount();
    /// @notice Thrown when an address is 0 that has to be somebody's.
    error LedgerZeroAddress();
    /// @notice Thrown when the contract would hold more than 2^120 - 1 neuron with this deposit.
    /// @param amount neuron of the deposit
    error LedgerAmountTooLarge(uint256 amount);
    /// @notice Thrown when the receiver refuses the ether. The money stays in their account.
    /// @param to the receiver
    /// @param amount neuron it was to receive
    error LedgerTransferFailed(address to, uint256 amount);
    /// @notice Thrown when a Ledger is deployed with a lock period out of its bounds.
    /// @param lockPeriod seconds given
    /// @param minimum seconds it has to be at least
    /// @param maximum seconds it may be at most
    error LedgerLockPeriodOutOfBounds(uint256 lockPeriod, uint256 minimum, uint256 maximum);

    // -- Owner of the account ------------------------------------------------------------------------------------

    /// @notice Deposits msg.value and authorizes `serving`, in one transaction. Also for an account that exists.
    /// @dev Reverts with LedgerZeroAddress (serving), LedgerZeroAmount (msg.value), LedgerAmountTooLarge.
    /// @param serving the serving contract that may reserve the caller's money from now on
    function openAccount(address serving) external payable;

    /// @notice Adds msg.value to the caller's account.
    /// @dev Reverts with LedgerZeroAmount, LedgerAmountTooLarge.
    function deposit() external payable;

    /// @notice Adds msg.value to somebody's account. Anybody may do so.
    /// @dev Reverts with LedgerZeroAddress (account), LedgerZeroAmount, LedgerAmountTooLarge.
    /// @param account whose available balance grows
    function depositFor(address account) external payable;

    /// @notice Pays part of the caller's available balance out to the caller.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientBalance, LedgerTransferFailed. A receiver that re-enters,
    /// burns gas or returns a huge answer harms only itself.
    /// @param amount neuron to pay out
    function withdraw(uint256 amount) external;

    /// @notice Lets a serving contract act on the caller's account, or ends that for new reservations. Money already
    /// reserved stays under the rules it was reserved under.
    /// @dev Reverts with LedgerZeroAddress (serving).
    /// @param serving the serving contract
    /// @param authorized whether it may reserve from now on
    function authorize(address serving, bool authorized) external;

    /// @notice Moves money from the caller's main account into a sub-account; opens it at first use. Needs no
    /// authorization: until the serving contract has one, the money can only come back.
    /// @dev Reverts with LedgerZeroAmount, LedgerZeroAddress (serving, provider), LedgerInsufficientBalance.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron to move
    function fund(address serving, address provider, uint256 amount) external;

    /// @notice Asks for free sub-account balance back; it unlocks after the lock period. A full queue joins the amount
    /// to its newest request, whose lock period then starts again.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientFree.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @param amount neuron to return
    function requestReturn(address serving, address provider, uint256 amount) external;

    /// @notice Moves all matured requests of the caller's sub-account to their main account.
    /// @param serving the sub-account's serving contract
    /// @param provider the sub-account's provider
    /// @return amount neuron that arrived; 0 if nothing has matured
    function claimReturn(address serving, address provider) external returns (uint256 amount);

    /// @notice For each provider: claims what has matured and requests what is free. An entry with nothing to do
    /// does nothing, so one bad entry never fails the others. Retrieve, retrieve after the lock period, withdraw:
    /// that empties an account without open tasks.
    /// @param serving the sub-accounts' serving contract
    /// @param providers the sub-accounts' providers
    function retrieve(address serving, address[] calldata providers) external;

    // -- Serving contracts (msg.sender is the serving contract) --------------------------------------------------

    /// @notice Reserves money in the sub-account (account, msg.sender, provider): out of its free balance, then out of
    /// return requests newest first, then out of the main account.
    /// @dev Reverts with LedgerNotAuthorized, LedgerInsufficientBalance (what the main account lacks),
    /// LedgerZeroAddress (provider, if the sub-account would have to be opened).
    /// @param account whose money is reserved
    /// @param provider the sub-account's provider
    /// @param amount neuron to reserve
    function reserve(address account, address provider, uint256 amount) external;

    /// @notice Frees part of the reserved balance. Only the serving contract that reserved it can.
    /// @dev Reverts with LedgerInsufficientReserved.
    /// @param account whose money is freed
    /// @param provider the sub-account's provider
    /// @param amount neuron to free
    function release(address account, address provider, uint256 amount) external;

    /// @notice Pays part of the reserved balance to somebody, or burns it. Only the serving contract that reserved it
    /// can.
    /// @dev Reverts with LedgerInsufficientReserved. A credit calls nobody, so nobody can block it.
    /// @param account whose money is paid
    /// @param provider the sub-account's provider
    /// @param amount neuron to pay
    /// @param payee whose available balance grows; 0 burns the amount
    function settle(address account, address provider, uint256 amount, address payee) external;

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @notice A main account.
    /// @param account its owner
    /// @return the main account; zeroes if there is none
    function accountOf(address account) external view returns (Account memory);
    /// @notice A sub-account.
    /// @param account its owner
    /// @param serving its serving contract
    /// @param provider its provider
    /// @return the sub-account; zeroes if there is none
    function subAccountOf(address account, address serving, address provider) external view returns (SubAccount memory);
    /// @notice What is on its way back from a sub-account.
    /// @param account its owner
    /// @param serving its serving contract
    /// @param provider its provider
    /// @return live return requests, oldest first; at most `MAX_RETURN_REQUESTS`
    function returnRequestsOf(
        address account,
        address serving,
        address provider
    ) external view returns (ReturnRequest[] memory);
    /// @notice Whether a serving contract may reserve an account's money.
    /// @param account whose money it is
    /// @param serving the serving contract
    /// @return whether it may
    function isAuthorized(address account, address serving) external view returns (bool);
    /// @notice How many providers an account has a sub-account for at a serving contract.
    /// @param account the account
    /// @param serving the serving contract
    /// @return length of the list that `providersOf` pages through
    function providerCount(address account, address serving) external view returns (uint256);
    /// @notice One page of those providers, in the order of first use. The list only grows.
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
    /// @notice What was burned so far. It stays in the contract and belongs to nobody.
    /// @return neuron
    function burned() external view returns (uint256);
    /// @notice How many live return requests a sub-account can have.
    /// @return requests: 16
    function MAX_RETURN_REQUESTS() external view returns (uint256);
}
