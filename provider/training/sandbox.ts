import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { ProviderError } from "../errors.ts";

/** What every sandbox is made with. */
export interface Sandbox {
  /** Bytes that no single file may grow beyond. */
  readonly maxFileBytes: number;
  /** File with the filter of system calls, as `writeSystemCallFilter` makes it. */
  readonly filter: string;
}

/** What a program may see and use while it works on other people's data. */
export interface Confinement extends Sandbox {
  /** Directories and files it may read, besides the system's programs and libraries. */
  readonly readable: readonly string[];
  /** Directories it may write to. */
  readonly writable: readonly string[];
  readonly workingDirectory: string;
  /** Whether it ends with the daemon. A trainer does not: the next daemon stops it politely, and it loses no step. */
  readonly diesWithParent?: boolean;
  /** Further limits, as prlimit takes them. */
  readonly limits?: readonly string[];
}

const SYSTEM = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib64"],
  ...["/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"],
];
/** What libraries read of the machine: processors, memory banks, and which AMD cards there are. */
const MACHINE = ["/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/class/kfd"];
const AMD_TOPOLOGY = "/sys/devices/virtual/kfd";
/** What tells of the machine's disks and boot, or of the daemon's keys. */
const HIDDEN = ["cmdline", "diskstats", "interrupts", "keys", "partitions", "timer_list"];
/** Graphics cards, where there are any: on the machine that the command runs on, which may be a cluster's. */
const DEVICES = [
  ...["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps"],
  ...Array.from({ length: 16 }, (_, number) => `nvidia${number}`),
  ...["kfd", "dri"],
];
/** Bytes of each of /tmp and /dev/shm, which are in memory. */
export const SCRATCH_BYTES = 2 ** 30;
/** Processes and threads of a sandbox. */
const MAX_PROCESSES = 4_096;
/** Where memory runs out, the kernel ends a training before the daemon. */
const OUT_OF_MEMORY_SCORE = 500;
/** The user in the sandbox: nobody. */
const USER = "65534";
/** The shell only opens a file, and never reads what a path is called. */
const WITH_FILTER = ["sh", "-c", 'exec "$@" 3<"$0"'];

/** Whether bubblewrap is there and the kernel lets it do its work. */
export function hasSandbox(): boolean {
  return works(["--unshare-all"]);
}

export const SANDBOX_HINT =
  "Install it (Debian: apt-get install bubblewrap). SANDBOX=off trains without one: then a dataset or a model made to " +
  "do harm has the daemon's rights.";

/** @throws ProviderError where there is none: other people's data is not touched without one. */
export function requireSandbox(sandbox: Sandbox): void {
  const confinement = { ...sandbox, readable: [], writable: [], workingDirectory: "/" };
  const [command, ...args] = confine(["true"], confinement);
  if (spawnSync(command!, args, { stdio: "ignore" }).status === 0) return;
  throw new ProviderError(
    "Bubblewrap, the sandbox that trainings run in, is missing or not allowed.",
    {
      retryable: false,
      hint: SANDBOX_HINT,
    },
  );
}

/**
 * The command that runs `command` under bubblewrap: no network, no other process, no file but those named, no
 * privileges and no way to get any, few system calls, and nothing to write to but what is named and two folders in
 * memory of SCRATCH_BYTES each. Paths keep their names, so that the command's arguments stay true.
 */
