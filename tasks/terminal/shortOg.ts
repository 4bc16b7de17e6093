import { formatOg } from "../../sdk/units.ts";

/** Formats neuron as OG without trailing zeros, not rounded. */
export const shortOg = (neuron: bigint): string => formatOg(neuron).replace(/\.?0+$/, "");
