import { Contract, Interface, type Provider } from "ethers";
import type { Call } from "../../transaction/Call.ts";
import type { SubmissionNode } from "../transfer/submissionNodes.ts";

const FLOW = new Interface([
  "function market() view returns (address)",
  `function submit(tuple(tuple(uint256 length, bytes tags, tuple(bytes32 root, uint256 height)[] nodes) data,
    address submitter) submission) payable returns (uint256, bytes32, uint256, uint256)`,
]);
const MARKET = new Interface(["function pricePerSector() view returns (uint256)"]);

/** Price of a chunk of 256 bytes, in neuron. */
export async function pricePerSector(provider: Provider, flow: string): Promise<bigint> {
  const market = await new Contract(flow, FLOW, provider).getFunction("market")();
  return new Contract(market, MARKET, provider).getFunction("pricePerSector")();
}

/** Announces a file to 0G's Flow contract and pays for it. */
export function announce(
  flow: string,
  {
    size,
    nodes,
    submitter,
    price,
  }: { size: number; nodes: readonly SubmissionNode[]; submitter: string; price: bigint },
): Call {
  const sectors = nodes.reduce((sum, { height }) => sum + 2n ** BigInt(height), 0n);
  const tree = nodes.map(({ root, height }) => [root, height]);
  const data = FLOW.encodeFunctionData("submit", [[[size, "0x", tree], submitter]]);
  return { verb: "submit", to: flow, data, value: sectors * price };
}
