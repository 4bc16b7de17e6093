import { disputes } from "./disputes.ts";

// test/deep/dispute.test.ts runs the same at full volume
disputes({
  honestFiles: 60,
  faultyFiles: 40,
  changedProofs: 200,
  pagesPerSize: 2,
});
