import { readDatasetHeader } from "../../sdk/exchange/openDataset.ts";
import type { Root } from "../../sdk/ids.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import type { Service } from "../../sdk/service/Service.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { countFor } from "./countFor.ts";
import { withDataset } from "./withDataset.ts";

/** A stored dataset, and the provider's model that it is for. */
interface Stored {
  readonly root: Root;
  readonly service: Service;
  readonly model: CatalogueModel;
}

/**
 * Size of a stored dataset in the service's unit. An encrypted one has at most as many tokens as bytes; what it has less
 * is not charged at delivery.
 */
export async function countStored(
  { root, service, model }: Stored,
  storageUrl: string,
  terminal: Terminal,
): Promise<bigint> {
  return withDataset(root, storageUrl, terminal, async ({ path }) => {
    const sealed = await readDatasetHeader(path);
    if (!sealed) return (await countFor(path, { service, model })).dataSize;
    if (service.unit === "token") {
      terminal.note(
        "The validation dataset is encrypted, so its bytes are quoted as tokens. The fee is reduced at delivery.",
      );
    }
    return BigInt(sealed.size);
  });
}
