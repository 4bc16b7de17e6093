// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A perfect subtree of a file: 2^height chunks of 256 bytes, which 0G's contracts call sectors.
struct SubmissionNode {
    bytes32 root;
    uint256 height;
}

/// @notice A file as its owner announces it. This is what the older clients submit.
struct SubmissionData {
    uint256 length; // bytes of the file
    bytes tags;
    SubmissionNode[] nodes; // largest first; together the padded file
}

/// @notice What the newer clients submit.
struct Submission {
    SubmissionData data;
    address submitter;
}

/// @title Flow: 0G Storage's log of files, for a local network
/// @notice Stands in for 0G's Flow and market contracts, so that 0G's own clients can announce files on a local chain
/// and the embedded storage node learns of them. No part of the protocol, deployed on no other chain. It keeps what it
/// is paid for good.
contract Flow {
    /// @notice File number `submissionIndex` takes `length` sectors of the log from `startPos` on; `identity` is the
    /// keccak256 of its nodes' roots.
    event Submit(
        address indexed sender,
        bytes32 indexed identity,
        uint256 submissionIndex,
        uint256 startPos,
        uint256 length,
        SubmissionData submission
    );

    /// @notice The nodes are not the padded tree of a file of that length.
    error InvalidSubmission();
    /// @notice `amount` sectors at `price` neuron each cost more than the `paid` neuron.
    error NotEnoughFee(uint256 price, uint256 amount, uint256 paid);

    /// @notice Neuron for one sector.
    uint256 public constant pricePerSector = 1 gwei; // solhint-disable-line const-name-snakecase

    uint256 private constant CHUNK_BYTES = 256;
    uint256 private constant SEGMENT_SECTORS = 1024;
    uint256 private constant MAX_HEIGHT = 63;

    /// @notice Files announced so far; the number of the next one.
    uint256 public numSubmissions;
    /// @notice Sectors taken so far. The first one belongs to nobody, as in 0G's contract.
    uint256 public length = 1;

    /// @notice Announces a file, as newer clients do.
    function submit(
        Submission calldata submission
    ) external payable returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 sectors) {
        (index, digest, startIndex, sectors) = _append(submission.submitter, submission.data);
        _charge(sectors);
    }

    /// @notice Announces a file, as older clients do.
    function submit(
        SubmissionData calldata submission
    ) external payable returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 sectors) {
        (index, digest, startIndex, sectors) = _append(msg.sender, submission);
        _charge(sectors);
    }

    /// @notice Announces several files in one transaction.
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

    /// @notice The contract that says what a sector costs: this one.
    function market() external view returns (address) {
        return address(this);
    }

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

    function _charge(uint256 sectors) private {
        if (msg.value < sectors * pricePerSector) revert NotEnoughFee(pricePerSector, sectors, msg.value);
    }

    /// @dev Where the file begins: a multiple of its largest node, and at the start of a segment where it would not end
    /// in the segment it begins in. Clients number segments from there.
    function _startOf(uint256 sectors, uint256 height) private view returns (uint256 start) {
        start = _roundUp(length, 1 << height);
        bool crosses = start / SEGMENT_SECTORS != (start + sectors - 1) / SEGMENT_SECTORS;
        if (crosses) start = _roundUp(start, SEGMENT_SECTORS);
    }

    /// @dev The nodes must be what the padded size is made of: one power of two per set bit, largest first.
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

    /// @dev Padded to a multiple of a sixteenth of the next power of two.
    function _paddedSectors(uint256 size) private pure returns (uint256) {
        if (size > CHUNK_BYTES << MAX_HEIGHT) revert InvalidSubmission();
        uint256 chunks = _roundUp(size, CHUNK_BYTES) / CHUNK_BYTES;
        uint256 power = 1;
        while (power < chunks) power <<= 1;
        return _roundUp(chunks, power < 16 ? 1 : power / 16);
    }

    function _roundUp(uint256 value, uint256 unit) private pure returns (uint256) {
        return ((value + unit - 1) / unit) * unit;
    }

    function _digestOf(SubmissionNode[] calldata nodes) private pure returns (bytes32) {
        bytes memory roots;
        for (uint256 i = 0; i < nodes.length; ++i) {
            roots = bytes.concat(roots, nodes[i].root);
        }
        return keccak256(roots);
    }
}
