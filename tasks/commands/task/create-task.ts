import { ProtocolError } from "../../../sdk/errors.ts";
import { parseRoot } from "../../../sdk/ids.ts";
import { findOwnOrder } from "../../../sdk/order/findOwnOrder.ts";
import { verifyForOrder } from "../../../sdk/order/verifyForOrder.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { findModel } from "../../../sdk/service/findModel.ts";
import type { OfferedModel } from "../../../sdk/service/OfferedModel.ts";
import { checkDatasetBytes } from "../../../sdk/task/checkDatasetBytes.ts";
import { type Quote, quote } from "../../../sdk/task/quote.ts";
import { readConfig } from "../../../sdk/training/readConfig.ts";
import type { Command } from "../../definition.ts";
import { readInteger } from "../../flags/readFlags.ts";
import { readSecrets } from "../../flags/readSecrets.ts";
import { agreeToOrder } from "../../flows/agreeToOrder.ts";
import { compareSize } from "../../flows/compareSize.ts";
import { continueTask } from "../../flows/continueTask.ts";
import { countValidation } from "../../flows/countFor.ts";
import { placeOrder } from "../../flows/placeOrder.ts";
import { resolveStart } from "../../flows/resolveStart.ts";
import type { SendingFlags } from "../../flows/submit.ts";
import { openTaskKey } from "../../flows/taskKey.ts";
import { withDataset } from "../../flows/withDataset.ts";
import { nextStepByStep } from "../../terminal/nextCommand.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

interface Flags extends SendingFlags {
  readonly provider: string;
  readonly model: string;
  readonly dataset: string;
  readonly validationDataset: string | undefined;
  readonly configPath: string;
  readonly dataSize: string;
  readonly taskKey: string | undefined;
  readonly yes: boolean;
  readonly again: boolean;
}

/**
 * Orders a fine-tuning. Money is reserved only after the provider is verified and the quote is shown. Run again, it
 * continues with the task that it ordered.
 */
export default (async (flags, terminal, environment) => {
  const typed = await readOrder(flags);
  const secrets = await readSecrets(typed.config, environment);
  const client = await environment.signer("user");
  const wanted = await resolveStart(client, typed);
  const offerOf = (at: OfferedModel) => price(at, wanted, environment.storageUrl(), terminal);
  const own = await findOwnOrder(client, {
    ...wanted,
    again: flags.again,
    rootsFor: async () => wanted,
    unitsFor: async (at) => (await offerOf(at)).units,
  });
  if (own) {
    const continued = await continueTask({ client, terminal, environment }, own, secrets, flags);
    const next = nextStepByStep(own);
    if (next) terminal.next(environment.command(next));
    return continued;
  }
  terminal.say("Verify provider...");
  const { service, catalogue, queue } = await verifyForOrder(client, wanted);
  terminal.say("Provider verified");
  const model = findModel(catalogue, wanted.model);
  const at = { service, model, catalogue };
  await compareSize(at, wanted, environment.storageUrl(), terminal);
  const offer = await offerOf(at);
  // Bytes are known only if the price is per byte; tokens are counted by the provider.
  const { evaluation } = offer.work;
  if (service.unit === "byte") checkDatasetBytes({ service, catalogue, bytes: evaluation.size });
  await agreeToOrder(client, { service, model, queue, offer }, flags, terminal);
  const taskKey = await openTaskKey(flags.taskKey, flags, terminal);
  const order = { ...wanted, service, model, offer, secrets, taskKey };
  const placed = await placeOrder(client, order, flags, terminal);
  if (!placed.dryRun) {
    const task = `--provider ${service.provider} --task ${placed.id}`;
    terminal.next(environment.command(`get-task ${task} --wait`));
  }
  return placed;
}) satisfies Command<Flags>;

/** The price of the work; a validation dataset is fetched from storage for that. */
async function price(
  at: OfferedModel,
  { dataSize, validationRoot: root, config }: Awaited<ReturnType<typeof readOrder>>,
  storageUrl: string,
  terminal: Terminal,
): Promise<Quote> {
  const validationSize =
    root === null
      ? 0n
      : await withDataset(root, storageUrl, terminal, ({ path }) =>
          countValidation(path, at, terminal),
        );
  return quote({ ...at, config, dataSize, validationSize });
}

/** Reads all flags before any network request. */
async function readOrder(flags: Flags) {
  const { configPath, validationDataset } = flags;
  const config = await readConfig(configPath);
  if (config.n_evals && validationDataset === undefined) throw noValidationDatasetError(configPath);
  return {
    provider: parseAddress(flags.provider),
    model: flags.model,
    datasetRoot: parseRoot(flags.dataset),
    validationRoot: validationDataset === undefined ? null : parseRoot(validationDataset),
    dataSize: readInteger(flags.dataSize, "--data-size", 1n),
    config,
  };
}

/** The provider would fail such a task, at the cost of two transactions. */
function noValidationDatasetError(path: string): ProtocolError {
  return new ProtocolError(
    "usage",
    `${path} sets n_evals, but there is no validation dataset.`,
    "Give one with --validation-dataset <ROOT_HASH>, or omit n_evals.",
  );
}
