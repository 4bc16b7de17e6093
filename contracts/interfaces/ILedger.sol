// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Account, ReturnRequest, SubAccount} from "../types/Account.sol";

/// @title Ledger: all the money, no owner
/// @notice Holds every neuron (1e-18 OG) of every user and provider and knows nothing of tasks, models or files.
/// There is no owner, no proxy, no pause and nothing to upgrade. A serving contract acts on an account only if the
/// account's owner authorized it.
/// @dev Every amount is in neuron, every time in unix seconds. Ether sent without a verb is refused; ether forced in
/// is surplus that belongs to nobody and changes no balance.
interface ILedger {
    /// @notice `amount` neuron came in for `account`; `available` is its new free balance.
    event Deposited(address indexed account, address indexed from, uint256 amount, uint256 available);
    /// @notice `amount` neuron went out to the owner of `account`; `available` is what is left.
    event Withdrawn(address indexed account, uint256 amount, uint256 available);
    /// @notice `account` allowed or forbade `serving` to reserve its money.
    event AuthorizationSet(address indexed account, address indexed serving, bool authorized);
    /// @notice The account uses this provider for the first time at this serving contract.
    event SubAccountOpened(address indexed account, address indexed serving, address indexed provider);
    /// @notice `amount` moved from the main account to the sub-account, whose new balance is `balance`.
    event Funded(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 balance
    );
    /// @notice `amount` of the sub-account was reserved; `reserved` is the new total. What the free balance lacked
    /// came first out of return requests (`ReturnCancelled`), then out of the main account (`Funded`).
    event Reserved(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 reserved
    );
    /// @notice `amount` of the reserved balance became free again; `reserved` is what is left of it.
    event Released(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 reserved
    );
    /// @notice `amount` of the reserved balance became available balance of `payee`, or was burned where payee is 0;
    /// `reserved` is what is left.
    event Settled(
        address indexed account,
        address indexed serving,
        address indexed provider,
        address payee,
        uint256 amount,
        uint256 reserved
    );
    /// @notice `amount` returns to the main account from `unlocksAt` on. `index` is the request's place in the queue,
    /// counted from the oldest; where a request stands there already, `amount` joined it and it unlocks anew.
    event ReturnRequested(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 index,
        uint256 amount,
        uint256 unlocksAt
    );
    /// @notice `amount` of the return requests, newest first, was taken back for a reservation; `returning` is left.
    event ReturnCancelled(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 returning
    );
    /// @notice `amount` of matured requests, oldest first, arrived in the main account; `balance` is what is left in
    /// the sub-account.
    event ReturnClaimed(
        address indexed account,
        address indexed serving,
        address indexed provider,
        uint256 amount,
        uint256 balance
    );

    /// @notice The main account has `available` neuron where `required` are needed. Deposit the difference.
    error LedgerInsufficientBalance(address account, uint256 available, uint256 required);
    /// @notice Only `free` neuron of the sub-account are neither reserved nor returning.
    error LedgerInsufficientFree(address account, address provider, uint256 free, uint256 required);
    /// @notice The serving contract has reserved less than it wants to release or settle.
    error LedgerInsufficientReserved(address account, address provider, uint256 reserved, uint256 required);
    /// @notice The account's owner has not authorized this serving contract. Call `authorize` or `openAccount`.
    error LedgerNotAuthorized(address account, address serving);
    error LedgerZeroAmount();
    error LedgerZeroAddress();
    /// @notice With this deposit the contract would hold more than 2^120 - 1 neuron.
    error LedgerAmountTooLarge(uint256 amount);
    /// @notice The receiver refused the ether. The money stays in his account.
    error LedgerTransferFailed(address to, uint256 amount);
    /// @notice A lock period (seconds) must lie between `minimum` and `maximum`.
    error LedgerLockPeriodOutOfBounds(uint256 lockPeriod, uint256 minimum, uint256 maximum);

    // -- Owner of the account ------------------------------------------------------------------------------------

    /// @notice Deposits msg.value and authorizes `serving`, in one transaction. Also for an account that exists.
    /// @dev Reverts with LedgerZeroAddress (serving), LedgerZeroAmount (msg.value), LedgerAmountTooLarge.
    function openAccount(address serving) external payable;

    /// @notice Adds msg.value to the caller's account.
    /// @dev Reverts with LedgerZeroAmount, LedgerAmountTooLarge.
    function deposit() external payable;

