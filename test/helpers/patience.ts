/**
 * Milliseconds after which something that a test waits for counts as hanging. It does not measure speed: a machine
 * under load takes many times as long as an idle one, and a passing test does not wait for it.
 */
export const HANGS_AFTER = 300_000;
