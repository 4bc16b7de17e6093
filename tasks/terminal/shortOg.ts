import { formatOg } from "../../sdk/units.ts";

/** Neuron as OG as somebody would type it, without the zeros at the end: nothing is rounded. */
export const shortOg = (neuron: bigint): string => formatOg(neuron).replace(/\.?0+$/, "");
