import { setTimeout as sleep } from "node:timers/promises";
import {
  createClient,
  createTask,
  fetchCatalogue,
  findModel,
  formatOg,
  getTask,
  listServices,
  prepareOrder,
  quote,
  readDeployment,
  send,
  uploadDataset,
} from "anneal/sdk";

const [rpcUrl = "", storageUrl = "", privateKey, path = ""] = process.argv.slice(2);
const deployment = await readDeployment("deployments/localhost");
const client = createClient({ rpcUrl, deployment, storageUrl, privateKey });
const [service] = await listServices(client);
const model = findModel(await fetchCatalogue(service!), "tiny-qwen2");
const { root: datasetRoot, size } = await uploadDataset(client, { service: service!, path });
const config = { n_epochs: 1, batch_size: 8 };
const dataSize = BigInt(size);
const { units, fee } = quote({ service: service!, model, config, dataSize });
const { id, order } = await prepareOrder(client, {
  ...{ service: service!, model, datasetRoot, units, maxFee: fee, config },
});
const { hash } = await send(client, createTask(client, { order }));
console.log(`Ordered ${id} for ${formatOg(fee)} OG in ${hash}.`);
while ((await getTask(client, { id })).state !== "Delivered") await sleep(500);
console.log("Delivered.");
client.provider.destroy();
