// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {ITaskRegistry} from "../interfaces/ITaskRegistry.sol";
import {MisbehaviourProof} from "../types/MisbehaviourProof.sol";
import {TaskId} from "../types/TaskId.sol";
import {ChaCha20} from "./ChaCha20.sol";
import {Geometry} from "./Geometry.sol";
import {StorageProof} from "./StorageProof.sol";

/// @title Misbehaviour: the one rule of a dispute
/// @notice A page misbehaves if the SHA-256 of its decryption differs from its entry in the page above it, or, for
/// the top page, from contentRoot. The provider chose all three, so an honest provider never has such a page.
/// @dev The container, the blinds and the keys of its segments are those of docs/protocol.md, "Fair exchange".
library Misbehaviour {
    /// @notice Number of blinds of a task: the leaves under blindRoot.
    uint256 internal constant BLINDS = 4096;

    /// @notice Returns only if the proof shows misbehaviour.
    /// @dev The caller has checked that key, blindRoot and contentRoot are those of the task. Reverts with
    /// ServingInvalidProof, ServingNoMisbehaviour.
    /// @param id the task
    /// @param root storage root of the encrypted container
    /// @param size bytes of the archive in it, 1 to Geometry.MAX_SIZE
    /// @param proof the proof
    function check(TaskId id, bytes32 root, uint256 size, MisbehaviourProof calldata proof) internal pure {
        (uint256 pages, uint256 parent, uint256 entry) = Geometry.locate(size, proof.page);
        bool isTop = parent == pages;
        uint256 leaves = Geometry.paddedPages(pages);
        if (proof.page >= pages || !_holdsPage(proof, root, leaves)) revert ITaskRegistry.ServingInvalidProof(id);
        bool holdsEntry = isTop ? _holdsNoEntry(proof) : _holdsEntry(proof, root, leaves, parent, entry);
        if (!holdsEntry) revert ITaskRegistry.ServingInvalidProof(id);
        bytes32 expected = isTop ? proof.contentRoot : _entryOf(id, proof, parent, entry);
        if (_digestOf(id, proof) == expected) revert IDisputes.ServingNoMisbehaviour(id);
    }

    // -- Positions -----------------------------------------------------------------------------------------------

    /// @notice Whether the page is at its number in the container, and its blind under blindRoot.
    /// @param proof the proof
    /// @param root storage root of the encrypted container
    /// @param leaves pages under the storage tree, padding included
    /// @return whether both paths lead to their roots
    function _holdsPage(MisbehaviourProof calldata proof, bytes32 root, uint256 leaves) private pure returns (bool) {
        return
            proof.pageBytes.length == Geometry.PAGE_BYTES &&
            StorageProof.leads(root, StorageProof.nodeOf(proof.pageBytes), proof.page, leaves, proof.pagePath) &&
            _isBlind(proof.blindRoot, proof.blind, proof.page, proof.blindPath);
    }

    /// @notice Whether the chunk with the page's entry is in the container, and its blind under blindRoot.
    /// @param proof the proof
    /// @param root storage root of the encrypted container
    /// @param leaves pages under the storage tree, padding included
    /// @param parent number of the page that holds the entry
    /// @param entry place of the entry in that page
    /// @return whether both paths lead to their roots; the blind's is left out if it is the page's own
    function _holdsEntry(
        MisbehaviourProof calldata proof,
        bytes32 root,
        uint256 leaves,
        uint256 parent,
        uint256 entry
    ) private pure returns (bool) {
        if (proof.entryChunk.length != Geometry.CHUNK_BYTES) return false;
        uint256 chunk = parent * Geometry.PAGE_CHUNKS + entry / Geometry.CHUNK_ENTRIES;
        bytes32 leaf = keccak256(proof.entryChunk);
        if (!StorageProof.leads(root, leaf, chunk, leaves * Geometry.PAGE_CHUNKS, proof.entryPath)) return false;
        return
            _sharesBlind(proof.page, parent)
                ? _holdsNoEntryBlind(proof)
                : _isBlind(proof.blindRoot, proof.entryBlind, parent, proof.entryBlindPath);
    }

    /// @notice Whether the proof has no entry, as for the top page.
    /// @param proof the proof
    /// @return whether all of it is empty
    function _holdsNoEntry(MisbehaviourProof calldata proof) private pure returns (bool) {
        return proof.entryChunk.length == 0 && proof.entryPath.length == 0 && _holdsNoEntryBlind(proof);
    }

    /// @notice Whether the proof has no second blind.
    /// @param proof the proof
    /// @return whether blind and path are empty
    function _holdsNoEntryBlind(MisbehaviourProof calldata proof) private pure returns (bool) {
        return proof.entryBlind == 0 && proof.entryBlindPath.length == 0;
    }

    /// @notice Whether a blind is the one of the segment that a page is in.
    /// @param blindRoot as ordered
    /// @param blind u_j
    /// @param page number of the page
    /// @param path siblings from the blind's hash to blindRoot, bottom first
    /// @return whether the path leads to blindRoot
    function _isBlind(
        bytes32 blindRoot,
        bytes32 blind,
        uint256 page,
        bytes32[] calldata path
    ) private pure returns (bool) {
        return StorageProof.leads(blindRoot, keccak256(abi.encode(blind)), _blindOf(page), BLINDS, path);
    }

    /// @notice Whether two pages are in segments with the same blind.
    /// @param page number of the one
    /// @param otherPage number of the other
    /// @return whether both have the same blind
    function _sharesBlind(uint256 page, uint256 otherPage) private pure returns (bool) {
        return _blindOf(page) == _blindOf(otherPage);
    }

    /// @notice The blind of the segment that a page is in: segment r has u_(r mod 4,096).
    /// @param page number of the page
    /// @return number of the blind
    function _blindOf(uint256 page) private pure returns (uint256) {
        return (page / Geometry.SEGMENT_PAGES) % BLINDS;
    }

    // -- Decryption ----------------------------------------------------------------------------------------------

    /// @notice The SHA-256 of what the page decrypts to.
    /// @param id the task
    /// @param proof the proof
    /// @return the digest
    function _digestOf(TaskId id, MisbehaviourProof calldata proof) private pure returns (bytes32) {
        return sha256(_decrypt(id, proof, proof.blind, proof.page, 0, proof.pageBytes));
    }

    /// @notice The expected digest of the page, from its entry in the page above it.
    /// @param id the task
    /// @param proof the proof
    /// @param parent number of the page that holds the entry
    /// @param entry place of the entry in that page
    /// @return digest the entry
    function _entryOf(
        TaskId id,
        MisbehaviourProof calldata proof,
        uint256 parent,
        uint256 entry
    ) private pure returns (bytes32 digest) {
        bytes32 blind = _sharesBlind(proof.page, parent) ? proof.blind : proof.entryBlind;
        uint256 start = (entry / Geometry.CHUNK_ENTRIES) * Geometry.CHUNK_BYTES;
        bytes memory chunk = _decrypt(id, proof, blind, parent, start, proof.entryChunk);
        return abi.decode(chunk, (bytes32[8]))[entry % Geometry.CHUNK_ENTRIES];
    }

    /// @notice Decrypts bytes of a page.
    /// @dev The key is K_r, the nonce the segment's number, the counter the block's place in the segment.
    /// @param id the task
    /// @param proof the proof, which contains the provider's share of the key
    /// @param blind u_j of the segment that the page is in
    /// @param page number of the page
    /// @param start bytes from the beginning of the page to the encrypted ones, a multiple of 64
    /// @param encrypted the bytes
    /// @return the decrypted bytes
    function _decrypt(
        TaskId id,
        MisbehaviourProof calldata proof,
        bytes32 blind,
        uint256 page,
        uint256 start,
        bytes calldata encrypted
    ) private pure returns (bytes memory) {
        uint32 segment = uint32(page / Geometry.SEGMENT_PAGES);
        bytes32 key = keccak256(abi.encodePacked("FX1", TaskId.unwrap(id), segment, blind, proof.key));
        uint256 counter = ((page % Geometry.SEGMENT_PAGES) * Geometry.PAGE_BYTES + start) / 64;
        return ChaCha20.xor(key, _nonceOf(segment), uint32(counter), encrypted);
    }

    /// @notice The nonce of a segment: its number, little-endian, in the first four bytes.
    /// @param segment number of the segment
    /// @return the nonce
    function _nonceOf(uint32 segment) private pure returns (bytes12) {
        uint32 pairs = ((segment & 0x00ff00ff) << 8) | ((segment >> 8) & 0x00ff00ff);
        return bytes12(bytes4((pairs << 16) | (pairs >> 16)));
    }
}
