const UNITS = [
  ["day", 86_400],
  ["h", 3_600],
  ["min", 60],
] as const;
/** Days after which a date says more. */
const OLD_DAYS = 30;

/** How long ago something was, in its largest unit: `3 min ago`, or the date if it was more than a month ago. */
export function formatAge(time: Date, now: Date): string {
  const seconds = (now.getTime() - time.getTime()) / 1_000;
  if (seconds > OLD_DAYS * 86_400) return time.toISOString().slice(0, 10);
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${unit}${unit === "day" && count > 1 ? "s" : ""} ago`;
  }
  return "just now";
}
