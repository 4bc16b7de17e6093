import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";

const TYPES: Record<CatalogueModel["kind"], string> = {
  "causal-lm": "Language Generation",
  "text-classification": "Text Classification",
  "image-classification": "Image Classification",
};

/** What a model is for: in the words of its provider, or by its kind. */
export const typeOf = ({ type, kind }: Pick<CatalogueModel, "type" | "kind">): string =>
  type ?? TYPES[kind];
