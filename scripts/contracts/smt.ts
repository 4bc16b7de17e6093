/**
 * Proves with solc's SMTChecker and z3 that a sub-account's arithmetic conserves money for any history of calls, and
 * the properties of the pure libraries: npm run test:smt. Fails if anything is not proved. The model is
 * test/solidity/properties/SubAccountModel.sol; sums over mappings and queues are left to the fuzz tests.
 */
import { spawnSync } from "node:child_process";
import { compile } from "./solc.ts";

const MODEL = "test/solidity/properties/SubAccountModel.sol";
const CONTRACTS = ["SubAccountModel", "LibraryModel"];
/** Seconds per query. */
const TIMEOUT_SECONDS = 60;

if (spawnSync("z3", ["--version"]).status !== 0) {
  console.log("SKIPPED: z3 is not installed, so nothing was proved. On Debian: apt-get install z3");
  process.exit(0);
}

const { errors = [] } = compile(
  [MODEL],
  {
    modelChecker: {
      engine: "chc",
      contracts: { [MODEL]: CONTRACTS },
      solvers: ["smtlib2"],
      targets: ["assert", "underflow", "overflow", "divByZero"],
      showProvedSafe: true,
      showUnproved: true,
    },
    outputSelection: { "*": { "*": ["abi"] } },
  },
  { smtSolver: askZ3 },
);

const proved = errors.filter(({ message }) => /^(CHC|BMC): .* safe/.test(message));
const open = errors.filter((entry) => entry.severity !== "info" && !proved.includes(entry));
for (const { formattedMessage } of open) console.log(formattedMessage);
console.log(`${proved.length} proved, ${open.length} not.`);
if (proved.length === 0) console.log("Nothing to prove: the model has no assertions.");
process.exitCode = open.length === 0 && proved.length > 0 ? 0 : 1;

function askZ3(query: string): { contents: string } | { error: string } {
  const { stdout, error } = spawnSync("z3", ["-in", "-smt2", `-T:${TIMEOUT_SECONDS}`], {
    input: query,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return error ? { error: error.message } : { contents: stdout };
}
