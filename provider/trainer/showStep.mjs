// Plain JavaScript without dependencies, because it runs before anything is installed, on the system's Node 20.

const SECOND_MS = 1_000;

/**
 * Shows what a silent step does, on stderr: on a terminal with a clock, otherwise as one line.
 * @template T
 * @param {string} what such as "Building the contracts"
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function showStep(what, work) {
  const { stderr } = process;
  if (!stderr.isTTY) {
    stderr.write(`${what}…\n`);
    return work();
  }
  const start = performance.now();
  const show = () => {
    const seconds = Math.floor((performance.now() - start) / SECOND_MS);
    stderr.write(`\r\u001b[2K${`${what}… ${seconds} s`.slice(0, stderr.columns - 1)}`);
  };
  show();
  const clock = setInterval(show, SECOND_MS);
  try {
    return await work();
  } finally {
    clearInterval(clock);
    stderr.write("\n");
  }
}
