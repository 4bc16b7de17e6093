import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Interface, type InterfaceAbi, type ParamType, type Result, toQuantity } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { EthereumProvider } from "hardhat/types/providers";
import type { Recorded } from "./_recorded.ts";
import { runScripts, type Stage } from "./_runScripts.ts";

/** The transactions that a deployment would send. */
export interface Plan {
  readonly deployer: string;
  /** The deployer's balance in neuron. */
  readonly balance: bigint;
  /** The network's current gas price in neuron. */
  readonly gasPrice: bigint;
  /** In the order of sending. Empty if everything is deployed already. */
  readonly contracts: readonly PlannedContract[];
}

export interface PlannedContract {
  readonly name: string;
  /** Its future address, if the deployer sends no other transaction before. */
  readonly address: string;
  /** Constructor arguments by name; a struct's fields as `struct.field`. */
  readonly args: readonly (readonly [name: string, value: string])[];
  readonly gas: bigint;
}

type Provider = Pick<EthereumProvider, "request">;

/** The part of rocketh's deployment record that is read here. */
interface Deployed {
  readonly address: string;
  readonly abi: unknown;
  readonly argsData: string;
  readonly transaction?: { readonly hash: string };
}

/** More than any deployment costs: the cost is compared with the real balance afterwards. */
const PLENTY = toQuantity(10n ** 27n);
/** Requests that go to the real network: the deployer, the chain id, and the first block. */
const REAL = ["eth_accounts", "eth_chainId", "eth_getBlockByNumber"];

/**
 * Runs the numbered scripts, including the verification, with the recorded deployment on an in-memory chain, where the
 * deployer has its real nonce and the deployed contracts have their real code. Sends nothing and writes nothing.
 * @throws what a script throws: then nothing should be sent to the real chain either.
 */
export async function rehearse(
  hre: HardhatRuntimeEnvironment,
  stage: Stage,
  recorded: Recorded | null,
): Promise<Plan> {
  const real = stage.provider;
  const copy = await mkdtemp(join(tmpdir(), "anneal-rehearsal-"));
  const chainId = Number(await ask(real, "eth_chainId"));
  const memory = await hre.network.create({ network: "default", override: { chainId } });
  try {
    const folder = join(copy, stage.network);
    if (recorded) await cp(recorded.folder, folder, { recursive: true });
    const deployer = await prepare(real, memory.provider, Object.values(recorded?.addresses ?? {}));
    const sent: string[] = [];
    const provider = rehearsal(real, memory.provider, sent);
    const { deployments } = await quietly(() =>
      runScripts({ ...stage, provider, deployments: copy, save: false }),
    );
    return {
      deployer,
      balance: BigInt(await ask(real, "eth_getBalance", deployer, "latest")),
      gasPrice: BigInt(await ask(real, "eth_gasPrice")),
      contracts: await Promise.all(
        sent.map((hash) => describe(hash, deployments, memory.provider)),
      ),
    };
  } finally {
    await memory.close();
    await rm(copy, { recursive: true, force: true });
  }
}

/** Mutes rocketh, which logs every transaction as if it were really sent. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console;
  console.log = () => undefined;
  try {
    return await work();
  } finally {
    console.log = log;
  }
}

/** Copies the state of the real chain to the in-memory chain, as far as a deployment depends on it. */
async function prepare(
  real: Provider,
  memory: Provider,
  deployed: readonly string[],
): Promise<string> {
  const [deployer] = (await real.request({ method: "eth_accounts" })) as string[];
  const nonce = await ask(real, "eth_getTransactionCount", deployer!, "latest");
  await ask(memory, "hardhat_impersonateAccount", deployer!);
  await ask(memory, "hardhat_setBalance", deployer!, PLENTY);
  await ask(memory, "hardhat_setNonce", deployer!, nonce);
  for (const address of deployed) await bring(real, memory, address);
  return deployer!;
}

/** Copies a contract's code from the real chain. */
async function bring(real: Provider, memory: Provider, address: string): Promise<void> {
  const code = await ask(real, "eth_getCode", address, "latest");
  if (code !== "0x") await ask(memory, "hardhat_setCode", address, code);
}

/** Sends to the in-memory chain and records the hashes. Requested code is copied from the real chain, if it exists. */
const rehearsal = (real: Provider, memory: Provider, sent: string[]): Provider => ({
  async request(call) {
    if (call.method === "eth_getCode") await bring(real, memory, (call.params as string[])[0]!);
    const answer = await (REAL.includes(call.method) ? real : memory).request(call);
    if (call.method === "eth_sendTransaction") sent.push(answer as string);
    return answer;
  },
});

async function describe(
  hash: string,
  deployments: Readonly<Record<string, Deployed>>,
  memory: Provider,
): Promise<PlannedContract> {
  const entry = Object.entries(deployments).find(([, it]) => it.transaction?.hash === hash);
  const [name, { address, abi, argsData }] = entry!; // scripts send only deployments
  const receipt = await memory.request({ method: "eth_getTransactionReceipt", params: [hash] });
  const gas = BigInt((receipt as { gasUsed: string }).gasUsed);
  return { name, address, args: constructorArguments(abi, argsData), gas };
}

function constructorArguments(abi: unknown, data: string): PlannedContract["args"] {
  const contract = new Interface(abi as InterfaceAbi);
  const { inputs } = contract.deploy;
  const values = contract.getAbiCoder().decode(inputs, data);
  return inputs.flatMap((input, index) => flatten(input.name, input, values[index]));
}

function flatten(name: string, type: ParamType, value: unknown): [string, string][] {
  if (type.components === null) return [[name, String(value)]];
  return type.components.flatMap((field, index) =>
    flatten(`${name}.${field.name}`, field, (value as Result)[index]),
  );
}

const ask = async (provider: Provider, method: string, ...params: string[]): Promise<string> =>
  (await provider.request({ method, params })) as string;
