/**
 * Attacks that an audit proved with running code against the first edition. Each is a test by now: the attack is played,
 * and the test passes if it gains nothing. This runs those tests, and reports each attack as "fails" or "succeeds".
 */
import { spawnSync } from "node:child_process";
import type { Measure } from "./Measure.ts";

interface Attack {
  /** Test file that plays it. */
  readonly file: string;
  readonly title: string;
}

const SERVING = "test/solidity/serving";

export const ATTACKS: Readonly<Record<string, Attack>> = {
  "change of terms in front of an order": {
    file: `${SERVING}/CreateTask.t.sol`,
    title: "test_P28_GivenOtherTerms_WhenOrdered_RevertsWithBothOffers",
  },
  "change of the unit under a waiting order": {
    file: `${SERVING}/Services.t.sol`,
    title: "test_P28_GivenAnyTermThatAnOrderBinds_WhenUpdated_IsANewOffer",
  },
  "delivery that nobody can download, for the share of an unacknowledged one": {
    file: `${SERVING}/ChunkDemands.t.sol`,
    title: "test_P31_GivenDemand_WhenNeverAnswered_CostsWhatAMissedRevealCosts",
  },
  "failing for free at the last second": {
    file: `${SERVING}/Running.t.sol`,
    title: "test_P26_GivenAccepted_WhenFailedOnTheLastSecond_CostsWhatAMissedDeadlineCosts",
  },
  "rubbish delivered for nothing, to save the bond": {
    file: `${SERVING}/Running.t.sol`,
    title: "test_P30_GivenRubbishForNothing_WhenTheKeyIsNotRevealed_TheWholeBondIsLost",
  },
  "money taken with a stolen operator's key": {
    file: `${SERVING}/Operator.t.sol`,
    title: "test_P32_GivenStolenKey_WhenItTriesToTakeMoney_TheProvidersIsUntouched",
  },
  "work with a stolen operator's key after it was replaced": {
    file: `${SERVING}/Operator.t.sol`,
    title: "test_P32_GivenStolenKey_WhenTheProviderReplacesIt_TheThiefCanDoNothingMore",
  },
  "order under the id of another task": {
    file: `${SERVING}/CreateTask.t.sol`,
    title: "test_P17_GivenTaskUnderTheSameId_WhenOrdered_Reverts",
  },
  "events about others by amounts of 0": {
    file: "test/solidity/ledger/ServingVerbs.t.sol",
    title: "test_GivenZero_WhenReservedReleasedOrSettled_WritesNoEventAboutOthers",
  },
  "34 bogus orders that drain the daemon's gas": {
    file: "test/node/provider/faults.test.ts",
    title: "loses, duplicates and leaks nothing, whatever fails",
  },
  "large validation dataset behind an order of one row": {
    file: "test/node/provider/steps/fetchDataset.test.ts",
    title:
      "fetches no byte of a large validation dataset that an order of one row does not pay for",
  },
  "reputation by trading with oneself": {
    file: "test/node/scripts/economics.test.ts",
    title:
      "never ranks 100 wallets that trade with themselves above an honest provider that earned a tenth of their cost",
  },
  "orders that raise a competitor's count of failures": {
    file: "test/node/sdk/service/rankServices.test.ts",
    title:
      "is not affected by orders that a competitor places to have them refused, or leaves open",
  },
};

/** Plays all attacks. */
export function measureAttacks(): Measure {
  const output = play("solidity") + play("mocha");
  const value = Object.fromEntries(
    Object.entries(ATTACKS).map(([name, { title }]) => [
      name,
      output.includes(`✔ ${title}`) ? "fails" : "succeeds",
    ]),
  );
  const failed = Object.values(value).filter((outcome) => outcome === "fails").length;
  return {
    value,
    holds: failed === Object.keys(value).length,
    summary: `${failed} of ${Object.keys(value).length} attacks fail.`,
  };
}

/** Runs the tests of one kind. @returns what the runner printed. */
function play(runner: "solidity" | "mocha"): string {
  const chosen = Object.values(ATTACKS).filter(
    ({ file }) => file.endsWith(".sol") === (runner === "solidity"),
  );
  const files = [...new Set(chosen.map(({ file }) => file))];
  const words = ["node_modules/.bin/hardhat", "test", runner, ...files];
  const titles = chosen.map(({ title }) => title).join("|");
  const { stdout } = spawnSync(process.execPath, [...words, "--grep", titles], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return stdout;
}
