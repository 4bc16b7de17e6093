import * as deployExtension from "@rocketh/deploy";
import { setupDeployScripts } from "rocketh";
import type { UserConfig } from "rocketh/types";

/** Configuration of rocketh, on which hardhat-deploy is built: the deployer, and chains that it does not know. */
export const config = {
  accounts: { deployer: { default: 0 } },
  scripts: ["deploy"],
  deployments: "deployments",
  chains: {
    31337: {
      info: {
        id: 31337,
        name: "Local network",
        nativeCurrency: { name: "OG", symbol: "OG", decimals: 18 },
        rpcUrls: { default: { http: ["http://127.0.0.1:8545"] } },
      },
    },
  },
} as const satisfies UserConfig;

export const { deployScript } = setupDeployScripts<typeof deployExtension, typeof config.accounts>(
  deployExtension,
);
