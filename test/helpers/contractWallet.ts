import {
  AbstractSigner,
  ContractFactory,
  concat,
  Interface,
  type Provider,
  type Signer,
  type TransactionRequest,
  type TypedDataDomain,
  type TypedDataField,
} from "ethers";
import { compile } from "../../scripts/contracts/solc.ts";
import { requireSigner } from "../../sdk/client.ts";
import type { Account } from "./MarketFixture.ts";

const SOURCE = "test/helpers/TwoOwnerWallet.sol";
const WALLET = new Interface(["function execute(address to, uint256 value, bytes data) payable"]);

/** A contract wallet of two accounts. Its client sends calls through it, and signs with both keys in its name. */
export async function openContractWallet(first: Account, second: Account): Promise<Account> {
  const owners = [requireSigner(first), requireSigner(second)] as const;
  const { abi, evm } = compileWallet();
  const factory = new ContractFactory(abi, evm.bytecode.object, owners[0]);
  const contract = await factory.deploy(first.address, second.address);
  await contract.waitForDeployment();
  const address = await contract.getAddress();
  return { ...first, address, signer: new ContractWalletSigner(address, owners) };
}

function compileWallet() {
  const outputSelection = { "*": { "*": ["abi", "evm.bytecode.object"] } };
  const { contracts } = compile([SOURCE], { outputSelection });
  return contracts![SOURCE]!.TwoOwnerWallet as unknown as {
    readonly abi: [];
    readonly evm: { readonly bytecode: { readonly object: string } };
  };
}

/** The signer of a contract wallet, as its users write one. */
class ContractWalletSigner extends AbstractSigner {
  readonly #address: string;
  readonly #owners: readonly [Signer, Signer];

  constructor(address: string, owners: readonly [Signer, Signer]) {
    super(owners[0].provider);
    this.#address = address;
    this.#owners = owners;
  }

  async getAddress(): Promise<string> {
    return this.#address;
  }

  connect(_provider: Provider | null): Signer {
    return this;
  }

  override async populateTransaction({ to, value = 0n, data = "0x" }: TransactionRequest) {
    const call = WALLET.encodeFunctionData("execute", [to, value, data]);
    return this.#owners[0].populateTransaction({ to: this.#address, value, data: call });
  }

  signTransaction(transaction: TransactionRequest): Promise<string> {
    return this.#owners[0].signTransaction(transaction);
  }

  signMessage(): Promise<string> {
    throw new Error("not used");
  }

  async signTypedData(
    domain: TypedDataDomain,
    types: Record<string, TypedDataField[]>,
    value: Record<string, unknown>,
  ): Promise<string> {
    const sign = (owner: Signer) => owner.signTypedData(domain, types, value);
    return concat(await Promise.all(this.#owners.map(sign)));
  }
}
