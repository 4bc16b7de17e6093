import type { CatalogueModel } from "./fetchCatalogue.ts";
import type { Service } from "./Service.ts";

/** A model in the catalogue of a provider's service. */
export interface OfferedModel {
  readonly service: Service;
  readonly model: CatalogueModel;
}
