/** Why a surviving mutant is not a gap in the tests; identified by file, a part of its line, and its replacement. */
export interface Explanation {
  readonly file: string;
  readonly line: string;
  readonly replacement: string;
  readonly because: string;
}

export const EXPLAINED: readonly Explanation[] = [
  {
    file: "Ledger.sol",
    line: "free < amount",
    replacement: "<=",
    because: "Equivalent: a shortfall of 0 takes nothing from the return queue.",
  },
  {
    file: "ChaCha20.sol",
    line: "c = _output(c, third, ones);",
    replacement: "third, c",
    because: "Equivalent: _output adds its first two arguments, and addition commutes.",
  },
  {
    file: "ChaCha20.sol",
    line: "a = _output(a, FIRST_ROW, ones);",
    replacement: "FIRST_ROW, a",
    because: "Equivalent, for the same reason.",
  },
  {
    file: "ChaCha20.sol",
    line: "b = _output(b, second, ones);",
    replacement: "second, b",
    because: "Equivalent, for the same reason.",
  },
  {
    file: "ChaCha20.sol",
    line: "start < data.length; start += STEP",
    replacement: "<=",
    because:
      "Costs only gas: another step writes memory that nothing has allocated, and that nothing expects to be zero.",
  },
  {
    file: "ChaCha20.sol",
    line: "((length + STEP - 1) / STEP) * STEP",
    replacement: "+",
    because:
      "Equivalent except for memory: the result's length is set afterwards, and another step is never read.",
  },
  {
    file: "ServiceRegistry.sol",
    line: "current != 0 &&",
    replacement: "1",
    because:
      "Costs only gas: identical terms get a second number. Valid terms never equal the empty offer 0.",
  },
  {
    file: "Geometry.sol",
    line: "uint256 power = 1;",
    replacement: "2",
    because: "Equivalent: a file of one page gets the unit 1 in both cases.",
  },
  {
    file: "Geometry.sol",
    line: "while (power < pages)",
    replacement: "<=",
    because: "Equivalent: a power of two is a multiple of an eighth of itself, too.",
  },
  {
    file: "Geometry.sol",
    line: "power > 16 ? power / 16 : 1",
    replacement: ">=",
    because: "Equivalent: a sixteenth of 16 is 1.",
  },
  {
    file: "TaskRegistry.sol",
    line: "if (rebate == 0) return 0;",
    replacement: "false",
    because: "Costs only gas: a rebate of 0 is stored, and read again.",
  },
  {
    file: "FineTuningServing.sol",
    line: "Fees.givenUpShare(bond, elapsed, trainingTime)",
    replacement: "elapsed, bond",
    because: "Equivalent: givenUpShare multiplies the two, and multiplication commutes.",
  },
  {
    file: "Ledger.sol",
    line: "call(gas(), to, amount, 0, 0, 0, 0)",
    replacement: "1",
    because:
      "Equivalent for the three that survive: where data of length 0 begins, and one byte of the answer in scratch memory.",
  },
  {
    file: "Rules.sol",
    line: "Geometry.locate(size, 0)",
    replacement: "1",
    because: "Equivalent: the number of pages does not depend on which of them is located.",
  },
  {
    file: "TaskStates.sol",
    line: "IN_CREATED = 4 * uint256(TaskState.Created)",
    replacement: "/",
    because: "Equivalent: TaskState.Created is 1.",
  },
  {
    file: "ChaCha20.sol",
    line: "d = _output(d, last, ones);",
    replacement: "last, d",
    because: "Equivalent, for the same reason.",
  },
  {
    file: "Geometry.sol",
    line: "power > 16 ? power / 16 : 1",
    replacement: "17",
    because: "Equivalent: no power of two is 17.",
  },
  {
    file: "Misbehaviour.sol",
    line: "proof.entryChunk.length != Geometry.CHUNK_BYTES",
    replacement: "false",
    because:
      "Equivalent: only a chunk has the hash of a leaf, and the path from an inner node, which has 64 bytes, is too short.",
  },
  {
    file: "Misbehaviour.sol",
    line: "_sharesBlind(proof.page, parent)",
    replacement: "parent, proof.page",
    because: "Equivalent: the function compares the two.",
  },
  {
    file: "Misbehaviour.sol",
    line: "proof.blind, proof.page, 0, proof.pageBytes",
    replacement: "1",
    because: "Equivalent: bytes 0 and 1 are in the same block of the cipher.",
  },
  {
    file: "Pages.sol",
    line: "offset < length ? offset : length",
    replacement: "<=",
    because: "Equivalent: if they are equal, so is the result.",
  },
  {
    file: "Pages.sol",
    line: "limit < length - start ? start + limit : length",
    replacement: "<=",
    because: "Equivalent: if they are equal, so is the result.",
  },
  {
    file: "ReturnQueue.sol",
    line: "if (matured == 0) return 0;",
    replacement: "false",
    because:
      "Costs only gas: the queue is written as it was, or its head as that of an empty queue.",
  },
  {
    file: "ReturnQueue.sol",
    line: "if (total == 0) return 0;",
    replacement: "false",
    because: "Costs only gas: an empty queue is written as it was.",
  },
  {
    file: "StorageProof.sol",
    line: "let row := mload(0x40)",
    replacement: "0x41",
    because:
      "Equivalent except for memory: the word that begins a byte later is 256 times as large.",
  },
];
