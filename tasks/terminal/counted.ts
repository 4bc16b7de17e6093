/** "1 token", "1000 tokens": a number that is typed again, so without separators. */
export function sized(size: bigint, unit: string): string {
  return `${size} ${unit}${size === 1n ? "" : "s"}`;
}

/** "1 row", "1,000 rows". */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
