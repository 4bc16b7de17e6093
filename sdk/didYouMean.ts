import leven from "leven";

/** The candidate that a misspelt name most likely means, or undefined if none is close. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const tolerated = Math.max(2, Math.floor(name.length / 3));
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = leven(plain(name), plain(candidate));
    if (distance <= tolerated && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) {
      best = { candidate, distance };
    }
  }
  return best?.candidate;
}

/** Names that differ only in case, hyphens or underscores count as equal. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, "");
}
