import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../node/provider/daemonProcess.ts";

const DAEMONS = ["munged", "slurmctld", "slurmd"].map((name) => join("/usr/sbin", name));

/** Why no cluster can be started here, or null. */
export function missingForSlurm(): string | null {
  const missing = DAEMONS.find((path) => !existsSync(path));
  if (missing) return `${missing} is not installed (scripts/install-debian.sh installs it)`;
  return process.getuid?.() === 0 ? null : "only root may start slurmd";
}

/** A real Slurm with one node: this machine, on the loopback interface, in its own folder. */
export class SlurmCluster {
  readonly #directory: string;
  readonly #processes: ChildProcess[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Starts munged, slurmctld and slurmd, and points this process's Slurm commands to them. */
  static async start(): Promise<SlurmCluster> {
    const cluster = new SlurmCluster(mkdtempSync(join(tmpdir(), "anneal-slurm-")));
    await cluster.#start();
    return cluster;
  }

  async stop(): Promise<void> {
    delete process.env.SLURM_CONF;
    for (const child of this.#processes.reverse()) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill("SIGTERM")) await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const at = (name: string) => join(this.#directory, name);
    for (const name of ["state", "spool"]) mkdirSync(at(name));
    writeFileSync(at("munge.key"), randomBytes(1024), { mode: 0o600 });
    writeFileSync(at("slurm.conf"), configuration(this.#directory, await freePorts(2)));
    process.env.SLURM_CONF = at("slurm.conf");
    this.#spawn("munged", [
      ...["--foreground", "--force", `--key-file=${at("munge.key")}`, `--socket=${at("munge")}`],
      ...[`--pid-file=${at("munged.pid")}`, `--seed-file=${at("munge.seed")}`],
    ]);
    await eventually("munged", () => existsSync(at("munge")));
    this.#spawn("slurmctld", ["-D"]);
    this.#spawn("slurmd", ["-D"]);
    await eventually("an idle node", () => {
      const { stdout } = spawnSync("sinfo", ["--noheader", "--format=%T"], { encoding: "utf8" });
      return stdout.includes("idle");
    });
  }

  #spawn(name: string, args: readonly string[]): void {
    this.#processes.push(spawn(join("/usr/sbin", name), args, { stdio: "ignore" }));
  }
}

function configuration(directory: string, [controller, node]: number[]): string {
  const host = hostname();
  return `ClusterName=anneal
SlurmctldHost=${host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=${directory}/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort=${controller}
SlurmdPort=${node}
StateSaveLocation=${directory}/state
SlurmdSpoolDir=${directory}/spool
SlurmctldPidFile=${directory}/slurmctld.pid
SlurmdPidFile=${directory}/slurmd.pid
SlurmctldLogFile=${directory}/slurmctld.log
SlurmdLogFile=${directory}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MpiDefault=none
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((done) => server.once("listening", done))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
