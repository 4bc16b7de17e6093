import type { Store } from "../store/Store.ts";

/** The storage roots that open tasks still need: datasets, and delivered models. */
export function referencedRoots(store: Pick<Store, "openJobs">): Set<string> {
  const roots = store
    .openJobs()
    .flatMap(({ order, facts }) => [order.datasetRoot, order.validationRoot, facts.root]);
  return new Set(roots.filter((root) => root !== null && root !== undefined));
}