export function confine(command: readonly string[], confinement: Confinement): string[] {
  const { readable, writable, workingDirectory, maxFileBytes, filter } = confinement;
  const { diesWithParent, limits = [] } = confinement;
  return [
    // Bubblewrap itself must outlive a SIGTERM to its process group: the trainer inside saves its state on it.
    ...["env", "--ignore-signal=TERM", ...WITH_FILTER, filter],
    ...["choom", `--adjust=${OUT_OF_MEMORY_SCORE}`, "--"],
    ...["prlimit", `--fsize=${maxFileBytes}`, "--core=0", `--nproc=${MAX_PROCESSES}`, ...limits],
    ...["bwrap", "--seccomp", "3"],
    ...namespaces(),
    ...(diesWithParent ? ["--die-with-parent"] : []),
    ...[...SYSTEM, ...MACHINE].flatMap((path) => ["--ro-bind-try", path, path]),
    ...["--ro-bind-try", AMD_TOPOLOGY, AMD_TOPOLOGY, ...graphicsCards(), ...memoryLimits()],
    ...["--proc", "/proc", ...hidden(), "--dev", "/dev"],
    ...["/tmp", "/dev/shm"].flatMap((path) => ["--size", `${SCRATCH_BYTES}`, "--tmpfs", path]),
    ...["--setenv", "TMPDIR", "/tmp"],
    ...DEVICES.flatMap((name) => ["--dev-bind-try", `/dev/${name}`, `/dev/${name}`]),
    ...writable.flatMap((path) => ["--bind", path, path]),
    ...readable.flatMap((path) => ["--ro-bind", path, path]),
    ...["--remount-ro", "/dev", "--remount-ro", "/"],
    // The kernel ends all other processes of the sandbox with the first: nothing goes on writing after the command.
    ...["--as-pid-1", "--chdir", workingDirectory, "--"],
    ...command,
  ];
}

/**
 * The directories an interpreter is made of: its virtual environment, and the installation that was made from.
 * @param python path of bin/python in either
 */
export function interpreterDirectories(python: string): string[] {
  if (!python.includes("/")) return []; // found on the PATH: a part of the system
  const environment = dirname(dirname(python));
  const home = /^home\s*=\s*(.+)$/m.exec(readIfThere(join(environment, "pyvenv.cfg")))?.[1];
  return home === undefined ? [environment] : [environment, dirname(home.trim())];
}

/**
 * A user and a name of the machine that say nothing, and no namespaces within. Not --new-session: signals to the process
 * group would no longer arrive. What it is for, typing into a terminal, the filter denies.
 */
function namespaces(): string[] {
  const identity = ["--uid", USER, "--gid", USER, "--hostname", "sandbox"];
  const own = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL", ...identity];
  return [...own, ...(canDisableNamespaces() ? ["--disable-userns"] : [])];
}

let disablesNamespaces: boolean | undefined;

/** Older versions of bubblewrap cannot, nor can one that is installed setuid: then the filter alone denies it. */
function canDisableNamespaces(): boolean {
  disablesNamespaces ??= works(["--unshare-all", "--unshare-user", "--disable-userns"]);
  return disablesNamespaces;
}

function works(namespaces: readonly string[]): boolean {
  const args = [...namespaces, "--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc"];
  return spawnSync("bwrap", [...args, "true"], { stdio: "ignore" }).status === 0;
}

/** The places in /sys of this machine's graphics cards, as drivers look for them: by their addresses on the bus. */
function graphicsCards(): string[] {
  const bus = "/sys/bus/pci/devices";
  const isDisplay = (address: string) =>
    readIfThere(join(bus, address, "class")).startsWith("0x03");
  return namesIn(bus)
    .filter(isDisplay)
    .flatMap((address) => {
      const place = realpathSync(join(bus, address));
      return ["--ro-bind-try", place, place, "--symlink", place, join(bus, address)];
    });
}

/** The limits of memory that the daemon itself is under, where the trainer looks for its own. */
function memoryLimits(): string[] {
  const own = /^0::(.*)$/m.exec(readIfThere("/proc/self/cgroup"))?.[1] ?? "/";
  const files = ["memory.max", "memory.current", "memory.stat"];
  const groups = "/sys/fs/cgroup";
  return files.flatMap((name) => ["--ro-bind-try", join(groups, own, name), join(groups, name)]);
}

function hidden(): string[] {
  const paths = HIDDEN.map((name) => `/proc/${name}`).filter((path) => existsSync(path));
  return paths.flatMap((path) => ["--ro-bind", "/dev/null", path]);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
