// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Proves that one page of a deliverable does not decrypt to what the page above it says.
/// @dev Identifies the page only by its number: every other position follows from the delivered size, so that a proof
/// cannot use bytes from another position. The container and the blinds u_j are those of docs/protocol.md, "Fair
/// exchange".
struct MisbehaviourProof {
    bytes32 key; // as revealed
    bytes32 blindRoot; // as ordered; opens the task's commitment together with contentRoot and the key
    bytes32 contentRoot; // as delivered
    uint256 page; // number in the container of the page that does not match its entry; the last one is the top page
    bytes pageBytes; // that page, encrypted: 4,096 bytes
    bytes32[] pagePath; // siblings from the page's node to the storage root, bottom first; a promoted node adds none
    bytes32 blind; // u_j, j = (page / 64) mod 4,096
    bytes32[] blindPath; // 12 siblings from its hash to blindRoot, bottom first
    bytes entryChunk; // chunk of the parent page that holds the entry, encrypted: 256 bytes; empty for the top page
    bytes32[] entryPath; // siblings from that chunk's leaf to the storage root, bottom first; empty for the top page
    bytes32 entryBlind; // u_j of the parent page; 0, with an empty path, if j is the page's own, and for the top page
    bytes32[] entryBlindPath; // 12 siblings from its hash to blindRoot, bottom first
}
