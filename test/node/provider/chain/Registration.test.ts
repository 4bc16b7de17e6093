import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { ChainIdentity } from "../../../../provider/chain/ChainIdentity.ts";
import { GasMoney } from "../../../../provider/chain/GasMoney.ts";
import { Registration } from "../../../../provider/chain/Registration.ts";
import { Submitter } from "../../../../provider/chain/Submitter.ts";
import { systemClock as clock } from "../../../../provider/clock.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import { registerService, removeService, updateService } from "../../../../sdk/service/calls.ts";
import type { ServiceTerms } from "../../../../sdk/service/Service.ts";
import { acceptTask } from "../../../../sdk/task/calls.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { type Account, MarketFixture } from "../../../helpers/MarketFixture.ts";

describe("registration, on a real chain", () => {
  let market: MarketFixture;
  let owner: Account;
  let operator: Account;
  let snapshot: string;
  let readiness: Readiness;
  let lines: Record<string, unknown>[];
  let registration: Registration;
  const log = pino({ level: "info" }, { write: (line) => void lines.push(JSON.parse(line)) });

  before(async () => {
    market = await MarketFixture.open();
    owner = market.provider;
    operator = market.stranger;
  });
  after(() => market.close());

  beforeEach(async () => {
    snapshot = await market.chain.snapshot();
    readiness = new Readiness();
    lines = [];
    registration = new Registration({
      ...{ client: operator, provider: owner.address, served: market.terms },
      ...{ readiness, clock, log },
    });
    await update({ operator: operator.address });
  });
  afterEach(() => market.chain.revert(snapshot));

  const update = (changes: Partial<ServiceTerms>) =>
    send(owner, updateService(owner, { terms: { ...market.terms, ...changes } }));
  const messages = () => lines.map(({ msg }) => msg);
  const replace = () => update({ operator: market.user.address });

  it("is complete if it names this operator and what the daemon serves, and says so once", async () => {
    expect(await registration.check()).to.equal(true);
    expect(await registration.check()).to.equal(true);
    expect(messages()).to.deep.equal(["registered"]);
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("names the terms that differ", async () => {
    await update({ operator: operator.address, catalogueHash: `0x${"ab".repeat(32)}` });
    expect(await registration.check()).to.equal(false);
    expect(messages()).to.deep.equal([
      "The registered catalogueHash differ from what this daemon serves.",
    ]);
    expect(registration.isOperator).to.equal(true);
  });

  it("is not ready, once, while another operator is registered", async () => {
    await registration.check();
    await replace();
    expect(await registration.check()).to.equal(false);
    await registration.check();
    expect(registration.isOperator).to.equal(false);
    expect(lines.filter(({ level }) => level === 50)).to.have.length(1);
    expect(lines.at(-1)).to.include({
      registered: market.user.address,
      operator: operator.address,
    });
    const [reason, ...others] = readiness.reasons();
    expect(others).to.deep.equal([]);
    expect(reason!.name).to.equal("operator");
    expect(reason!.message).to.include(market.user.address).and.include(operator.address);

    await update({ operator: operator.address });
    expect(await registration.check()).to.equal(true);
    expect(readiness.reasons()).to.deep.equal([]);
    expect(registration.isOperator).to.equal(true);
  });

  it("holds nothing back without a registration: open deliveries of a removed service continue", async () => {
    await send(owner, removeService(owner));
    expect(await registration.check()).to.equal(false);
    expect(messages()).to.deep.equal(["This provider is not registered yet."]);
    await registration.requireOperator();
    await send(owner, registerService(owner, { terms: market.terms }));
  });

  describe("a submitter", () => {
    let directory: string;
    let store: SqliteStore;
    let submitter: Submitter;
    beforeEach(async () => {
      directory = mkdtempSync(join(tmpdir(), "anneal-registration-"));
      store = SqliteStore.open(directory);
      const genesis = (await operator.provider.getBlock(0))!.hash!;
      const identity = new ChainIdentity({ client: operator, genesis, readiness, log });
      const chain = { client: operator, identity, registration, store, clock, log };
      const gasMoney = new GasMoney({ ...chain, readiness, maxGasPrice: 10n ** 11n });
      submitter = new Submitter({ ...chain, gasMoney, confirmations: 0, pollInterval: 10 });
    });
    afterEach(() => {
      store.close();
      rmSync(directory, { recursive: true });
    });

    const accept = async () => {
      const id = await market.order();
      const isDone = async () => (await getTask(operator, { id })).state !== "Created";
      const call = acceptTask(operator, { id });
      const submission = { id, step: "accept", call, isDone } as const;
      const { signal } = new AbortController();
      return { id, submit: () => submitter.submit(submission, signal) };
    };

    it("works for the provider with the operator's key, and the provider pays the bond", async () => {
      const { id, submit } = await accept();
      await submit();
      expect((await getTask(operator, { id })).state).to.equal("Accepted");
    });

    it("signs nothing as soon as another operator is registered, even before the next check", async () => {
      await registration.check();
      const { id, submit } = await accept();
      await replace();
      const error = await submit().then(
        () => expect.fail("was signed"),
        (reason: ProviderError) => reason,
      );
      expect(error).to.be.instanceOf(ProviderError);
      expect(error).to.include({ retryable: true, isReported: true });
      expect(store.openTransactions()).to.deep.equal([]);
      expect(store.highestNonce()).to.equal(null);
      expect((await getTask(operator, { id })).state).to.equal("Created");
      expect(registration.isOperator).to.equal(false);
    });
  });
});
