import { expect } from "chai";
import { describe, it } from "mocha";
import { ProtocolError } from "../../../sdk/errors.ts";
import type {
  AdjustedParameter,
  NextAction,
  NextCall,
  Setting,
  SuggestedVerb,
} from "../../../sdk/NextAction.ts";
import { createEnvironment as createOwnEnvironment } from "../../../tasks/cli/environment.ts";
import type { Environment } from "../../../tasks/Environment.ts";
import { findMisspelling } from "../../../tasks/flags/checkSpelling.ts";
import { GLOBALS } from "../../../tasks/flags/options.ts";
import { commandAt } from "../../../tasks/flags/readWords.ts";
import { createEnvironment } from "../../../tasks/hardhat/environment.ts";
import { commands } from "../../../tasks/index.ts";
import { hintWithNext } from "../../../tasks/terminal/hintWithNext.ts";

const provider = `0x${"ab".repeat(20)}`;
const id = `0x${"1f".repeat(16)}` as const;
const ofTask = { parameters: { id } };

const CALLS: { readonly [Verb in SuggestedVerb]: readonly Extract<NextCall, { verb: Verb }>[] } = {
  listServices: [{ verb: "listServices" }],
  fetchCatalogue: [{ verb: "fetchCatalogue" }],
  getAccount: [{ verb: "getAccount" }],
  getSubAccount: [{ verb: "getSubAccount", parameters: { provider } }],
  openAccount: [{ verb: "openAccount", parameters: { amount: 10n ** 17n } }],
  deposit: [{ verb: "deposit", parameters: { amount: 10n ** 19n } }],
  authorize: [{ verb: "authorize", parameters: { allowance: 10n ** 17n } }],
  updateService: [
    { verb: "updateService", parameters: {} },
    { verb: "updateService", parameters: { accepting: false } },
  ],
  countDataset: [{ verb: "countDataset" }],
  listTasks: [
    { verb: "listTasks", parameters: {} },
    { verb: "listTasks", parameters: { provider } },
  ],
  getTask: [{ verb: "getTask", ...ofTask }],
  cancelTask: [
    { verb: "cancelTask", ...ofTask },
    { verb: "cancelTask", parameters: { provider } },
  ],
  streamTask: [{ verb: "streamTask", ...ofTask }],
  downloadDeliverable: [{ verb: "downloadDeliverable", ...ofTask }],
  acknowledge: [{ verb: "acknowledge", ...ofTask }],
  openDeliverable: [{ verb: "openDeliverable", ...ofTask }],
};

/** Hardhat in this project, where the commands have flat names, or in one that merely uses the plugin. */
function hardhat(network: string, names: readonly string[]): Environment {
  const networks = { [network]: { type: "http" } };
  const hre = {
    globalOptions: { network },
    config: { networks, paths: { root: "." } },
    tasks: { rootTasks: new Map(names.map((name) => [name, {}])) },
  };
  return createEnvironment(hre as never);
}

const flatNames = commands.map(({ path }) => path[0]!);

const PROGRAMS = {
  "npx hardhat": (network: string) => hardhat(network, flatNames),
  "npx hardhat anneal": (network: string) => hardhat(network, ["anneal", "fine-tuning"]),
  "npx anneal": createOwnEnvironment,
};

const hint = (next: NextAction, environment: Environment, sentence = "Do it.") =>
  hintWithNext(new ProtocolError("usage", "It failed.", sentence, { next }), environment);

describe("the next command for an error of the client", () => {
  for (const [program, open] of Object.entries(PROGRAMS)) {
    it(`is a command of ${program} for every verb, with flags that it has`, () => {
      const vocabulary = { program, commands, others: [], globals: GLOBALS };
      for (const call of Object.values(CALLS).flat()) {
        const text = hint(call, open("testnet"));
        const isFamily = text.includes(" fine-tuning ");
        const start = `Do it: ${isFamily ? program.replace(/ hardhat anneal$/, " hardhat") : program} `;
        expect(text.startsWith(start), text).to.equal(true);
        const words = text.slice(start.length).split(" ");
        expect(commandAt(words, commands), text).not.to.equal(undefined);
        expect(findMisspelling(words, vocabulary), text).to.equal(undefined);
        expect(words.slice(-2)).to.deep.equal(["--network", "testnet"]);
      }
    });
  }

  it("names no network if it is the local one", () => {
    for (const open of Object.values(PROGRAMS)) {
      expect(hint({ verb: "listServices" }, open("localhost"))).to.match(/ list-providers$/);
    }
  });

  it("gives amounts in OG and tasks as UUIDs", () => {
    const environment = createOwnEnvironment("localhost");
    const deposit = hint(CALLS.deposit[0]!, environment, "Add funds.");
    expect(deposit).to.equal("Add funds: npx anneal deposit --amount 10");
    const task = hint(CALLS.getTask[0]!, environment);
    expect(task).to.equal("Do it: npx anneal get-task --task 1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f");
  });

  it("is a variable for a setting, with the keystore if the program has one", () => {
    const names: Record<Setting, string> = {
      rpcUrl: "RPC_ENDPOINT",
      chain: "--network",
      certificate: "NODE_EXTRA_CA_CERTS",
      deployment: "npx hardhat deploy --network testnet",
      privateKey: "ZG_PRIVATE_KEY",
      storageUrl: "STORAGE_ENDPOINT",
    };
    for (const [setting, name] of Object.entries(names)) {
      const text = hint({ setting: setting as Setting }, createOwnEnvironment("testnet"));
      expect(text)
        .to.match(/^Do it \(.+\)\.$/)
        .and.contain(name);
    }
    const key = { setting: "privateKey" } as const;
    expect(hint(key, createOwnEnvironment("testnet"))).to.equal("Do it (ZG_PRIVATE_KEY).");
    expect(hint(key, PROGRAMS["npx hardhat"]("testnet"))).to.equal(
      "Do it (ZG_PRIVATE_KEY, or npx hardhat keystore set ZG_PRIVATE_KEY).",
    );
  });

  it("is a flag for a parameter and for the original error", () => {
    const environment = createOwnEnvironment("localhost");
    const flags: Record<AdjustedParameter, string> = {
      force: "--force",
      gasPrice: "--gas-price",
      columns: "--columns prompt=<COLUMN>,completion=<COLUMN>",
    };
    for (const [parameter, flag] of Object.entries(flags)) {
      const next = { parameter: parameter as AdjustedParameter };
      expect(hint(next, environment)).to.equal(`Do it (${flag}).`);
    }
    expect(hint({ inspect: "cause" }, environment)).to.equal("Do it (--show-stack-traces).");
  });

  it("is the hint alone if nothing follows", () => {
    const error = new ProtocolError("usage", "It failed.", "Wait.");
    expect(hintWithNext(error, createOwnEnvironment("localhost"))).to.equal("Wait.");
  });
});
