/**
 * Releases the version in package.json: `npm run release`. Runs every check and test, dates the version in
 * CHANGELOG.md, and tags the commit. Publishes nothing, but prints the two commands for it.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const CHANGELOG = join(ROOT, "CHANGELOG.md");
const CHECKS = ["check", "test", "test:package", "docs"];

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const tag = `v${version}`;
const heading = `## [${version}] - unreleased`;
const changelog = readFileSync(CHANGELOG, "utf8");

if (read("git", "status", "--porcelain") !== "") fail("Commit your changes first.");
if (read("git", "tag", "--list", tag) !== "") fail(`${tag} exists: set another version.`);
if (!changelog.includes(heading)) fail(`CHANGELOG.md has no heading "${heading}".`);
for (const script of CHECKS) run("npm", "run", script);
const today = new Date().toISOString().slice(0, 10);
writeFileSync(CHANGELOG, changelog.replace(heading, `## [${version}] - ${today}`));
run("git", "commit", "--quiet", "--message", `Release ${version}`, "CHANGELOG.md");
run("git", "tag", "--annotate", tag, "--message", `Anneal ${version}`);
console.log(`${tag} is tagged. To publish it:
  git push origin main ${tag}
  npm run build && npm publish
  python3 -m build --wheel provider/trainer && python3 -m twine upload provider/trainer/dist/*`);

function read(command: string, ...args: string[]): string {
  return spawnSync(command, args, { cwd: ROOT, encoding: "utf8" }).stdout.trim();
}

function run(command: string, ...args: string[]): void {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) fail(`${command} ${args.join(" ")} failed.`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
