import { TaskRefusedError } from "../../errors.ts";
import type { Model } from "../../models/Catalogue.ts";
import type { StepContext } from "./StepContext.ts";

/** The model of an order. @throws TaskRefusedError "ModelUnknown" if the catalogue does not have it. */
export function readModel({ catalogue }: Pick<StepContext, "catalogue">, hash: string): Model {
  const model = catalogue.byHash(hash);
  if (model) return model;
  throw new TaskRefusedError(
    "ModelUnknown",
    `This provider has no model with the hash ${hash}.`,
    "List its models with list-models.",
  );
}
