import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const SITE = join(import.meta.dirname, "..");

const link = (text, page) => ({ text, link: `/${page.replace(/\.md$/, "")}` });

const titleOf = (page) => readFileSync(join(SITE, page), "utf8").match(/^# (.+)$/m)[1];

const pagesIn = (folder) =>
  globSync(`${folder}/*.md`, { cwd: SITE })
    .sort()
    .filter((page) => !page.endsWith("/index.md"));

const titled = (page) => link(titleOf(page), page);

/** The modules of the SDK, one group per folder. */
function sdkGroups() {
  const pages = globSync("reference/sdk/**/*.md", { cwd: SITE })
    .filter((page) => !page.endsWith("/index.md"))
    .map((page) => page.slice("reference/sdk/".length))
    .sort();
  return Object.entries(Object.groupBy(pages, dirname)).map(([folder, modules]) => ({
    text: folder === "." ? "sdk" : `sdk/${folder}`,
    collapsed: true,
    items: modules.map((page) =>
      link(page.slice(page.lastIndexOf("/") + 1, -".md".length), `reference/sdk/${page}`),
    ),
  }));
}

const guide = {
  text: "Guide",
  items: [
    link("Overview", "index"),
    ...["commands", "sdk", "data", "models", "architectures", "parity", "operating", "sizing"].map(
      (name) => titled(`docs/${name}.md`),
    ),
  ],
};
const design = {
  text: "Design",
  items: [
    ...["protocol", "trust", "threats", "storage", "architecture"].map((name) =>
      titled(`docs/${name}.md`),
    ),
    { text: "Decisions", collapsed: true, items: pagesIn("docs/decisions").map(titled) },
  ],
};
const project = {
  text: "Project",
  items: ["CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT"].map((name) =>
    titled(`${name}.md`),
  ),
};
const reference = {
  text: "Reference",
  items: [
    {
      text: "Contracts",
      collapsed: true,
      items: pagesIn("reference/contracts").map(titled),
    },
    ...sdkGroups(),
  ],
};

/** VitePress' settings. Links to pages that do not exist fail the build. */
export default {
  title: "Anneal",
  description: "Fine-tune AI models on other people's GPUs without trusting them",
  cleanUrls: true,
  rewrites: { "README.md": "index.md" },
  outDir: join(SITE, "../../../output/docs"),
  cacheDir: join(SITE, ".vitepress/cache"),
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    sidebar: [guide, design, reference, project],
  },
};
