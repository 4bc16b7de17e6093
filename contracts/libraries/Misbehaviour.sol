// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFineTuningServing} from "../interfaces/IFineTuningServing.sol";
import {IStreamCipher} from "../interfaces/IStreamCipher.sol";
import {MisbehaviourProof} from "../types/MisbehaviourProof.sol";
import {TaskId} from "../types/TaskId.sol";
import {Geometry} from "./Geometry.sol";
import {StorageProof} from "./StorageProof.sol";

/// @title Misbehaviour: the one rule of a dispute
/// @notice A page misbehaves when the SHA-256 of its decryption differs from its entry in the page above it, or, for
/// the top page, from contentRoot. The provider chose all three, so an honest one never has such a page.
library Misbehaviour {
    /// @notice Number of blinds of a task: the leaves under blindRoot.
    uint256 internal constant BLINDS = 4096;

    /// @notice Returns only where the proof shows misbehaviour.
    /// @param root storage root of the encrypted container
    /// @param size bytes of the archive in it
    /// @dev The caller has checked that key, blindRoot and contentRoot are those of the task. Reverts with
    /// ServingInvalidProof, ServingNoMisbehaviour.
    function check(
        IStreamCipher cipher,
        TaskId id,
        bytes32 root,
        uint256 size,
        MisbehaviourProof calldata proof
    ) internal pure {
        (uint256 pages, uint256 parent, uint256 entry) = Geometry.locate(size, proof.page);
        bool isTop = parent == pages;
        uint256 leaves = Geometry.paddedPages(pages);
        if (proof.page >= pages || !_holdsPage(proof, root, leaves)) revert IFineTuningServing.ServingInvalidProof(id);
        bool holdsEntry = isTop ? _holdsNoEntry(proof) : _holdsEntry(proof, root, leaves, parent, entry);
        if (!holdsEntry) revert IFineTuningServing.ServingInvalidProof(id);
        bytes32 expected = isTop ? proof.contentRoot : _entryOf(cipher, id, proof, parent, entry);
        if (_digestOf(cipher, id, proof) == expected) revert IFineTuningServing.ServingNoMisbehaviour(id);
    }

    // -- What lies where -----------------------------------------------------------------------------------------

    function _holdsPage(MisbehaviourProof calldata proof, bytes32 root, uint256 leaves) private pure returns (bool) {
        return
            proof.pageBytes.length == Geometry.PAGE_BYTES &&
            StorageProof.leads(root, StorageProof.nodeOf(proof.pageBytes), proof.page, leaves, proof.pagePath) &&
            _isBlind(proof.blindRoot, proof.blind, proof.page, proof.blindPath);
    }

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

    function _holdsNoEntry(MisbehaviourProof calldata proof) private pure returns (bool) {
        return proof.entryChunk.length == 0 && proof.entryPath.length == 0 && _holdsNoEntryBlind(proof);
    }

    function _holdsNoEntryBlind(MisbehaviourProof calldata proof) private pure returns (bool) {
        return proof.entryBlind == 0 && proof.entryBlindPath.length == 0;
    }

    function _isBlind(
        bytes32 blindRoot,
        bytes32 blind,
        uint256 page,
        bytes32[] calldata path
    ) private pure returns (bool) {
        return StorageProof.leads(blindRoot, keccak256(abi.encode(blind)), _blindOf(page), BLINDS, path);
    }

    function _sharesBlind(uint256 page, uint256 otherPage) private pure returns (bool) {
        return _blindOf(page) == _blindOf(otherPage);
    }

    /// @dev Number of the blind of the segment that a page lies in.
    function _blindOf(uint256 page) private pure returns (uint256) {
        return (page / Geometry.SEGMENT_PAGES) % BLINDS;
    }

    // -- What it decrypts to -------------------------------------------------------------------------------------

    function _digestOf(
        IStreamCipher cipher,
        TaskId id,
        MisbehaviourProof calldata proof
    ) private pure returns (bytes32) {
        return sha256(_decrypt(cipher, id, proof, proof.blind, proof.page, 0, proof.pageBytes));
    }

    function _entryOf(
        IStreamCipher cipher,
        TaskId id,
        MisbehaviourProof calldata proof,
        uint256 parent,
        uint256 entry
    ) private pure returns (bytes32 digest) {
        bytes32 blind = _sharesBlind(proof.page, parent) ? proof.blind : proof.entryBlind;
        uint256 start = (entry / Geometry.CHUNK_ENTRIES) * Geometry.CHUNK_BYTES;
        bytes memory chunk = _decrypt(cipher, id, proof, blind, parent, start, proof.entryChunk);
        return abi.decode(chunk, (bytes32[8]))[entry % Geometry.CHUNK_ENTRIES];
    }

    /// @dev Decrypts bytes that lie `start` bytes behind the beginning of a page.
    function _decrypt(
        IStreamCipher cipher,
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
        return cipher.xor(key, _nonceOf(segment), uint32(counter), encrypted);
    }

    /// @dev The segment's number, little-endian, in the first four bytes.
    function _nonceOf(uint32 segment) private pure returns (bytes12) {
        uint32 pairs = ((segment & 0x00ff00ff) << 8) | ((segment >> 8) & 0x00ff00ff);
        return bytes12(bytes4((pairs << 16) | (pairs >> 16)));
    }
}
