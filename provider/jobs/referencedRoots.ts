import type { Store } from "../store/Store.ts";

/** The roots of what tasks under way still need in storage: datasets, and models that were delivered. */
export function referencedRoots(store: Pick<Store, "openJobs">): Set<string> {
  const roots = store
    .openJobs()
    .flatMap(({ order, facts }) => [order.datasetRoot, order.validationRoot, facts.root]);
  return new Set(roots.filter((root) => root !== null && root !== undefined));
}
