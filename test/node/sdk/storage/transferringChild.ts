/** A transfer in a process of its own, to be killed. Arguments: up, URL, path or down, URL, path, root. */
import { parseRoot } from "../../../../sdk/ids.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { upload } from "../../../../sdk/storage/upload.ts";

// The test runner imports every file below test/node; only a process started with this one transfers.
if (import.meta.main) {
  const [direction, url, path, root] = process.argv.slice(2);
  if (direction === "up") await upload(url!, path!);
  else await download(url!, parseRoot(root!), path!);
}
