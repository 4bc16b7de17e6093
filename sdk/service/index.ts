/** What providers offer on chain, and what their daemons report. */

export * from "./calls.ts";
export * from "./fetchCatalogue.ts";
export * from "./fetchQueue.ts";
export * from "./fetchTokenizer.ts";
export * from "./fetchUsage.ts";
export * from "./findModel.ts";
export * from "./getGasMoney.ts";
export * from "./getService.ts";
export { isSignedBy, type SignatureToCheck } from "./isSignedBy.ts";
export * from "./listServices.ts";
export type { OfferedModel } from "./OfferedModel.ts";
export type { Endpoint } from "./providerApi.ts";
export type { Rates } from "./Rates.ts";
export * from "./rankServices.ts";
export {
  type Service,
  type ServiceCounters,
  type ServiceTerms,
  UNITS,
  type Unit,
} from "./Service.ts";
export * from "./verifyProvider.ts";
