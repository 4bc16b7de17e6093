import { disputes } from "./disputes.ts";

// test/deep/dispute.test.ts tries the same at full volume
disputes({
  honestFiles: 60,
  faultyFiles: 40,
  changedProofs: 200,
  pagesPerSize: 2,
});
