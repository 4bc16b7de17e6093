import { didYouMean } from "../didYouMean.ts";
import { ProtocolError } from "../errors.ts";
import type { Catalogue, CatalogueModel } from "./fetchCatalogue.ts";

/**
 * Finds a model of the catalogue by its exact name.
 * @throws ProtocolError "usage" with the closest name, or all names.
 * @example const model = findModel(await fetchCatalogue(service), "tiny-qwen2");
 */
export function findModel(catalogue: Pick<Catalogue, "models">, name: string): CatalogueModel {
  const found = catalogue.models.find((model) => model.name === name);
  if (found) return found;
  const names = catalogue.models.map((model) => model.name);
  const closest = didYouMean(name, names);
  throw new ProtocolError(
    "usage",
    `The provider does not offer a model named "${name}".`,
    closest
      ? `Did you mean "${closest}"?`
      : `Choose one of its models (${names.join(", ") || "none"}).`,
    closest ? {} : { next: { verb: "fetchCatalogue" } },
  );
}
