import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { eventTimes, readEventPeriods } from "../../../sdk/task/eventTimes.ts";
import { streamEvents, type TrainerEvent } from "../../../sdk/task/streamTask.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import { fetchTaskEvents, type TaskEvent } from "../../../sdk/task/taskEvents.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

interface Flags {
  readonly id: string;
  readonly all: boolean;
  readonly json: boolean;
}

/** An event of a task, from the chain or from its provider. */
interface Entry {
  readonly time: Date;
  readonly source: "chain" | "provider";
  readonly type: string;
  readonly message: string;
  readonly event: TaskEvent | TrainerEvent;
}

/** Shows what happened to a task: events of the chain and of its provider. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const task = await findOwnTask(client, flags.id);
  const [chain, provider] = await Promise.all([
    readChainEntries(client, task),
    readProviderEntries(client, task, terminal),
  ]);
  const entries = merge(chain, provider);
  terminal.table({
    widths: [22, 20, 75],
    rows: [
      ["Time (UTC)", "Type", "Message"],
      ...(flags.all ? entries : foldSteps(entries)).map(({ time, type, message }) => [
        readable(time),
        type,
        message,
      ]),
    ],
  });
  if (!flags.all) terminal.note("Steps of the training run are summed up; --all shows each.");
  noteDemands(task, terminal);
  const id = formatTaskId(task.id);
  terminal.next(environment.command(`fine-tuning retrieve ${id}`));
  return { id, events: entries };
}) satisfies Command<Flags>;

/** The provider works between acceptance and delivery, whatever the two clocks say. */
function merge(chain: readonly Entry[], provider: readonly Entry[]): Entry[] {
  const accepted = chain.findIndex(({ type }) => type === "TaskAccepted") + 1;
  return [...chain.slice(0, accepted), ...provider, ...chain.slice(accepted)];
}

async function readChainEntries(client: Client, task: Task): Promise<Entry[]> {
  const [events, periods] = await Promise.all([
    fetchTaskEvents(client, task),
    readEventPeriods(client),
  ]);
  const times = await eventTimes(client, task, { events, periods });
  return events.map((event, index) => ({
    time: times[index]!,
    source: "chain",
    type: event.name,
    message: describe(event, task.fee),
    event: { ...event, id: formatTaskId(task.id) } as unknown as TaskEvent,
  }));
}

const isStep = ({ source, type }: Entry) => source === "provider" && type === "progress";

/** Steps that follow each other become one entry. */
function foldSteps(entries: readonly Entry[]): Pick<Entry, "time" | "type" | "message">[] {
  const groups: Entry[][] = [];
  for (const entry of entries) {
    const last = groups.at(-1);
    if (last && isStep(entry) && isStep(last[0]!)) last.push(entry);
    else groups.push([entry]);
  }
  return groups.map((group) => {
    const [first, last] = [group[0]!, group.at(-1)!];
    if (group.length === 1) return first;
    const [from, to] = [first.event, last.event] as TrainerEvent[];
    const losses = [from!.loss, to!.loss].map((loss) => figure(loss)).join(" to ");
    return { ...last, message: `steps ${from!.step} to ${to!.step}, loss ${losses}` };
  });
}

/** The chain keeps their number, and not when they were made. */
function noteDemands({ demands, chunk }: Task, terminal: Terminal): void {
  if (demands > 0)
    terminal.note(
      `Chunks of the model demanded from the provider: ${demands}, last number ${chunk}.`,
    );
}

/** @param reserved the fee of the order */
function describe(event: TaskEvent, reserved: bigint): string {
  switch (event.name) {
    case "TaskCreated":
      return `fee ${formatOg(event.fee)} OG`;
    case "TaskAccepted":
      return `bond ${formatOg(event.bond)} OG, to be delivered by ${moment(event.deadline)}`;
    case "TaskFailed":
      return event.compensation === 0n
        ? event.reason
        : `${event.reason}, ${formatOg(event.compensation)} OG to you`;
    case "TaskDelivered":
      return `${event.delivery.size} bytes${rebate(event, reserved)}`;
    case "TaskAcknowledged":
      return `the key is due by ${moment(event.deadline)}`;
    case "KeyRevealed":
      return `may be disputed until ${moment(event.deadline)}`;
    case "TaskSettled":
    case "TaskLapsed":
      return `${formatOg(event.paid)} OG to the provider`;
    case "TaskExpired":
      return `${formatOg(event.compensation)} OG to you`;
    case "TaskSlashed":
      return `page ${event.page} was not what the provider committed to, ${formatOg(event.compensation)} OG to you`;
    default:
      return "";
  }
}

function rebate({ delivery }: TaskDelivered, reserved = 0n): string {
  const saved = reserved - delivery.fee;
  return saved > 0n ? `, ${formatOg(saved)} OG back to you for work not done` : "";
}

type TaskDelivered = Extract<TaskEvent, { name: "TaskDelivered" }>;

const moment = (seconds: number) => readable(new Date(seconds * 1_000));

/** Without parts of a second. */
const readable = (time: Date) => time.toISOString().slice(0, 19).replace("T", " ");

/** If the provider does not answer or no longer knows the task, the events on chain are still shown. */
async function readProviderEntries(
  client: Client,
  { id, provider }: Task,
  terminal: Terminal,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  try {
    const service = await getService(client, { provider });
    for await (const event of streamEvents(client, { service, id })) {
      const { seq: _, time, type, ...details } = event;
      entries.push({
        time: new Date(time ?? 0),
        source: "provider",
        type,
        message: figures(details),
        event,
      });
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    terminal.note(`Without the provider's events: ${error.message}`);
  }
  return entries;
}

/** The scalar values of an event; nested values, ids and hashes are only in the JSON. */
function figures(details: Record<string, unknown>): string {
  return Object.entries(details)
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .filter(([, value]) => !/^(0x)?[0-9a-f-]{32,}$/.test(String(value)))
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${figure(value)}`)
    .join(", ");
}

/** A number with four digits; the JSON has all of them. */
const figure = (value: unknown) =>
  typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
