/**
 * Fine-tunes a model on somebody else's GPU: orders it, waits for it, and writes it to model.zip. It runs on the local
 * network of `npm start -- --keep`:
 *
 *     ./node_modules/.bin/node examples/order.ts examples/capitals.jsonl tiny-qwen2
 *
 * After an interruption, run it again: it continues, and nothing is paid twice. In a project of your own, import from
 * "anneal/sdk".
 */
import { HDNodeWallet } from "ethers";
import * as anneal from "../sdk/index.ts";

async function main(trainingFile: string, modelName: string): Promise<void> {
  // A client knows a chain, the contracts on it, a storage, and the wallet that orders and pays.
  const client = anneal.createClient({
    rpcUrl: process.env.RPC_ENDPOINT ?? "http://127.0.0.1:8545",
    deployment: await anneal.readDeployment(
      process.env.ANNEAL_DEPLOYMENTS ?? "deployments/localhost",
    ),
    storageUrl: process.env.STORAGE_ENDPOINT ?? "http://127.0.0.1:5678",
    privateKey: process.env.ZG_PRIVATE_KEY ?? localTestKey(),
  });

  // Fees are paid from the wallet's account in the contract. A new account gets 0.1 OG, which can be withdrawn again.
  const account = await anneal.requireSigner(client).getAddress();
  const { total } = await anneal.getAccount(client, { account });
  const amount = anneal.parseOg("0.1");
  if (total === 0n)
    await anneal.send(client, anneal.openAccount(client, { amount, allowance: amount }));

  // The order: providers are verified and compared, and the dataset is checked and counted. Nothing is uploaded or paid
  // if the fee is above the limit. Only the chosen provider can read the uploaded dataset.
  const { id } = await anneal.orderTask(client, {
    modelName,
    trainingFile,
    config: { n_epochs: 2, learning_rate: 0.003 },
    maxFee: anneal.parseOg("0.1"),
    onQuote: ({ service, quote }) =>
      console.log(`${service.provider} asks ${anneal.formatOg(quote.fee)} OG.`),
  });
  console.log(`Ordered task ${anneal.formatTaskId(id)}. Waiting for the model…`);

  // The provider trains and delivers the model, encrypted. If it fails to, the fee stays yours.
  const { size } = await anneal.waitForStep(client, { id, step: "acknowledge" });
  console.log(`Delivered: ${size} bytes.`);

  // The exchange: you acknowledge that you have the encrypted model, the provider publishes the key, and the model is
  // compared with what the provider committed to. Only then do you confirm, which pays the provider.
  const { path } = await anneal.receiveModel(client, { id, outputPath: "model.zip" });
  console.log(`The model is in ${path}.`);
}

/** The key of a test account that every local network of Hardhat has. It is public: use it nowhere else. */
function localTestKey(): string {
  const words = "test test test test test test test test test test test junk";
  return HDNodeWallet.fromPhrase(words, undefined, "m/44'/60'/0'/0/2").privateKey;
}

try {
  const [trainingFile, modelName] = process.argv.slice(2);
  if (trainingFile === undefined || modelName === undefined)
    throw new anneal.ProtocolError(
      "usage",
      "The dataset or the model is missing.",
      "Give both, such as: examples/order.ts examples/capitals.jsonl tiny-qwen2",
    );
  await main(trainingFile, modelName);
} catch (error) {
  // Every expected error says in one sentence what happened, and in another one what to do.
  if (!(error instanceof anneal.ProtocolError)) throw error;
  console.error(`${error.message} ${error.hint}`);
  process.exitCode = error.exitCode;
}
