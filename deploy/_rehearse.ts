import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Interface, type InterfaceAbi, type ParamType, type Result, toQuantity } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { EthereumProvider } from "hardhat/types/providers";
import type { Recorded } from "./_recorded.ts";
import { runScripts, type Stage } from "./_runScripts.ts";

/** What a deployment would send. */
export interface Plan {
  readonly deployer: string;
  /** Neuron that the deployer has. */
  readonly balance: bigint;
  /** Neuron per gas, as the network asks at the moment. */
  readonly gasPrice: bigint;
  /** In the order of sending. Empty where everything is deployed already. */
  readonly contracts: readonly PlannedContract[];
}

export interface PlannedContract {
  readonly name: string;
  /** Where it will lie, if the deployer sends nothing else before. */
  readonly address: string;
  /** Constructor arguments by name; a struct's fields as `struct.field`. */
  readonly args: readonly (readonly [name: string, value: string])[];
  readonly gas: bigint;
}

type Provider = Pick<EthereumProvider, "request">;

/** What this page reads of a deployment as rocketh keeps it. */
interface Deployed {
  readonly address: string;
  readonly abi: unknown;
  readonly argsData: string;
  readonly transaction?: { readonly hash: string };
}

/** More than any deployment costs: what it would cost is compared with the real balance afterwards. */
const PLENTY = toQuantity(10n ** 27n);
/** Who deploys, and which chain it is, are asked of the real network; `eth_getBlockByNumber` asks for its first block. */
const REAL = ["eth_accounts", "eth_chainId", "eth_getBlockByNumber"];

/**
 * Plays the numbered scripts, the verification too, beside what is recorded as deployed, on a chain in memory where the deployer has its real nonce
 * on the real one, and where what is deployed there has its code. Sends nothing and writes nothing.
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

/** rocketh says on the console what it sends, which would sound as if it were sent. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console;
  console.log = () => undefined;
  try {
    return await work();
  } finally {
    console.log = log;
  }
}

/** Brings the chain in memory to where the real one stands, as far as a deployment can see it. */
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

/** Sends to the chain in memory and keeps the hashes. Code that is looked at comes from the real chain, if it is there. */
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
  const [name, { address, abi, argsData }] = entry!; // a script sends nothing but deployments
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
