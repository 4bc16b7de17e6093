/** Formats seconds as `23h 58min 34s`, without leading zero parts. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours > 0) return `${hours}h ${minutes}min ${whole % 60}s`;
  return minutes > 0 ? `${minutes}min ${whole % 60}s` : `${whole % 60}s`;
}
