/** The process behind TestBench: compiles and runs Solidity tests, one request at a time. */
import { createRequire } from "node:module";
import type { Artifact, SuiteResult } from "@nomicfoundation/edr";
import { compile } from "./solc.ts";
import type { BenchRequest, BenchVerdict } from "./testBench.ts";

const ofHardhat = createRequire(createRequire(import.meta.url).resolve("hardhat/package.json"));
const edr = ofHardhat("@nomicfoundation/edr") as typeof import("@nomicfoundation/edr");

const SOLC_VERSION = "0.8.37";
const OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];
/** Fewer than in a normal run: mutants that survive these are tested with all tests. */
const FUZZ_RUNS = 64;
/** For one call of a test: many times what any of them needs, but it ends an endless loop. */
const GAS_LIMIT = 500_000_000n;
/** Bytes of EVM memory. */
const MEMORY_LIMIT = 2n ** 27n;

const context = new edr.EdrContext();
await context.registerSolidityTestRunnerFactory(
  edr.L1_CHAIN_TYPE,
  edr.l1SolidityTestRunnerFactory(),
);
process.on("message", async (request: BenchRequest) => {
  process.send!(await judge(request));
});

async function judge({ tests, overrides }: BenchRequest): Promise<BenchVerdict> {
  const { errors = [], contracts } = compile(
    tests,
    { outputSelection: { "*": { "*": OUTPUTS } } },
    { overrides },
  );
  if (errors.some(({ severity }) => severity === "error")) return "does not compile";
  const artifacts = Object.entries(contracts ?? {}).flatMap(([source, byName]) =>
    Object.entries(byName).map(([name, { abi, evm }]) => ({
      id: { name, source, solcVersion: SOLC_VERSION },
      contract: {
        abi: JSON.stringify(abi),
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
      },
    })),
  );
  const suites = await runSuites(artifacts, new Set(tests));
  const results = suites.flatMap(({ testResults }) => testResults);
  if (results.length === 0) throw new Error(`There is no test in ${tests.join(", ")}.`);
  return results.some(({ status }) => status === "Failure") ? "failed" : "passed";
}

async function runSuites(
  artifacts: Artifact[],
  tests: ReadonlySet<string>,
): Promise<SuiteResult[]> {
  const suites: SuiteResult[] = [];
  const wanted = artifacts.filter((artifact) => tests.has(artifact.id.source) && isSuite(artifact));
  let completed = () => {};
  const all = new Promise<void>((resolve) => {
    completed = () => suites.length === wanted.length && resolve();
  });
  await context.runSolidityTests(
    edr.L1_CHAIN_TYPE,
    artifacts,
    wanted.map(({ id }) => id),
    {
      projectRoot: process.cwd(),
      hardfork: edr.CANCUN,
      localPredeploys: edr.l1GenesisState(edr.l1HardforkFromString(edr.CANCUN)),
      gasLimit: GAS_LIMIT,
      memoryLimit: MEMORY_LIMIT,
      disableBlockGasLimit: true,
      disableTransactionGasCap: true,
      fuzz: { runs: FUZZ_RUNS },
    },
    {},
    (suite) => {
      suites.push(suite);
      completed();
    },
  );
  await all;
  return suites;
}

function isSuite({ contract }: Artifact): boolean {
  const functions = JSON.parse(contract.abi) as { type: string; name?: string }[];
  const named = functions.some(({ type, name }) => type === "function" && /^test/.test(name ?? ""));
  return named && contract.bytecode !== "0x";
}