    /// @notice Adds msg.value to somebody's account. Anybody may do so.
    /// @dev Reverts with LedgerZeroAddress (account), LedgerZeroAmount, LedgerAmountTooLarge.
    function depositFor(address account) external payable;

    /// @notice Pays `amount` neuron of the caller's available balance out to the caller.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientBalance, LedgerTransferFailed. A receiver that re-enters,
    /// burns gas or returns a huge answer harms only himself.
    function withdraw(uint256 amount) external;

    /// @notice Lets a serving contract act on the caller's account, or ends that for new reservations. Money already
    /// reserved stays under the rules it was reserved under.
    /// @dev Reverts with LedgerZeroAddress (serving).
    function authorize(address serving, bool authorized) external;

    /// @notice Moves `amount` neuron from the caller's main account into a sub-account; opens it at first use. Needs
    /// no authorization: until the serving contract has one, the money can only come back.
    /// @dev Reverts with LedgerZeroAmount, LedgerZeroAddress (serving, provider), LedgerInsufficientBalance.
    function fund(address serving, address provider, uint256 amount) external;

    /// @notice Asks for `amount` neuron of free sub-account balance back; it unlocks after the lock period. A full
    /// queue joins the amount to its newest request, whose lock period then starts anew.
    /// @dev Reverts with LedgerZeroAmount, LedgerInsufficientFree.
    function requestReturn(address serving, address provider, uint256 amount) external;

    /// @notice Moves all matured requests of the caller's sub-account to his main account.
    /// @return amount neuron that arrived; 0 when nothing has matured
    function claimReturn(address serving, address provider) external returns (uint256 amount);

    /// @notice For each provider: claims what has matured and requests what is free. An entry with nothing to do
    /// does nothing, so one bad entry never fails the others. Retrieve, retrieve after the lock period, withdraw:
    /// that empties an account without open tasks.
    function retrieve(address serving, address[] calldata providers) external;

    // -- Serving contracts (msg.sender is the serving) -----------------------------------------------------------

    /// @notice Reserves `amount` neuron in the sub-account (account, msg.sender, provider): out of its free balance,
    /// then out of return requests newest first, then out of the main account.
    /// @dev Reverts with LedgerNotAuthorized, LedgerInsufficientBalance (what the main account lacks),
    /// LedgerZeroAddress (provider, where the sub-account would have to be opened).
    function reserve(address account, address provider, uint256 amount) external;

    /// @notice Frees `amount` neuron of the reserved balance. Only the serving contract that reserved it can.
    /// @dev Reverts with LedgerInsufficientReserved.
    function release(address account, address provider, uint256 amount) external;

    /// @notice Pays `amount` neuron of the reserved balance into the available balance of `payee`; payee 0 burns it.
    /// Only the serving contract that reserved it can. A credit calls nobody, so nobody can block it.
    /// @dev Reverts with LedgerInsufficientReserved.
    function settle(address account, address provider, uint256 amount, address payee) external;

    // -- Views ---------------------------------------------------------------------------------------------------

    /// @notice The main account; zeroes where there is none.
    function accountOf(address account) external view returns (Account memory);
    /// @notice The sub-account; zeroes where there is none.
    function subAccountOf(address account, address serving, address provider) external view returns (SubAccount memory);
    /// @notice Live return requests, oldest first. At most `MAX_RETURN_REQUESTS`.
    function returnRequestsOf(
        address account,
        address serving,
        address provider
    ) external view returns (ReturnRequest[] memory);
    /// @notice Whether `serving` may reserve the account's money.
    function isAuthorized(address account, address serving) external view returns (bool);
    /// @notice How many providers the account has a sub-account for at `serving`.
    function providerCount(address account, address serving) external view returns (uint256);
    /// @notice One page of those providers, in the order of first use. Append-only; empty behind the end.
    function providersOf(
        address account,
        address serving,
        uint256 offset,
        uint256 limit
    ) external view returns (address[] memory);
    /// @notice Seconds between a return request and its unlock time.
    function lockPeriod() external view returns (uint256);
    /// @notice Neuron burned so far. It stays in the contract and belongs to nobody.
    function burned() external view returns (uint256);
    /// @notice Live return requests that a sub-account can have.
    function MAX_RETURN_REQUESTS() external view returns (uint256);
}
