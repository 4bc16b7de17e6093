// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A perfect subtree of a file: 2^height chunks of 256 bytes, which 0G's contracts call sectors.
struct SubmissionNode {
    bytes32 root; // of the subtree
    uint256 height; // levels above its chunks
}

/// @notice A file as its owner announces it, in the format of older clients.
struct SubmissionData {
    uint256 length; // bytes of the file
    bytes tags; // set by the owner; not read here
    SubmissionNode[] nodes; // largest first; together the padded file
}

/// @notice A file in the format of newer clients.
struct Submission {
    SubmissionData data; // the file
    address submitter; // on whose behalf it is announced
}

/// @title Flow: 0G Storage's log of files, for a local network
/// @notice Replaces 0G's Flow and market contracts, so that 0G's own clients can announce files on a local chain and
/// the embedded storage node sees them. Not part of the protocol, and not deployed on any other chain. What it is paid
/// cannot be withdrawn.
/// @dev Names and rules are those of 0G Storage's Flow contract.
/// @custom:security-contact see SECURITY.md
contract Flow {
    /// @notice Emitted when a file is announced.
    /// @param sender on whose behalf
    /// @param identity keccak256 of its nodes' roots
    /// @param submissionIndex number of the file, from 0
    /// @param startPos the first sector of the log that it occupies
    /// @param length number of sectors
    /// @param submission the file as its owner announced it
    event Submit(
        address indexed sender,
        bytes32 indexed identity,
        uint256 submissionIndex,
        uint256 startPos,
        uint256 length,
        SubmissionData submission
    );

    /// @notice Thrown when the nodes do not form the padded tree of a file of that length.
    error InvalidSubmission();
    /// @notice Thrown when less is paid than the sectors cost.
    /// @param price neuron per sector
    /// @param amount number of sectors
    /// @param paid neuron
    error NotEnoughFee(uint256 price, uint256 amount, uint256 paid);

    /// @notice Neuron per sector.
    uint256 public constant pricePerSector = 1 gwei; // solhint-disable-line const-name-snakecase

    /// @dev Bytes of a sector.
    uint256 private constant CHUNK_BYTES = 256;
    /// @dev Sectors of a segment, the unit in which clients upload.
    uint256 private constant SEGMENT_SECTORS = 1024;
    /// @dev Maximum height of a node, so that no sum of sectors overflows.
    uint256 private constant MAX_HEIGHT = 63;

    /// @notice Files announced so far; the number of the next one.
    uint256 public numSubmissions;
    /// @notice Sectors used so far. The first one belongs to no file, as in 0G's contract.
    uint256 public length = 1;

    /// @notice Announces a file in the format of newer clients.
    /// @dev Reverts with InvalidSubmission, NotEnoughFee.
    /// @param submission the file
    /// @return index its number
    /// @return digest keccak256 of its nodes' roots
    /// @return startIndex the first sector of the log that it occupies
    /// @return sectors number of sectors
    function submit(
        Submission calldata submission
    ) external payable returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 sectors) {
        (index, digest, startIndex, sectors) = _append(submission.submitter, submission.data);
        _charge(sectors);
    }

    /// @notice Announces a file in the format of older clients.
    /// @dev Reverts with InvalidSubmission, NotEnoughFee.
    /// @param submission the file
    /// @return index its number
    /// @return digest keccak256 of its nodes' roots
    /// @return startIndex the first sector of the log that it occupies
    /// @return sectors number of sectors
    function submit(
        SubmissionData calldata submission
    ) external payable returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 sectors) {
        (index, digest, startIndex, sectors) = _append(msg.sender, submission);
        _charge(sectors);
    }

    /// @notice Announces several files in one transaction.
    /// @dev Reverts with InvalidSubmission, NotEnoughFee.
    /// @param submissions the files
    /// @return indexes their numbers
    /// @return digests of each, the keccak256 of its nodes' roots
    /// @return startIndexes of each, the first sector of the log that it occupies
    /// @return lengths of each, its number of sectors
    function batchSubmit(
        Submission[] calldata submissions
    )
        external
        payable
        returns (
            uint256[] memory indexes,
            bytes32[] memory digests,
            uint256[] memory startIndexes,
            uint256[] memory lengths
        )
    {
        uint256 count = submissions.length;
        (indexes, digests) = (new uint256[](count), new bytes32[](count));
        (startIndexes, lengths) = (new uint256[](count), new uint256[](count));
        uint256 total;
        for (uint256 i = 0; i < count; ++i) {
            Submission calldata one = submissions[i];
            (indexes[i], digests[i], startIndexes[i], lengths[i]) = _append(one.submitter, one.data);
            total += lengths[i];
        }
        _charge(total);
    }

    /// @notice The contract that defines the price of a sector.
    /// @return this contract
    function market() external view returns (address) {
        return address(this);
    }

    /// @notice Adds a file to the log.
    /// @dev Reverts with InvalidSubmission.
    /// @param sender on whose behalf
    /// @param data the file
    /// @return index its number
    /// @return digest keccak256 of its nodes' roots
    /// @return startIndex the first sector of the log that it occupies
    /// @return sectors number of sectors
    function _append(
        address sender,
        SubmissionData calldata data
    ) private returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 sectors) {
        sectors = _sectorsOf(data);
        digest = _digestOf(data.nodes);
        startIndex = _startOf(sectors, data.nodes[0].height);
        index = numSubmissions;
        numSubmissions = index + 1;
        length = startIndex + sectors;
        emit Submit(sender, digest, index, startIndex, sectors, data);
    }

    /// @notice Reverts with NotEnoughFee unless msg.value covers the price of the sectors.
    /// @param sectors how many
    function _charge(uint256 sectors) private {
        if (msg.value < sectors * pricePerSector) revert NotEnoughFee(pricePerSector, sectors, msg.value);
    }

    /// @notice The first sector of a file: a multiple of its largest node, and at the start of a segment if the file
    /// would otherwise cross a segment boundary. Clients number segments from there.
    /// @param sectors number of sectors of the file
    /// @param height height of its largest node
    /// @return start its first sector
    function _startOf(uint256 sectors, uint256 height) private view returns (uint256 start) {
        start = _roundUp(length, 1 << height);
        bool crosses = start / SEGMENT_SECTORS != (start + sectors - 1) / SEGMENT_SECTORS;
        if (crosses) start = _roundUp(start, SEGMENT_SECTORS);
    }

    /// @notice The number of sectors of a file.
    /// @dev Its nodes must add up to the padded size: one power of two per set bit, largest first. Reverts with
    /// InvalidSubmission.
    /// @param data the file
    /// @return sectors number of sectors
    function _sectorsOf(SubmissionData calldata data) private pure returns (uint256 sectors) {
        uint256 above = MAX_HEIGHT + 1;
        for (uint256 i = 0; i < data.nodes.length; ++i) {
            uint256 height = data.nodes[i].height;
            if (height >= above) revert InvalidSubmission();
            sectors += 1 << height;
            above = height;
        }
        if (sectors == 0 || sectors != _paddedSectors(data.length)) revert InvalidSubmission();
    }

    /// @notice The number of sectors of a file, padded to a multiple of a sixteenth of the next power of two.
    /// @dev Reverts with InvalidSubmission.
    /// @param size bytes
    /// @return sectors
    function _paddedSectors(uint256 size) private pure returns (uint256) {
        if (size > CHUNK_BYTES << MAX_HEIGHT) revert InvalidSubmission();
        uint256 chunks = _roundUp(size, CHUNK_BYTES) / CHUNK_BYTES;
        uint256 power = 1;
        while (power < chunks) power <<= 1;
        return _roundUp(chunks, power < 16 ? 1 : power / 16);
    }

    /// @notice Rounds a number up to a multiple.
    /// @param value the number
    /// @param unit the result is a multiple of this, at least 1
    /// @return the multiple
    function _roundUp(uint256 value, uint256 unit) private pure returns (uint256) {
        return ((value + unit - 1) / unit) * unit;
    }

    /// @notice The identity of a file.
    /// @param nodes its nodes
    /// @return keccak256 of their roots
    function _digestOf(SubmissionNode[] calldata nodes) private pure returns (bytes32) {
        bytes memory roots;
        for (uint256 i = 0; i < nodes.length; ++i) {
            roots = bytes.concat(roots, nodes[i].root);
        }
        return keccak256(roots);
    }
}
