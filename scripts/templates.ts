/**
 * Compares client, trainer and transformers over the chat templates of other projects:
 * `npm run test:templates -- [--json]`. Exits with code 0 only if they agree on all of them. `npm run setup -- --rivals`
 * fetches the templates.
 */
import { parseArgs } from "node:util";
import { compareTemplates, whyNoCorpus } from "../test/node/sdk/dataset/template/corpus.ts";

/** Disagreements that are shown; more are only counted. */
const SHOWN = 10;

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const reason = whyNoCorpus();
if (reason === undefined) compare();
else {
  console.error(`SKIPPED: ${reason}.`);
  process.exitCode = 2;
}

function compare(): void {
  const { disagreements, ...counts } = compareTemplates();
  const result = { ...counts, disagreements: disagreements.length };
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `${counts.templates} templates, ${counts.conversations} conversations each: ${counts.rendered} texts, ${counts.rows} rows, ${disagreements.length} disagreements.`,
    );
  }
  for (const { template, conversation, what, client, others } of disagreements.slice(0, SHOWN)) {
    console.error(`${template}, ${conversation}: another ${what}`);
    console.error(`  client: ${JSON.stringify(client)}\n  others: ${JSON.stringify(others)}`);
  }
  if (disagreements.length > 0) process.exitCode = 1;
}
