import { createRequire, enableCompileCache } from "node:module";
import { configVariable, defineConfig, overrideTask, task } from "hardhat/config";
import { ArgumentType } from "hardhat/types/arguments";
import type { HardhatPlugin } from "hardhat/types/plugins";
import { isOwnCommand } from "./tasks/hardhat/isOwnCommand.ts";
import { spelling } from "./tasks/hardhat/spelling.ts";
import { toTasks } from "./tasks/hardhat/toTask.ts";
import { commands, FAMILIES } from "./tasks/index.ts";
import { NETWORKS } from "./tasks/networks.ts";

enableCompileCache(); // what is loaded from here on was compiled by the run before

const require = createRequire(import.meta.url);
const load = async (plugins: Promise<{ default: HardhatPlugin }>[]) =>
  (await Promise.all(plugins)).map((plugin) => plugin.default);

const deploy = overrideTask("deploy")
  .addFlag({ name: "dryRun", description: "Show what would be deployed; send nothing" })
  .addOption({
    name: "timeout",
    description: "Seconds to wait for each transaction; default 300",
    type: ArgumentType.STRING_WITHOUT_DEFAULT,
    defaultValue: undefined,
  })
  .setAction(() => import("./deploy/_run.ts"))
  .build();

const verifyDeployment = task(
  ["verify", "deployment"],
  "Verify the sources of all contracts of a deployment on the network's explorer",
)
  .setAction(() => import("./deploy/_verifySources.ts"))
  .build();

const ownTasks = toTasks(commands, FAMILIES);

/** Plugins take longer to load than our own commands, which use the keystore only, take to run. */
const [plugins, tasks] = isOwnCommand(process.argv)
  ? [await load([import("@nomicfoundation/hardhat-keystore")]), ownTasks]
  : [
      await load([
        import("@nomicfoundation/hardhat-toolbox-mocha-ethers"),
        import("hardhat-deploy"),
      ]),
      [...ownTasks, deploy, verifyDeployment],
    ];

/** Hardhat checks one URL before any command runs. Commands read all of RPC_ENDPOINT, and say what is wrong with it. */
const rpcUrl = (usual: string): string => {
  const [first = ""] = (process.env.RPC_ENDPOINT ?? "").split(",");
  return /^https?:$/.test(URL.parse(first.trim())?.protocol ?? "") ? first.trim() : usual;
};

/** 0G's explorers have Etherscan's API below /open. */
const explorerOf = ({ explorer }: { readonly explorer: string }) => ({
  etherscan: { name: "0G's explorer", url: explorer, apiUrl: `${explorer}/open/api` },
});

export default defineConfig({
  plugins: [...plugins, spelling],
  tasks,
  solidity: {
    version: "0.8.37",
    path: require.resolve("solc/soljson.js"),
    settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: "cancun" },
  },
  chainDescriptors: {
    [NETWORKS.testnet.chainId]: {
      name: "0G Galileo testnet",
      blockExplorers: explorerOf(NETWORKS.testnet),
    },
    [NETWORKS.mainnet.chainId]: {
      name: "0G mainnet",
      blockExplorers: explorerOf(NETWORKS.mainnet),
    },
  },
  // 0G's explorers need no key, but hardhat-verify refuses an empty one
  verify: { etherscan: { apiKey: configVariable("EXPLORER_API_KEY", { default: "none" }) } },
  typechain: { tsNocheck: true },
  paths: { tests: { solidity: "test/solidity", mocha: "test/node" } },
  // Twice HANGS_AFTER of test/helpers/patience.ts: no test depends on the speed of the machine.
  test: { mocha: { timeout: 600_000 } },
  networks: {
    // `npx hardhat node`: a block a second, so that deadlines pass on an idle chain as they do on a real one
    node: {
      type: "edr-simulated",
      chainId: 31337,
      mining: { auto: true, interval: 1000 },
    },
    localhost: {
      type: "http",
      chainId: NETWORKS.localhost.chainId,
      url: rpcUrl(NETWORKS.localhost.rpcUrl),
    },
    testnet: {
      type: "http",
      chainId: NETWORKS.testnet.chainId,
      url: rpcUrl(NETWORKS.testnet.rpcUrl),
      accounts: [configVariable("ZG_PRIVATE_KEY")],
    },
    mainnet: {
      type: "http",
      chainId: NETWORKS.mainnet.chainId,
      url: rpcUrl(NETWORKS.mainnet.rpcUrl),
      accounts: [configVariable("ZG_PRIVATE_KEY")],
    },
  },
});
