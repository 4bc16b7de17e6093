/** What Node and a browser do differently. A browser's build puts its own file in the place of `node.ts`. */
export * from "./node.ts";
