// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The unit that a fee is calculated in.
enum Unit {
    Byte, // bytes of the dataset file
    Token // tokens of the dataset, by the model's tokenizer
}

/// @notice A provider's offer, as registered and updated.
/// @dev libraries/TermsRules.sol checks the bounds.
struct ServiceTerms {
    uint96 pricePerUnit; // neuron per unit of work, more than 0
    uint64 minimumUnits; // fewest units of an order, at least 1
    Unit unit; // unit that the dataset is counted in
    uint40 maxTrainingTime; // seconds from acceptance to the training deadline, 1 second to 365 days
    uint16 bondBps; // bond in basis points of the fee, at least 10,000
    uint16 unacknowledgedBps; // basis points of the fee due if a delivery is never acknowledged, at most 3,000
    uint16 openTasksPerUser; // maximum number of open tasks per user, at least 1
    bool accepting; // whether new tasks can be ordered
    address operator; // who accepts, delivers and reveals for the provider; may be the provider itself
    bytes32 catalogueHash; // keccak256 of the catalogue the provider serves
    bytes encryptionKey; // compressed secp256k1 point, 33 bytes
    string url; // address of the provider's API, 1 to 256 bytes
}

/// @notice How many of a provider's tasks are open, and how many ended in each way. Cancelled tasks are not counted, and
/// neither are those that ended at a part of the fee, as their users agreed.
struct ServiceCounters {
    uint32 open; // not ended yet
    uint32 confirmed; // the user confirmed the model
    uint32 finalized; // the user let the dispute period pass
    uint32 lapsed; // the user never acknowledged the delivery
    uint32 refused; // given up before acceptance
    uint32 failed; // given up after acceptance
    uint32 expired; // the provider missed a deadline
    uint32 slashed; // misbehaviour was proved
}

/// @notice A service as views return it.
struct Service {
    address provider; // the account that registered it
    uint96 stake; // neuron reserved at registration
    uint32 offer; // number of the terms that an order binds: all but `openTasksPerUser`, `accepting` and `url`
    ServiceTerms terms; // apply to tasks created from now on
    ServiceCounters counters; // since the provider's first registration
    uint128 earned; // neuron that users have paid to the provider since then
    uint40 failedAt; // unix seconds at which a task of it last failed after acceptance, expired or was slashed; 0 if never
}
