import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Interface, type InterfaceAbi } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { NetworkConnection } from "hardhat/types/network";
import type { EthereumProvider } from "hardhat/types/providers";
import type { NewTaskActionFunction } from "hardhat/types/tasks";
import { readDeployment } from "../sdk/deployment.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { type Environment, LOCAL } from "../tasks/Environment.ts";
import { createEnvironment } from "../tasks/hardhat/environment.ts";
import { reportError } from "../tasks/terminal/reportError.ts";
import { createTerminal } from "../tasks/terminal/Terminal.ts";
import { CREATED } from "./_created.ts";
import { answeringEndpoint } from "./_endpoint.ts";
import { explainError } from "./_errors.ts";
import { deploymentFolder } from "./_folder.ts";
import { compareWithChain, readRecorded } from "./_recorded.ts";

type Explorer = NetworkConnection["verification"]["etherscan"];
type Submission = Parameters<Explorer["verify"]>[0];
type CompilerInput = Submission["compilerInput"];

/** A deployed contract, as the explorer has to compile it. */
interface Source {
  readonly name: string;
  readonly address: string;
  readonly metadata: Metadata;
  /** Encoded, without 0x. */
  readonly constructorArguments: string;
}

/** The part of a deployed contract's record that is read here. */
interface Recorded {
  readonly address: string;
  readonly abi: InterfaceAbi;
  readonly argsData: string;
  /** JSON. */
  readonly metadata: string;
}

/** The compiler's description of what it compiled, with all sources. */
interface Metadata {
  readonly language: CompilerInput["language"];
  readonly compiler: { readonly version: string };
  readonly settings: CompilerInput["settings"] & { readonly compilationTarget: object };
  readonly sources: Readonly<Record<string, { readonly content: string }>>;
}

/** An error of hardhat-verify, with the explorer's own words. */
interface VerificationError extends Error {
  readonly number?: number;
  readonly messageArguments?: Partial<Record<"message" | "errorMessage", string>>;
}

/** Numbers of hardhat-verify's errors. */
const ALREADY_VERIFIED = 80_022;
const UNREACHABLE = [80_001, 80_002];

/**
 * `npx hardhat verify deployment`: sends the source of every contract of a deployment to the network's explorer, which
 * compiles it and compares the code. The sources and settings are those recorded when the contracts were deployed,
 * whatever is checked out now. What the explorer has already is left alone.
 */
const verifySources: NewTaskActionFunction = async (_, hre) => {
  const terminal = createTerminal({ json: false });
  const { network = LOCAL } = hre.globalOptions;
  let environment: Environment | undefined;
  try {
    environment = createEnvironment(hre);
    const folder = deploymentFolder(network);
    const { chainId } = await readDeployment(folder);
    requireExplorer(chainId, hre);
    const { override } = await answeringEndpoint(hre);
    // "remote": no private key is read, as nothing is signed
    const { provider, verification } = await hre.network.create({
      override: { ...override, accounts: "remote" },
    });
    for (const source of await sourcesOf(folder, provider)) {
      await verify(source, verification.etherscan);
      const url = await verification.etherscan.getContractUrl(source.address);
      terminal.say(`${source.name} is verified: ${url}`);
    }
  } catch (error) {
    const { showStackTraces } = hre.globalOptions;
    reportError(terminal, explainError(error, network), showStackTraces, environment);
  }
};

/** @throws ProtocolError "usage" if the chain has none. */
function requireExplorer(chainId: number, { config }: HardhatRuntimeEnvironment): void {
  if (config.chainDescriptors.get(BigInt(chainId))?.blockExplorers.etherscan) return;
  throw new ProtocolError(
    "usage",
    `No explorer is configured for chain ${chainId}.`,
    "Choose a network with --network, or add the explorer to chainDescriptors in hardhat.config.ts.",
  );
}

/** The recorded contracts, each followed by those that its constructor created from the same sources. */
async function sourcesOf(folder: string, provider: EthereumProvider): Promise<Source[]> {
  const recorded = (await readRecorded(folder))!;
  const chainId = Number(await provider.request({ method: "eth_chainId" }));
  await compareWithChain(recorded, provider, chainId);
  const sources: Source[] = [];
  for (const name of Object.keys(recorded.addresses)) {
    const record: Recorded = JSON.parse(await readFile(join(folder, `${name}.json`), "utf8"));
    const metadata: Metadata = JSON.parse(record.metadata);
    const constructorArguments = record.argsData.replace(/^0x/, "");
    sources.push({ name, address: record.address, metadata, constructorArguments });
    for (const [view, created] of Object.entries(CREATED[name] ?? {})) {
      const address = await readAddress(provider, record, view);
      sources.push({ name: created, address, metadata, constructorArguments: "" });
    }
  }
  return sources;
}

async function readAddress(
  provider: EthereumProvider,
  { address: to, abi }: Recorded,
  view: string,
): Promise<string> {
  const views = new Interface(abi);
  const call = [{ to, data: views.encodeFunctionData(view) }, "latest"];
  const answer = (await provider.request({ method: "eth_call", params: call })) as string;
  return views.decodeFunctionResult(view, answer)[0];
}

/** @throws ProtocolError with the explorer's reason if the source is not verified afterwards. */
async function verify(source: Source, explorer: Explorer): Promise<void> {
  try {
    if (await explorer.isVerified(source.address)) return;
    const submission = submissionOf(source);
    const guid = await explorer.verify(submission);
    const { contractAddress, contractName } = submission;
    const { success, message } = await explorer.pollVerificationStatus(
      guid,
      contractAddress,
      contractName,
    );
    if (!success) throw new Error(message);
  } catch (error) {
    const { number, message, messageArguments: said } = error as VerificationError;
    if (number === ALREADY_VERIFIED) return;
    const reason = said?.message ?? said?.errorMessage ?? message;
    throw new ProtocolError(
      number !== undefined && UNREACHABLE.includes(number) ? "network" : "integrity",
      `${source.name} at ${source.address} is not verified: ${asClause(reason)}.`,
      "Run the same command again: what is verified is left alone.",
      { cause: error },
    );
  }
}

/** What the explorer compiles: the result is the same to the last byte, including the hash of the metadata. */
function submissionOf({ name, address, metadata, constructorArguments }: Source): Submission {
  const { language, compiler, settings, sources } = metadata;
  const { compilationTarget: _, ...rest } = settings;
  const file = Object.keys(sources).find((path) => path.endsWith(`/${name}.sol`));
  return {
    contractAddress: address,
    contractName: `${file}:${name}`,
    compilerVersion: `v${compiler.version}`,
    compilerInput: {
      language,
      sources: Object.fromEntries(
        Object.entries(sources).map(([path, { content }]) => [path, { content }]),
      ),
      settings: { ...rest, outputSelection: { "*": { "*": ["abi", "evm", "metadata"] } } },
    },
    constructorArguments,
  };
}

/** On one line, without the last full stop. */
const asClause = (message: string) => message.replaceAll(/\s+/g, " ").trim().replace(/\.$/, "");

export default verifySources;
