import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { displayWidth } from "../../../tasks/terminal/displayWidth.ts";
import { type Orders, openOrders } from "./orders.ts";

/** With UPDATE_SCREENS=1, writes the screens instead of comparing them; then read them as a newcomer. */
const UPDATES = process.env.UPDATE_SCREENS === "1";

/** Times and random roots in place of which there are others of the same length. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\d/g, "2026-01-02"],
  [/\d\d:\d\d:\d\d/g, "03:04:05"],
  [/\.\d{3}Z/g, ".000Z"],
  [/(?<=0x)(?!eaa)[0-9a-f]{64}/g, "ab".repeat(32)],
  [/9999\.\d{18}/g, "9999.123456789012345678"],
  [/http:\/\/127\.0\.0\.1:\d+/g, "http://127.0.0.1:12345"],
];
const masked = (text: string) =>
  MASKS.reduce((rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement), text);

describe("tasks: what a terminal shows", () => {
  let orders: Orders;
  let id: string;
  before(async () => {
    orders = await openOrders();
    id = (await orders.create({ suffix: "terse", nEpochs: "3", learningRate: "1e-4" })).id;
    await orders.finish(id);
    await orders.create();
    orders.market.daemon.events = [
      { seq: 1, time: "2026-01-01T00:00:00.000Z", type: "started", total: 3, kind: "causal-lm" },
      { seq: 2, time: "2026-01-01T00:00:01.000Z", type: "progress", step: 1, loss: 2.5 },
      { seq: 3, time: "2026-01-01T00:00:02.000Z", type: "progress", step: 2, loss: 2.25 },
    ];
  });
  after(() => orders.market.close());

  const SCREENS: readonly (readonly [name: string, flags: () => Record<string, unknown>])[] = [
    ["wallet", () => ({})],
    ["get-account", () => ({})],
    ["get-sub-account", () => ({ provider: orders.market.provider.address })],
    ["list-providers", () => ({})],
    ["list-models", () => ({})],
    ["get-task", () => ({ task: id })],
    ["fine-tuning retrieve", () => ({ id })],
    ["fine-tuning list-events", () => ({ id })],
  ];

  for (const columns of [80, 120]) {
    for (const [name, flags] of SCREENS) {
      it(`${name} at ${columns} columns`, async () => {
        const env = { NO_COLOR: "1", FORCE_COLOR: undefined };
        const { stdout, stderr, exitCode } = await orders.market.run(name, flags(), {
          terminal: columns,
          env,
        });
        expect(exitCode, stderr).to.equal(0);
        const shown = masked(stdout);
        const path = join(import.meta.dirname, `screens/${name.replace(" ", "-")}-${columns}.txt`);
        if (UPDATES) writeFileSync(path, shown);
        expect(shown).to.equal(readFileSync(path, "utf8"));
        for (const line of shown.split("\n")) expect(displayWidth(line)).to.be.at.most(columns);
      });
    }
  }
});
