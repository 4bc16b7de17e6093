import { expect } from "chai";
import { id as keccakOfText, Wallet } from "ethers";
import { after, before, describe, it } from "mocha";
import { isSignedBy } from "../../../../sdk/service/isSignedBy.ts";
import { openContractWallet } from "../../../helpers/contractWallet.ts";
import { type Account, MarketFixture } from "../../../helpers/MarketFixture.ts";

const DIGEST = keccakOfText("agreed");

describe("sdk/service isSignedBy", () => {
  let market: MarketFixture;
  let wallet: Account;
  before(async () => {
    market = await MarketFixture.open();
    wallet = await openContractWallet(market.client(5), market.client(6));
  });
  after(() => market.close());

  const signatureOf = (index: number, digest = DIGEST) =>
    new Wallet(market.chain.accounts[index]!.privateKey).signingKey.sign(digest).serialized;
  const isSigned = (signer: string, signature: string) =>
    isSignedBy(market.reader, { signer, digest: DIGEST, signature });

  it("recovers the signature of an address without code", async () => {
    const { address } = market.user;
    expect(await isSigned(address, signatureOf(2))).to.equal(true);
    expect(await isSigned(address, signatureOf(3))).to.equal(false);
    expect(await isSigned(address, signatureOf(2, keccakOfText("other")))).to.equal(false);
    for (const malformed of ["0x", "0x12", `0x${"ff".repeat(65)}`, `0x${"00".repeat(130)}`])
      expect(await isSigned(address, malformed), malformed).to.equal(false);
  });

  it("asks an address with code, whose signature may have any length", async () => {
    const both = signatureOf(5) + signatureOf(6).slice(2);
    expect(await isSigned(wallet.address, both)).to.equal(true);
    expect(await isSigned(wallet.address, signatureOf(6) + signatureOf(5).slice(2))).to.equal(
      false,
    );
    expect(await isSigned(wallet.address, signatureOf(5))).to.equal(false);
    expect(await isSigned(wallet.address, "0x")).to.equal(false);
  });

  it("takes no answer from a contract that is not a wallet", async () => {
    expect(await isSigned(market.reader.ledgerAddress, signatureOf(2))).to.equal(false);
  });
});
