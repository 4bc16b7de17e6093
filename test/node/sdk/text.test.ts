import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { createClient } from "../../../sdk/client.ts";
import { readDeployment } from "../../../sdk/deployment.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { formatTaskId, parseRoot, parseTaskId, type TaskId } from "../../../sdk/ids.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { progressOf } from "../../../sdk/task/progressOf.ts";
import { TASK_STATES } from "../../../sdk/taskStates.ts";
import { formatOg, parseOg } from "../../../sdk/units.ts";
import { rejection } from "../../helpers/rejection.ts";

const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value) => `0x${Buffer.from(value).toString("hex")}`);

describe("sdk amounts of OG", () => {
  it("are parsed back exactly as they were formatted", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 128n), (neuron) => {
        expect(parseOg(formatOg(neuron))).to.equal(neuron);
      }),
    );
  });

  it("are read without rounding, down to one neuron", () => {
    expect(parseOg("0.1")).to.equal(100_000_000_000_000_000n);
    expect(parseOg("0.000000000000000001")).to.equal(1n);
    expect(parseOg(" 12 ")).to.equal(12n * 10n ** 18n);
    expect(formatOg(179_668_154n)).to.equal("0.000000000179668154");
    expect(formatOg(-1n)).to.equal("-0.000000000000000001");
  });

  it("are refused if they are anything else", async () => {
    const wrong = [
      "",
      "-1",
      "1e3",
      "0x10",
      "1,5",
      ".5",
      "1.",
      "0.0000000000000000001",
      "NaN",
      "1 OG",
    ];
    for (const text of wrong) {
      const error = await rejection(() => parseOg(text));
      expect(error.code, text).to.equal("usage");
      expect(error.message).to.contain(`"${text}"`);
    }
  });
});

describe("sdk ids", () => {
  it("reads task ids in both spellings and writes the UUID", () => {
    fc.assert(
      fc.property(hex(16), (id) => {
        const uuid = formatTaskId(id as TaskId);
        expect(uuid).to.match(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        expect(parseTaskId(uuid)).to.equal(id);
        expect(parseTaskId(uuid.toUpperCase())).to.equal(id);
        expect(parseTaskId(id)).to.equal(id);
      }),
    );
  });

  it("refuses anything that is not a task id or root", async () => {
    for (const text of [
      "",
      "6b607314",
      `0x${"ab".repeat(15)}`,
      `0x${"ab".repeat(17)}`,
      "g".repeat(32),
    ]) {
      const error = await rejection(() => parseTaskId(text));
      expect(error.next).to.deep.equal({ verb: "listTasks", parameters: {} });
      expect((await rejection(() => parseRoot(text))).code).to.equal("usage");
    }
    expect(parseRoot(`0x${"AB".repeat(32)}`)).to.equal(`0x${"ab".repeat(32)}`);
  });

  it("reads addresses in any case, and refuses a wrong checksum", async () => {
    const address = "0xf07240Efa67755B5311bc75784a061eDB47165Dd";
    expect(parseAddress(address)).to.equal(address);
    expect(parseAddress(address.toLowerCase())).to.equal(address);
    const mistyped = await rejection(() => parseAddress(address.replace("f0", "F0")));
    expect(mistyped.message).to.contain("has a wrong checksum");
    expect(mistyped.hint).to.contain(address);
    const wrong = [address.slice(2), "provider", `${address}0`, ""];
    for (const text of wrong) {
      expect((await rejection(() => parseAddress(text))).code, text).to.equal("usage");
    }
  });
});

describe("sdk progress", () => {
  it("has one of 0G's ten words for every state", () => {
    const words = Object.fromEntries(TASK_STATES.map((state) => [state, progressOf(state)]));
    expect(words).to.deep.equal({
      Created: "Init",
      Accepted: "SettingUp",
      Delivered: "Delivered",
      Demanded: "Delivered",
      Acknowledged: "UserAcknowledged",
      Revealed: "Finished",
      Settled: "Finished",
      Cancelled: "Failed",
      Failed: "Failed",
      Expired: "Failed",
      Lapsed: "Failed",
      Slashed: "Failed",
    });
  });
});

describe("sdk deployment and client", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-deployment-"));
  });
  after(() => rm(directory, { recursive: true }));

  const address = "0xf07240Efa67755B5311bc75784a061eDB47165Dd";

  it("reads what hardhat-deploy writes", async () => {
    const missing = await rejection(readDeployment(directory));
    expect(missing.code).to.equal("not-found");
    expect(missing.next).to.deep.equal({ setting: "deployment" });
    const contract = { address, abi: [], receipt: { blockNumber: "0x1f" } };
    await writeFile(join(directory, ".chain"), '{"chainId":"31337"}');
    await writeFile(join(directory, "Ledger.json"), JSON.stringify(contract));
    await writeFile(join(directory, "FineTuningServing.json"), JSON.stringify(contract));
    const deployment = await readDeployment(directory);
    expect(deployment).to.deep.equal({
      chainId: 31337,
      ledger: { address, abi: [] },
      serving: { address, abi: [] },
      flow: undefined, // on local networks only
      blockNumber: 31,
    });
  });

  it("refuses a damaged deployment", async () => {
    await writeFile(join(directory, ".chain"), '{"chainId":"none"}');
    const error = await rejection(readDeployment(directory));
    expect(error.code).to.equal("not-found");
    expect(error.message).to.contain("is damaged");
  });

  it("never repeats an invalid private key", async () => {
    const privateKey = `0x${"12".repeat(31)}`;
    const contract = { address, abi: [] };
    const deployment = { chainId: 1, ledger: contract, serving: contract, blockNumber: 0 };
    const options = { rpcUrl: "http://127.0.0.1:1", deployment, storageUrl: "", privateKey };
    const error = await rejection(() => createClient(options));
    expect(error.code).to.equal("usage");
    expect(`${error.message} ${error.hint} ${error.stack} ${error.cause}`).not.to.contain("1212");
  });

  it("maps every kind of error to the exit code of a command", () => {
    const exitCode = (code: ProtocolError["code"]) => new ProtocolError(code, "", "").exitCode;
    expect(exitCode("usage")).to.equal(2);
    expect(exitCode("dataset-invalid")).to.equal(3);
    expect(exitCode("insufficient-funds")).to.equal(4);
    expect(exitCode("task-failed-by-provider")).to.equal(5);
    expect(exitCode("task-failed-by-input")).to.equal(6);
    expect(exitCode("declined")).to.equal(7);
    expect(exitCode("timed-out")).to.equal(8);
    expect(exitCode("network")).to.equal(9);
    expect(exitCode("integrity")).to.equal(10);
    expect(exitCode("unexpected")).to.equal(1);
  });
});
