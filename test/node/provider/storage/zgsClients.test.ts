import { describe } from "mocha";
import { officialTransfers } from "./officialTransfers.ts";

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** Sizes around the boundaries of chunks and segments; a large one is in test/deep. */
describe("0G's own clients at the embedded storage node", () => {
  officialTransfers([
    ...[1, 255, 256, 257],
    ...[256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB + 1, 3 * MIB + 77],
  ]);
});
