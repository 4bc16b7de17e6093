import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Copies the repository's pages to the same paths below `site`, so that the links between them still work. */
export function copyPages(root: string, site: string): void {
  const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root });
  const known = new Set(pages);
  for (const page of pages) {
    const target = join(site, page);
    mkdirSync(dirname(target), { recursive: true });
    const leadsOut = (link: string) => {
      const path = normalize(join(dirname(page), link));
      return !known.has(path) && existsSync(join(root, path));
    };
    writeFileSync(target, withoutLinks(readFileSync(join(root, page), "utf8"), leadsOut));
  }
  cpSync(join(import.meta.dirname, "config.mjs"), join(site, ".vitepress/config.mjs"));
}

/** Replaces links to other files, such as sources and tests, by their text. */
const withoutLinks = (text: string, leadsOut: (path: string) => boolean) =>
  text.replaceAll(/\[([^\]]+)\]\((?!https?:|#)([^)#]+)[^)]*\)/g, (whole, label, path) =>
    leadsOut(path) ? label : whole,
  );
