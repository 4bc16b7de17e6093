import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Root } from "../../sdk/ids.ts";
import { rootFromSegments } from "../../sdk/storage/tree/RootHasher.ts";
import { paddedSegmentCount } from "../../sdk/storage/tree/segment.ts";
import { upload } from "../../sdk/storage/upload.ts";
import { HANGS_AFTER } from "../helpers/patience.ts";
import { residentPeak } from "../helpers/residentPeak.ts";
import { attempt } from "./attempt.ts";
import { DaemonChild } from "./DaemonChild.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { hasCleared } from "./kill.ts";
import type { Programme, RunResult } from "./Programme.ts";
import { type Ending, SimulatedUser } from "./SimulatedUser.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Addresses of this machine that the attackers use. */
const ADDRESSES = 16;
/** Nearly the whole capacity of the storage node: the honest user needs some. */
const CONNECTIONS = 2_040;
const SHORT_CONNECTIONS = 320;
const ROUNDS = 8;
/** Maximum memory of the daemon in bytes during the attack. */
const MAX_RESIDENT = 512 * MIB;
const ENDINGS: readonly Ending[] = ["confirm", "finalize", "late"];

/** The first request of a hostile connection; the rest of its body never arrives. */
type Attack = (number: number) => Buffer;

const request = (lines: readonly string[], body = Buffer.alloc(0)) =>
  Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\nHost: x\r\n\r\n`), body]);

/** The origin of a request according to a proxy on this machine. */
const from = (number: number) => `X-Forwarded-For: 198.51.100.${number % 250}`;
const BINARY = "Content-Type: application/octet-stream";

/** A list of segments that do not exist: it folds to a root, and costs its creator nothing. */
function madeUpList(number: number, size: number) {
  const segmentRoots = Buffer.alloc(paddedSegmentCount(size) * 32, number % 251);
  segmentRoots.writeUInt32BE(number);
  return { root: rootFromSegments(segmentRoots, size), segmentRoots };
}

function uploads(dataset: Root): readonly Attack[] {
  const put = (path: string, number: number, length: number) => [
    `PUT ${path} HTTP/1.1`,
    from(number),
    BINARY,
    `Content-Length: ${length}`,
  ];
  return [
    (number) => request(put(`/uploads/${dataset}/segments/0`, number, MIB), Buffer.alloc(1)), // one byte
    (number) => request(put(`/uploads/${dataset}?size=1`, number, 12.8e6), Buffer.alloc(MIB)),
    (number) => {
      const { root, segmentRoots } = madeUpList(number, GIB / 8);
      const path = `/uploads/${root}?size=${GIB / 8}`;
      return request(put(path, number, segmentRoots.length), segmentRoots);
    },
    (number) => request([...put("/", number, 8 * MIB), "Content-Type: application/json"]),
    (number) => {
      const segment = {
        root: dataset,
        data: Buffer.alloc(256).toString("base64"),
        index: 0,
        proof: { lemma: [dataset], path: [] },
        fileSize: 200 + (number % 50), // a known root with another size
      };
      const body = Buffer.from(
        JSON.stringify({ id: 1, method: "zgs_uploadSegment", params: [segment] }),
      );
      const type = "Content-Type: application/json";
      return request(
        ["POST / HTTP/1.1", from(number), type, `Content-Length: ${body.length}`],
        body,
      );
    },
  ];
}

function reads(dataset: Root): readonly Attack[] {
  const get = (number: number, range: string) =>
    request([`GET /blobs/${dataset} HTTP/1.1`, from(number), `Range: bytes=${range}`]);
  return [
    (number) => get(number, "0-"),
    (number) => Buffer.concat(Array.from({ length: 50 }, () => get(number, "0-10"))), // pipelined
    () => Buffer.alloc(0), // connected, and silent
    () => Buffer.from("GET / HTTP/1.1\r\nX-Slow: "),
  ];
}

/** Uploads that are slow, incomplete or wrong, beside an honest task. */
export const hostileUploader = hostile("hostileUploader", uploads);

/** Clients that read nothing, request much, or only hold their connections, beside an honest task. */
export const hostileReader = hostile("hostileReader", reads);

function hostile(kind: string, attacks: (dataset: Root) => readonly Attack[]): Programme {
  return async function* (market, { short, takes }) {
    for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
      const name = `${kind}/${round}`;
      const connections = short ? SHORT_CONNECTIONS : CONNECTIONS;
      const ending = ENDINGS[round % ENDINGS.length]!;
      if (takes(name)) yield await besiege(market, name, { ending, attacks, connections });
    }
  };
}

interface Siege {
  readonly ending: Ending;
  readonly attacks: (dataset: Root) => readonly Attack[];
  readonly connections: number;
}

function besiege(market: FaultFixture, name: string, siege: Siege): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const daemon = new DaemonChild(market, state, {
      variables: {
        STORAGE_ENDPOINT: "",
        STORAGE_PORT: "0",
        STORAGE_DIR: join(directory, "blobs"),
      },
    });
    const sockets: Socket[] = [];
    try {
      await daemon.ready();
      const storageUrl = daemon.lines.find(({ msg }) => msg === "ready")!.storage!;
      const attacks = siege.attacks(market.dataset);
      for (let number = 0; number < siege.connections; number++)
        sockets.push(await strike(storageUrl, number, attacks[number % attacks.length]!));
      const user = market.client(2, { storageUrl });
      await upload(storageUrl, join(market.folder, "dataset.jsonl"));
      const simulatedUser = new SimulatedUser(market, directory, 2, siege.ending, user);
      await simulatedUser.place();
      const end = performance.now() + HANGS_AFTER;
      const isDone = async () => (await simulatedUser.poll()) && hasCleared(state);
      while (performance.now() < end && !(await isDone())) await wait(20);
      const peakMiB = Math.round(residentPeak(daemon.pid) / MIB);
      const lost =
        peakMiB * MIB <= MAX_RESIDENT ? [] : [`the daemon held ${peakMiB} MiB of memory`];
      return { users: [simulatedUser], strikes: sockets.length, lost, peakMiB };
    } finally {
      for (const socket of sockets) socket.destroy();
      await daemon.end("SIGTERM");
    }
  });
}

/** Connects from one of the addresses, and sends the start of the attack. */
async function strike(url: string, number: number, attack: Attack): Promise<Socket> {
  const { port } = new URL(url);
  const localAddress = `127.0.0.${2 + (number % ADDRESSES)}`;
  const socket = connect({ host: "127.0.0.1", port: Number(port), localAddress });
  socket.on("error", () => {}); // disconnected, as expected
  await once(socket, "connect").catch(() => {});
  socket.pause();
  socket.write(attack(number));
  return socket;
}
