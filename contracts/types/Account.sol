// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A main account. total = available + locked.
struct Account {
    uint128 available; // neuron free to withdraw or to fund sub-accounts
    uint128 locked; // neuron in all sub-accounts of this account
}

/// @notice Part of an account set aside for one provider at one serving contract.
/// free = balance - reserved - returning.
struct SubAccount {
    uint128 balance; // neuron
    uint128 reserved; // neuron held for open tasks (user) or stake and bonds (provider)
    uint128 returning; // neuron in return requests, not yet in the main account
}

/// @notice One amount that is returning to the main account.
struct ReturnRequest {
    uint128 amount; // neuron
    uint40 unlocksAt; // unix seconds
}
