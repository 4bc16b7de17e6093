import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { ProviderError } from "../errors.ts";

/** Settings common to all sandboxes. */
export interface Sandbox {
  /** Largest size of a single file. */
  readonly maxFileBytes: number;
  /** File with the system call filter, as written by `writeSystemCallFilter`. */
  readonly filter: string;
}

/** What a program that processes untrusted data may see and use. */
export interface Confinement extends Sandbox {
  /** Directories and files that it may read, besides the system's programs and libraries. */
  readonly readable: readonly string[];
  /** Directories that it may write to. */
  readonly writable: readonly string[];
  readonly workingDirectory: string;
  /** Whether it is killed with the daemon. A trainer is not: the next daemon stops it with SIGTERM, losing no step. */
  readonly diesWithParent?: boolean;
  /** Further options of prlimit. */
  readonly limits?: readonly string[];
}

const SYSTEM = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib64"],
  ...["/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"],
];
/** Information about the machine that libraries read: processors, memory nodes, and AMD GPUs. */
const MACHINE = ["/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/class/kfd"];
const AMD_TOPOLOGY = "/sys/devices/virtual/kfd";
/** Files in /proc with information about the machine's disks and boot, or the kernel's keys. */
const HIDDEN = ["cmdline", "diskstats", "interrupts", "keys", "partitions", "timer_list"];
/** GPU devices, if they exist on the machine where the command runs, which may be a node of a cluster. */
const DEVICES = [
  ...["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps"],
  ...Array.from({ length: 16 }, (_, number) => `nvidia${number}`),
  ...["kfd", "dri"],
];
/** Size of /tmp and of /dev/shm, both in memory. */
export const SCRATCH_BYTES = 2 ** 30;
/** Most processes and threads in a sandbox. */
const MAX_PROCESSES = 4_096;
/** OOM score adjustment: if memory runs out, the kernel kills the training run before the daemon. */
const OUT_OF_MEMORY_SCORE = 500;
/** The user in the sandbox, nobody. */
const USER = "65534";
/** Opens the filter as file descriptor 3. The shell never interprets a path. */
const WITH_FILTER = ["sh", "-c", 'exec "$@" 3<"$0"'];

/** Whether bubblewrap is installed and the kernel allows it. */
export function hasSandbox(): boolean {
  return works(["--unshare-all"]);
}

export const SANDBOX_HINT =
  "Install it (Debian: apt-get install bubblewrap). With SANDBOX=off there is no sandbox: then a malicious dataset or " +
  "model has the daemon's rights.";

/** @throws ProviderError if the sandbox does not work: untrusted data is not processed without one. */
export function requireSandbox(sandbox: Sandbox): void {
  const confinement = { ...sandbox, readable: [], writable: [], workingDirectory: "/" };
  const [command, ...args] = confine(["true"], confinement);
  if (spawnSync(command!, args, { stdio: "ignore" }).status === 0) return;
  throw new ProviderError(
    "Bubblewrap, the sandbox for training, is not installed or not allowed.",
    {
      retryable: false,
      hint: SANDBOX_HINT,
    },
  );
}

/**
 * Wraps `command` in bubblewrap: no network, no other processes, only the named files, no privileges and no way to gain
 * any, a restricted set of system calls, and write access only to the named directories and two folders in memory of
 * SCRATCH_BYTES each. Paths are unchanged, so that the command's arguments stay valid.
 */
export function confine(command: readonly string[], confinement: Confinement): string[] {
  const { readable, writable, workingDirectory, maxFileBytes, filter } = confinement;
  const { diesWithParent, limits = [] } = confinement;
  return [
    // Bubblewrap itself must survive a SIGTERM to its process group, on which the trainer inside saves its state.
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
    // As PID 1: when the command ends, the kernel kills all other processes in the sandbox, so nothing keeps writing.
    ...["--as-pid-1", "--chdir", workingDirectory, "--"],
    ...command,
  ];
}

/**
 * The directories of an interpreter: its virtual environment, and the installation that the environment is based on.
 * @param python path of bin/python in either
 */
export function interpreterDirectories(python: string): string[] {
  if (!python.includes("/")) return []; // found on PATH: part of the system
  const environment = dirname(dirname(python));
  const home = /^home\s*=\s*(.+)$/m.exec(readIfThere(join(environment, "pyvenv.cfg")))?.[1];
  return home === undefined ? [environment] : [environment, dirname(home.trim())];
}

/**
 * A neutral user and host name, and no nested namespaces. Without --new-session, since signals to the process group
 * would no longer arrive; the filter prevents what it protects from, injecting input into the terminal.
 */
function namespaces(): string[] {
  const identity = ["--uid", USER, "--gid", USER, "--hostname", "sandbox"];
  const own = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL", ...identity];
  return [...own, ...(canDisableNamespaces() ? ["--disable-userns"] : [])];
}

let disablesNamespaces: boolean | undefined;

/** Older versions of bubblewrap, and setuid installations, cannot: then only the filter denies nested namespaces. */
function canDisableNamespaces(): boolean {
  disablesNamespaces ??= works(["--unshare-all", "--unshare-user", "--disable-userns"]);
  return disablesNamespaces;
}

function works(namespaces: readonly string[]): boolean {
  const args = [...namespaces, "--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc"];
  return spawnSync("bwrap", [...args, "true"], { stdio: "ignore" }).status === 0;
}

/** The directories in /sys of this machine's GPUs, by bus address, as drivers look them up. */
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

/** Shows the daemon's own memory limits at the path where the trainer looks for its limits. */
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
