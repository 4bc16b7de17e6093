/** The built-in networks, with the explorers of the public ones. */
export const NETWORKS = {
  localhost: { chainId: 31337, rpcUrl: "http://127.0.0.1:8545" },
  testnet: {
    chainId: 16602,
    rpcUrl: "https://evmrpc-testnet.0g.ai",
    explorer: "https://chainscan-galileo.0g.ai",
  },
  mainnet: { chainId: 16661, rpcUrl: "https://evmrpc.0g.ai", explorer: "https://chainscan.0g.ai" },
} as const;
