/** A storage node in its own process, to be killed. Prints its port; argument: its directory. */
import type { AddressInfo } from "node:net";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { WIDE_LIMITS } from "../../sdk/storage/storageNode.ts";

// The test runner imports every file below test/node; only a process started with this one serves.
if (import.meta.main) {
  const app = await createStorageServer({ directory: process.argv[2]!, limits: WIDE_LIMITS });
  await app.listen({ host: "127.0.0.1", port: 0 });
  console.log((app.server.address() as AddressInfo).port);
}
