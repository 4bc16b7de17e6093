import { disputes } from "../node/sdk/exchange/disputes.ts";

disputes({
  honestFiles: 1_000,
  faultyFiles: 1_000,
  changedProofs: 5_000,
  pagesPerSize: 12,
  timeout: 3_600_000,
});
