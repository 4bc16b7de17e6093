/**
 * Milliseconds after which something that a test waits for counts as hanging. It is no measure of speed: a machine
 * under load takes many times as long as a quiet one, and a test that passes waits no longer for it.
 */
export const HANGS_AFTER = 300_000;
