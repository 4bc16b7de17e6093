import { describe } from "mocha";
import { officialTransfers } from "../node/provider/storage/officialTransfers.ts";

describe("0G's own clients at the embedded storage node", function () {
  this.timeout(1_200_000);
  officialTransfers([64 * 2 ** 20 + 1]);
});
