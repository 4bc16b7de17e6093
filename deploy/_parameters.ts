import { ProtocolError } from "../sdk/errors.ts";

/** The constructor arguments on one network. Times in seconds, money in neuron. */
export interface Parameters {
  readonly lockPeriod: bigint;
  readonly minimumStake: bigint;
  readonly ackPeriod: bigint;
  readonly revealPeriod: bigint;
  readonly disputePeriod: bigint;
}

const HOUR = 3_600n;
const OG = 10n ** 18n;

/** The protocol's defaults, for every network with real money. */
const DEFAULTS: Parameters = {
  lockPeriod: 24n * HOUR,
  minimumStake: 1n * OG,
  ackPeriod: 72n * HOUR,
  revealPeriod: 12n * HOUR,
  disputePeriod: 24n * HOUR,
};

/** By chain id: short periods on the local network, where developers wait for them, the defaults on 0G's networks. */
const PARAMETERS: Record<number, Parameters> = {
  31337: {
    lockPeriod: 60n,
    minimumStake: OG / 10n,
    ackPeriod: 600n,
    revealPeriod: 600n,
    disputePeriod: 60n,
  },
  16602: DEFAULTS,
  16661: DEFAULTS,
};

/** @throws ProtocolError "usage" for a chain without parameters. */
export function parametersOf(chainId: number): Parameters {
  const parameters = PARAMETERS[chainId];
  if (!parameters) {
    throw new ProtocolError(
      "usage",
      `There are no parameters for a deployment on chain ${chainId}.`,
      `Choose a network with --network, or add the chain to deploy/_parameters.ts.`,
    );
  }
  return parameters;
}
