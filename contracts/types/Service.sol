// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a fee is counted in.
enum Unit {
    Byte, // bytes of the dataset file
    Token // tokens of the dataset, by the model's tokenizer
}

/// @notice A provider's offer, as registered and updated.
struct ServiceTerms {
    uint96 pricePerUnit; // neuron per unit of the dataset
    Unit unit;
    uint40 maxTrainingTime; // seconds from acceptance to the training deadline
    uint16 bondBps; // bond in basis points of the fee, at least 10,000
    uint16 unacknowledgedBps; // fee share due when a delivery is never acknowledged, at most 3,000
    uint16 openTasksPerUser; // at least 1
    bool accepting;
    bytes32 catalogueHash; // keccak256 of the catalogue the provider serves
    bytes encryptionKey; // compressed secp256k1 point, 33 bytes
    string url; // where the provider's API answers, at most 256 bytes
}

/// @notice What became of a provider's tasks.
struct ServiceCounters {
    uint32 open;
    uint32 completed;
    uint32 failed;
    uint32 expired;
    uint32 slashed;
}

/// @notice A service as views return it.
struct Service {
    address provider;
    uint96 stake; // neuron reserved at registration
    ServiceTerms terms;
    ServiceCounters counters;
}
