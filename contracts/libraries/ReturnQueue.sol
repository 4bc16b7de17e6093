// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReturnRequest} from "../types/Account.sol";

/// @title ReturnQueue: the return requests of a sub-account, oldest first, at most 16 of them
/// @notice A ring buffer of 16 slots. Unlock times never decrease from front to back, because every request is added at
/// the back with the latest unlock time so far. Claiming therefore stops at the first request that has not matured.
/// @dev Freed slots are not cleared: their next use then updates a slot instead of paying for a new one.
library ReturnQueue {
    /// @notice Maximum number of live requests; a further one is added to the newest.
    uint256 internal constant CAPACITY = 16;

    /// @notice The live requests of one sub-account.
    struct Queue {
        uint128 total; // neuron in all live requests
        uint8 head; // ring position of the oldest request, modulo 16
        uint8 length; // live requests
        ReturnRequest[16] ring; // the requests, `length` of them live from `head` on
    }

    /// @notice Adds a request. If the queue is full, adds `amount` to the newest request, which then unlocks at
    /// `unlocksAt`.
    /// @param queue the queue
    /// @param amount neuron, more than 0
    /// @param unlocksAt unix seconds, not before any unlock time in the queue
    /// @return index place of the request, counted from the oldest
    function push(Queue storage queue, uint256 amount, uint256 unlocksAt) internal returns (uint256 index) {
        uint256 length = queue.length;
        bool full = length == CAPACITY;
        index = full ? length - 1 : length;
        ReturnRequest storage request = _at(queue, index);
        request.amount = uint128(full ? request.amount + amount : amount);
        request.unlocksAt = uint40(unlocksAt);
        if (!full) queue.length = uint8(length + 1);
        queue.total += uint128(amount);
    }

    /// @notice Removes every request that unlocks at `time` or before.
    /// @param queue the queue
    /// @param time unix seconds
    /// @return amount neuron in the removed requests
    function popMatured(Queue storage queue, uint256 time) internal returns (uint256 amount) {
        uint256 length = queue.length;
        uint256 matured;
        while (matured < length) {
            ReturnRequest storage request = _at(queue, matured);
            if (request.unlocksAt > time) break;
            amount += request.amount;
            ++matured;
        }
        if (matured == 0) return 0;
        // An empty queue starts again at ring slot 0, which has been used before. `head` is then 16 instead of 0, so
        // that this storage slot never becomes zero, which would make the next request pay for a new one.
        queue.head = uint8(matured == length ? CAPACITY : (queue.head + matured) % CAPACITY);
        queue.length = uint8(length - matured);
        queue.total -= uint128(amount);
    }

    /// @notice Takes neuron out of the newest requests; the last one touched may remain in part.
    /// @param queue the queue
    /// @param wanted neuron to take
    /// @return cancelled neuron taken: `wanted`, or everything in the queue if that is less
    function cancelNewest(Queue storage queue, uint256 wanted) internal returns (uint256 cancelled) {
        uint256 total = queue.total;
        if (total == 0) return 0;
        uint256 length = queue.length;
        while (length > 0 && cancelled < wanted) {
            ReturnRequest storage request = _at(queue, length - 1);
            uint256 missing = wanted - cancelled;
            if (request.amount > missing) {
                request.amount -= uint128(missing);
                cancelled = wanted;
            } else {
                cancelled += request.amount;
                --length;
            }
        }
        queue.length = uint8(length);
        queue.total = uint128(total - cancelled);
    }

    /// @notice The live requests.
    /// @param queue the queue
    /// @return requests oldest first
    function list(Queue storage queue) internal view returns (ReturnRequest[] memory requests) {
        requests = new ReturnRequest[](queue.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            requests[i] = _at(queue, i);
        }
    }

    /// @notice One request.
    /// @param queue the queue
    /// @param index place of the request, counted from the oldest
    /// @return its slot
    function _at(Queue storage queue, uint256 index) private view returns (ReturnRequest storage) {
        return queue.ring[(queue.head + index) % CAPACITY];
    }
}
