/** Mutes a library that reports to the console what we report ourselves, or what did not really happen. */
export async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console;
  console.log = () => undefined;
  try {
    return await work();
  } finally {
    console.log = log;
  }
}
