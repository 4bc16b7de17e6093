/** Prints the root of a file, twice over so that threads have started. Argument: its path. */
import { rootOfFile } from "../../../../sdk/storage/root.ts";

// The test runner imports every file below test/node; only a process started with this one hashes.
if (import.meta.main) {
  await rootOfFile(process.argv[2]!);
  console.log((await rootOfFile(process.argv[2]!)).root);
}
