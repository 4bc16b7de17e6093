import anneal from "anneal";
import { defineConfig } from "hardhat/config";

export default defineConfig({
  plugins: [anneal],
  solidity: {
    version: "0.8.37",
    path: process.env.SOLJSON!, // the local compiler, because the machine may be offline
    settings: { evmVersion: "cancun" },
  },
  networks: {
    localhost: { type: "http", chainId: 31337, url: process.env.RPC_ENDPOINT! },
  },
});
