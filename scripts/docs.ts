/**
 * Builds the documentation website in output/docs: the pages, the SDK reference from its sources, and the contract
 * reference from the NatSpec. It fails if a link is dead.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { copyPages } from "./docs/copyPages.ts";
import { writeContracts } from "./docs/writeContracts.ts";

const ROOT = join(import.meta.dirname, "..");
const TOOLS = join(import.meta.dirname, "docs");
const SITE = join(TOOLS, "site");

function run(cwd: string, program: string, ...words: string[]): void {
  const { status } = spawnSync(process.execPath, [join(cwd, program), ...words], {
    cwd,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) process.exit(1);
}

rmSync(SITE, { recursive: true, force: true });
copyPages(ROOT, SITE);
run(ROOT, "node_modules/hardhat/dist/src/cli.js", "build", "--quiet");
writeContracts(ROOT, join(SITE, "reference/contracts"));
run(TOOLS, "node_modules/typedoc/bin/typedoc", "--options", "typedoc.json");
run(TOOLS, "node_modules/vitepress/bin/vitepress.js", "build", "site");
console.log("The website is in output/docs.");
