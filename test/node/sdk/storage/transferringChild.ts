/**
 * A transfer in its own process, to be killed. Arguments: up, URL, path or down, URL, path, root. Prints "begun", and
 * the transfer's result unless it is killed.
 */
import { parseRoot } from "../../../../sdk/ids.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { upload } from "../../../../sdk/storage/upload.ts";

// The test runner imports every file below test/node; only a process started with this one transfers.
if (import.meta.main) {
  const [direction, url, path, root] = process.argv.slice(2);
  console.log("begun");
  const result =
    direction === "up" ? await upload(url!, path!) : await download(url!, parseRoot(root!), path!);
  console.log(JSON.stringify(result));
}
