// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Flow, Submission, SubmissionData, SubmissionNode} from "../../../contracts/devnet/Flow.sol";
import {Assertions} from "../helpers/Assertions.sol";

contract FlowTest is Assertions {
    uint256 private constant PRICE = 1 gwei;

    Flow private _flow = new Flow();

    /// @notice The announcement of a file whose tree has these heights, one byte each.
    function fileOf(uint256 size, bytes memory heights) private pure returns (SubmissionData memory data) {
        data.length = size;
        data.nodes = new SubmissionNode[](heights.length);
        for (uint256 i = 0; i < heights.length; ++i) {
            data.nodes[i] = SubmissionNode({root: keccak256(abi.encode(size, i)), height: uint8(heights[i])});
        }
    }

    function announce(
        uint256 size,
        bytes memory heights
    ) private returns (uint256 index, uint256 startIndex, uint256 sectors) {
        (index, , startIndex, sectors) = _flow.submit{value: 1 ether}(fileOf(size, heights));
    }

    function refuses(uint256 size, bytes memory heights) private {
        vm.expectRevert(abi.encodeWithSelector(Flow.InvalidSubmission.selector));
        _flow.submit{value: 1 ether}(fileOf(size, heights));
    }

    function test_GivenBothGenerations_WhenSubmitted_AnnounceTheSame() public {
        SubmissionData memory data = fileOf(1, hex"00");
        bytes32 identity = keccak256(abi.encodePacked(data.nodes[0].root));
        vm.expectEmit(address(_flow));
        emit Flow.Submit(address(this), identity, 0, 1, 1, data);
        _flow.submit{value: PRICE}(data);
        vm.expectEmit(address(_flow));
        emit Flow.Submit(address(7), identity, 1, 2, 1, data);
        (uint256 index, bytes32 digest, uint256 startIndex, uint256 sectors) = _flow.submit{value: PRICE}(
            Submission({data: data, submitter: address(7)})
        );
        eq(index, 1, "index");
        eq(digest, identity, "digest");
        eq(startIndex, 2, "start");
        eq(sectors, 1, "sectors");
        eq(_flow.numSubmissions(), 2, "submissions");
        eq(_flow.length(), 3, "length");
    }

    function test_GivenSeveral_WhenSubmittedTogether_TakeOnePlaceAfterTheOther() public {
        Submission[] memory files = new Submission[](2);
        files[0] = Submission({data: fileOf(700, hex"0100"), submitter: address(1)});
        files[1] = Submission({data: fileOf(256, hex"00"), submitter: address(2)});
        (
            uint256[] memory indexes,
            bytes32[] memory digests,
            uint256[] memory startIndexes,
            uint256[] memory lengths
        ) = _flow.batchSubmit{value: 4 * PRICE}(files);
        eq(indexes[1], 1, "index");
        eq(digests[0], keccak256(abi.encodePacked(files[0].data.nodes[0].root, files[0].data.nodes[1].root)), "digest");
        eq(startIndexes[0], 2, "aligned to the larger node");
        eq(startIndexes[1], 5, "right behind");
        eq(lengths[0] + lengths[1], 4, "sectors");
        vm.expectRevert(abi.encodeWithSelector(Flow.NotEnoughFee.selector, PRICE, 4, 4 * PRICE - 1));
        _flow.batchSubmit{value: 4 * PRICE - 1}(files);
    }

    function test_GivenTooLittle_WhenSubmitted_RevertsWithNumbers() public {
        SubmissionData memory data = fileOf(513, hex"0100");
        vm.expectRevert(abi.encodeWithSelector(Flow.NotEnoughFee.selector, PRICE, 3, 3 * PRICE - 1));
        _flow.submit{value: 3 * PRICE - 1}(data);
        vm.expectRevert(abi.encodeWithSelector(Flow.NotEnoughFee.selector, PRICE, 3, 0));
        _flow.submit(Submission({data: data, submitter: address(1)}));
        _flow.submit{value: 3 * PRICE}(data);
    }

    function test_Market_IsTheContractItself() public view {
        eq(Flow(_flow.market()).pricePerSector(), PRICE, "price");
    }

    function test_GivenPaddedSizes_TakesExactlyTheTreeOfTheFile() public {
        announce(1, hex"00");
        announce(256, hex"00");
        announce(257, hex"01");
        announce(15 * 256, hex"03020100");
        announce(15 * 256 + 1, hex"04");
        announce(17 * 256, hex"0401"); // 17 chunks are padded to 18
        announce(18 * 256, hex"0401");
        announce(2 ** 26, hex"12");
        announce(2 ** 26 + 1, hex"120f"); // 64 MiB and a byte are padded by an eighth
        announce(2 ** 26 + 2 ** 23, hex"120f");
    }

    function test_GivenAnotherTree_Reverts() public {
        refuses(0, "");
        refuses(1, "");
        refuses(0, hex"00");
        refuses(257, hex"00");
        refuses(256, hex"01");
        refuses(17 * 256, hex"0400");
        refuses(18 * 256 + 1, hex"0401");
        refuses(768, hex"0001");
        refuses(512, hex"0000");
        refuses(2 ** 71, hex"40");
        refuses(2 ** 71 + 1, hex"3f");
        refuses(type(uint256).max, hex"00");
    }

    function test_GivenAFileThatWouldCrossASegment_StartsInTheNextOne() public {
        (, uint256 startIndex, ) = announce(896 * 256, hex"090807");
        eq(startIndex, 1024, "from 512 on it would end in the second segment");
        (, startIndex, ) = announce(128 * 256, hex"07");
        eq(startIndex, 1920, "fits to the last sector");
        (, startIndex, ) = announce(960 * 256, hex"09080706");
        eq(startIndex, 2048, "begins a segment");
        (, startIndex, ) = announce(96 * 256, hex"0605");
        eq(startIndex, 3072, "from 3,008 on it would end in the next segment");
    }

    function test_GivenLargerThanASegment_StartsAtASegment() public {
        announce(1, hex"00");
        (, uint256 startIndex, uint256 sectors) = announce(1025 * 256, hex"0a07");
        eq(startIndex, 1024, "aligned to its largest node");
        eq(sectors, 1152, "sectors");
        (, startIndex, ) = announce(256, hex"00");
        eq(startIndex, 1024 + 1152, "right behind");
    }
}
