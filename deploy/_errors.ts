import { ProtocolError } from "../sdk/errors.ts";
import { nodeErrorFor, readNodeError } from "../sdk/rpc/nodeErrors.ts";

/** The part of Hardhat's errors that is read here. */
interface HardhatError {
  readonly number?: number;
  readonly messageArguments?: Readonly<Record<string, unknown>>;
}

/** Numbers of Hardhat's errors. */
const UNREACHABLE = [703, 704];
const OTHER_CHAIN = 708;

/** An error of Hardhat or of the node as a sentence and what to do; any other error unchanged. */
export function explainError(error: unknown, network: string): unknown {
  if (error instanceof ProtocolError) return error;
  const { number = 0, messageArguments = {} } = error as HardhatError;
  if (UNREACHABLE.includes(number)) {
    return new ProtocolError(
      "network",
      `The RPC endpoint of the network ${network} does not answer.`,
      "Start its node, or correct RPC_ENDPOINT.",
      { cause: error },
    );
  }
  if (number === OTHER_CHAIN) {
    const { configChainId, connectionChainId } = messageArguments;
    return new ProtocolError(
      "usage",
      `The RPC endpoint is on chain ${connectionChainId}, but the network ${network} is chain ${configChainId}.`,
      "Choose the network with --network, or correct RPC_ENDPOINT.",
      { cause: error },
    );
  }
  const refusal = readNodeError(error);
  return refusal ? nodeErrorFor(refusal, error) : error;
}
