import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { hasSandbox } from "../../provider/training/sandbox.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { signRequest } from "../../sdk/service/signedRequest.ts";
import { HANGS_AFTER } from "../helpers/patience.ts";
import { attempt, type Outcome, type RunFolders } from "./attempt.ts";
import { DaemonChild } from "./DaemonChild.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { HostileStub } from "./hostileStub.ts";
import { hasCleared } from "./kill.ts";
import type { Programme } from "./Programme.ts";
import { SimulatedUser } from "./SimulatedUser.ts";
import { seededRandom } from "./seededRandom.ts";

const ROUNDS = 120;
const SHORT_ROUNDS = 5;

/** Bytes that only the provider may see, and others that only the honest user may. */
const CREDENTIALS = "passphrase-and-keystore-of-the-provider";
const CONFIDED = "data-of-the-honest-user";
/** What every SQLite database begins with. */
const DATABASE = "SQLite format 3";

interface Attack {
  readonly before?: string;
  readonly after?: string;
  /** The output exceeds everybody's quota. */
  readonly isRefused?: boolean;
}

/** What a compromised training run may do, as Python; `keys`, `db`, `other` and `state` are paths of the daemon's. */
const ATTACKS: Readonly<Record<string, Attack>> = {
  "links in the output": {
    after: 'os.symlink(keys, "out/keystore.json"); os.symlink(other, "out/other.jsonl")',
  },
  "a link to the database": { after: 'os.symlink(db, "out/a")' },
  "links to folders": {
    after:
      'os.makedirs("checkpoints"); [os.symlink(state, f"checkpoints/step-{i}") for i in range(3)]; os.symlink("/", "out/root")',
  },
  "second names": {
    after: `
os.mkdir("more"); open("more/a", "w").write("x"); os.link("more/a", "out/a")
for path in (keys, db, other, job + "/job.json", "/proc/self/fd/1"):
    try: os.link(path, "out/" + os.path.basename(path))
    except OSError: pass
`,
  },
  "events of another task": { before: 'os.symlink(other, "events.jsonl")' },
  "a link for its result": { after: 'os.symlink(keys, "result.json")' },
  "pipes for all its files": {
    before: 'os.mkfifo("events.jsonl"); os.mkfifo("result.json"); os.mkfifo("checkpoints")',
    after: 'os.mkfifo("out/pipe")',
  },
  "links in the daemon's place": {
    after: `
for name in ("job.json.part", "model.zip", "model.zip.part", "trainer.log", "events.jsonl", "result.json", "secrets.sealed"):
    for place in ("../", "", "out/"):
        try: os.symlink(db, place + name)
        except OSError: pass
`,
  },
  "a sparse file": { after: 'open("out/huge", "wb").truncate(2**40)', isRefused: true },
  "a hundred thousand names": {
    after: 'for i in range(100_000): os.symlink("x", f"out/{i}")',
    isRefused: true,
  },
  "nested folders": {
    after: 'os.makedirs("out/" + "/".join("d" * 40))',
    isRefused: true,
  },
  "a swap that continues after its end": {
    after: `
if os.fork() == 0:
    os.setsid()
    while True:
        os.symlink(keys, "out/keys"); os.unlink("out/keys")
        os.mkdir("out/state"); os.rmdir("out/state"); os.symlink(state, "out/state"); os.unlink("out/state")
`,
  },
  "endless events": {
    before:
      'open("events.jsonl", "a").write("x" * 20_000_000)\nopen("events.jsonl", "ab").truncate(2**40)',
  },
  "events with control characters": {
    before:
      'tell({"seq": 1, "type": "progress", "step": 1e300, "total": -1, "seconds_left": 1e308, "loss": {"a": [[[[[1]]]]]}}); tell({"seq": 1, "type": "warning", "message": "\\x1b[2J" + chr(0) + "\\n", "by": "provider"})',
    after: 'open("result.json", "w").write("[" * 60_000)',
  },
};

/** Compromised training runs, in the real sandbox of a real daemon, beside an honest task of another user. */
export const hostileTrainer: Programme = async function* (market, { seed, short, takes }) {
  if (!hasSandbox()) {
    console.error("SKIPPED: hostileTrainer needs bubblewrap (scripts/install-debian.sh).");
    return;
  }
  const random = seededRandom(seed);
  for (let round = 0; round < (short ? SHORT_ROUNDS : ROUNDS); round++) {
    const what = random.pick(Object.keys(ATTACKS));
    const name = `hostileTrainer/${what}/${round}`;
    if (takes(name)) yield await attempt(market, name, (folders) => run(market, folders, what));
  }
};

