import config from "../../hardhat.config.ts";

/** The project's configuration for `--config`, with an explorer of a test in place of 0G's. */
const url = process.env.EXPLORER_URL ?? "";

export default {
  ...config,
  chainDescriptors: {
    16602: {
      name: "Test chain",
      blockExplorers: { etherscan: { url, apiUrl: `${url}/open/api` } },
    },
  },
};
