// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TaskId} from "./TaskId.sol";

/// @notice The state of a task. The allowed edges are in libraries/TaskStates.sol.
enum TaskState {
    None, // no such task
    Created, // the user's fee is reserved
    Accepted, // the provider's bond is reserved, training runs
    Delivered, // a root is posted, the user has to acknowledge it
    Demanded, // the user demanded a chunk of the delivery, the provider has to answer
    Acknowledged, // the provider has to reveal the key
    Revealed, // the user may dispute until the deadline
    Settled, // final: the provider earned the fee (or the part agreed on)
    Cancelled, // final: cancelled by the user before the provider accepted it
    Failed, // final: given up by the provider, with a reason
    Expired, // final: the provider missed a deadline
    Lapsed, // the user never acknowledged; final unless they do within 30 days
    Slashed // final: misbehaviour was proved
}

/// @notice Why a provider gave a task up. Part of the event, not stored.
enum FailReason {
    Unspecified, // none of the others
    DatasetUnavailable, // the dataset's root could not be fetched
    DatasetLargerThanDeclared, // more units than the user paid for
    DatasetInvalid, // the dataset does not follow the format
    ConfigInvalid, // unknown key, value out of range
    ModelUnknown, // no such model in the provider's catalogue
    KeyMismatch, // blindRoot does not match the keys
    OutOfMemory, // the model with this configuration does not fit
    TrainingError, // the trainer failed
    ProviderBusy // the deadline could not be met
}

/// @notice How a task was settled. Part of the event, never stored.
enum Settlement {
    Agreed, // stopped while running, at the part of the fee that the user signed for
    Confirmed, // the user confirmed the model
    Finalized // the user let the dispute period pass
}

/// @notice What a user orders.
struct TaskOrder {
    address provider; // whose service it is
    uint64 nonce; // the user's task count at this provider; other values revert, so an order is never placed twice
    uint64 units; // units of work, in the service's unit: at least the offer's minimum
    uint32 offer; // number of the offer that the user saw; any other current offer reverts
    uint40 validUntil; // unix seconds until which the provider may accept; after that, anyone may cancel
    uint96 maxFee; // neuron; upper limit of the fee, even if the provider changes its price in the meantime
    bytes32 model; // hash of the base model, from the provider's catalogue
    bytes32 datasetRoot; // storage root of the training dataset
    bytes32 validationRoot; // storage root of the validation dataset, 0 for none
    bytes32 blindRoot; // Merkle root over keccak256(u_j), j < 4096
    bytes userKey; // compressed secp256k1 point, 33 bytes
    bytes config; // canonical JSON of the hyper-parameters, at most 8 KiB
}

/// @notice What a provider delivers.
struct DeliveryOrder {
    TaskId id; // the task it is for
    uint64 size; // bytes of the plaintext archive, at most 128 TiB; the container's geometry follows from it
    uint96 fee; // neuron to pay for the work that was done, at most the fee reserved
    bytes32 root; // storage root of the encrypted model
    bytes32 contentRoot; // SHA-256 of the container's top page, unencrypted
    bytes32 keyCommit; // keccak256 of the key to be revealed
    bytes32 receiptRoot; // hash of the training receipt, event only
}

/// @notice A task as views return it.
struct Task {
    address user; // who ordered it
    address provider; // who it was ordered from
    TaskState state; // as of the last transaction on it: a missed deadline alone does not change it
    uint40 deadline; // unix seconds until which the state's regular verb is allowed; 0 in final states
    uint40 trainingTime; // seconds from acceptance to the training deadline, fixed at creation
    uint96 fee; // neuron reserved for the order
    uint96 rebate; // neuron of the fee that the user does not pay, because less work was done than ordered
    uint96 paid; // neuron the provider has received so far
    uint16 bondBps; // bond in basis points of the fee; 0 after a late acknowledgement
    uint16 unacknowledgedBps; // basis points of the fee due if the delivery is never acknowledged
    uint48 size; // bytes of the plaintext archive, 0 before delivery
    uint32 offer; // number of the offer it was ordered under
    uint32 offerBlock; // number of the block of the event with all terms of that offer
    uint32 createdBlock; // number of the block of its creation
    uint32 movedBlock; // number of the block of its last event, demands and answers apart
    uint8 demands; // chunks that the user has demanded
    uint40 chunk; // number of the chunk demanded last
    bytes32 root; // storage root of the encrypted model, 0 before delivery
    bytes32 exchange; // blindRoot until delivery, then keccak256(abi.encode(blindRoot, contentRoot, keyCommit))
}