async function run(market: FaultFixture, folders: RunFolders, what: string): Promise<Outcome> {
  const attack = ATTACKS[what]!;
  const hostile = new SimulatedUser(
    market,
    folders.directory,
    2,
    attack.isRefused ? "fail" : "confirm",
  );
  const honest = new SimulatedUser(market, folders.directory, 3, "confirm");
  const users = [hostile, honest];
  const leaked: string[] = [];
  for (const user of users)
    user.inspect = (path) => leaked.push(...secretsIn(readFileSync(path), "the archive"));
  const stub = new HostileStub(market.folder);
  await honest.place();
  stub.confide(honest.id, CONFIDED);
  const other = join(folders.state, "jobs", formatTaskId(honest.id), "events.jsonl");
  const daemon = new DaemonChild(market, folders.state, {
    variables: {
      PYTHON: stub.python,
      SANDBOX: "on",
      MAX_FILE_BYTES: `${2 ** 41}`,
      MAX_JOB_BYTES: `${256 * 2 ** 20}`,
    },
  });
  await daemon.ready();
  const end = performance.now() + HANGS_AFTER;
  const until = async (users: readonly SimulatedUser[], isMet: () => boolean) => {
    while (performance.now() < end && !isMet()) {
      for (const user of users) await user.poll();
      await wait(20);
    }
  };
  // The attack starts when there is something to steal.
  await until([honest], () => existsSync(other));
  hostile.tamper = (order) => {
    arm(stub, folders, { hostile, other }, attack);
    return order;
  };
  await hostile.place();
  await until(users, () => users.every((user) => user.hasEnded()) && hasCleared(folders.state));
  leaked.push(...(await readAll(daemon, hostile)));
  await stop(daemon);
  return { users, strikes: 1, leaked };
}

/** Puts the secrets where the daemon keeps its own, and the attack where the stub finds it. */
function arm(
  stub: HostileStub,
  { directory, state }: RunFolders,
  { hostile, other }: { hostile: SimulatedUser; other: string },
  { before = "", after = "" }: Attack,
): void {
  const keys = join(directory, "keystore.json");
  writeFileSync(keys, CREDENTIALS);
  const paths = { keys, db: join(state, "state.db"), other, state };
  const names = Object.entries(paths).map(([name, path]) => `${name} = ${JSON.stringify(path)}\n`);
  const withNames = (lines: string) => names.join("") + lines;
  stub.attack(hostile.id, { before: withNames(before), after: withNames(after) });
}

/** Reads everything that the API returns to the hostile user, and to anybody. @returns where it contains a secret. */
async function readAll(daemon: DaemonChild, { id, user }: SimulatedUser): Promise<string[]> {
  const api = daemon.lines.find(({ msg }) => msg === "ready")?.api;
  if (!api) throw new Error("the daemon was not ready");
  const task = `/v1/tasks/${formatTaskId(id)}`;
  const found: string[] = [];
  for (const path of [task, `${task}/log`, `${task}/events`, "/v1/queue", "/metrics"]) {
    const headers = await signRequest(user, { method: "GET", path });
    const signal = AbortSignal.timeout(HANGS_AFTER);
    const response = await fetch(`${api}${path}`, { headers, signal });
    if (!response.ok) throw new Error(`${path} answers ${response.status}`);
    found.push(...secretsIn(Buffer.from(await response.arrayBuffer()), path));
  }
  return found;
}

function secretsIn(bytes: Buffer, place: string): string[] {
  return [CREDENTIALS, CONFIDED, DATABASE]
    .filter((secret) => bytes.includes(secret))
    .map((secret) => `${place} holds ${secret}`);
}

async function stop(daemon: DaemonChild): Promise<void> {
  const ended = daemon.end("SIGTERM");
  const code = await Promise.race([
    ended,
    wait(HANGS_AFTER, "still running" as const, { ref: false }),
  ]);
  if (code === 0) return;
  await daemon.end("SIGKILL");
  throw new Error(`after SIGTERM the daemon is ${code}`);
}
