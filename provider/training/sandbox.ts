import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ProviderError } from "../errors.ts";

/** What a program may see and use while it works on other people's data. */
export interface Confinement {
  /** Directories and files it may read, besides the system's programs and libraries. */
  readonly readable: readonly string[];
  /** Directories it may write to. */
  readonly writable: readonly string[];
  readonly workingDirectory: string;
  /** Bytes that no single file may grow beyond. */
  readonly maxFileBytes: number;
  /** Whether it ends with the daemon. A trainer does not: the next daemon stops it politely, and it loses no step. */
  readonly diesWithParent?: boolean;
}

const SYSTEM = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib64", "/sys"],
  ...["/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"],
];
/** Graphics cards, where there are any: on the machine that the command runs on, which may be a cluster's. */
const DEVICES = [
  ...["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps"],
  ...Array.from({ length: 16 }, (_, number) => `nvidia${number}`),
  ...["kfd", "dri"],
];

/** Whether bubblewrap is there and the kernel lets it do its work. */
export function hasSandbox(): boolean {
  const args = [...namespaces(), "--ro-bind", "/", "/", "true"];
  return spawnSync("bwrap", args, { stdio: "ignore" }).status === 0;
}

export const SANDBOX_HINT =
  "Install it (Debian: apt-get install bubblewrap). SANDBOX=off trains without one: then a dataset or a model made to " +
  "do harm has the daemon's rights.";

/** @throws ProviderError where there is none: other people's data is not touched without one. */
export function demandSandbox(): void {
  if (hasSandbox()) return;
  throw new ProviderError(
    "Bubblewrap, the sandbox that trainings run in, is missing or not allowed.",
    {
      retryable: false,
      hint: SANDBOX_HINT,
    },
  );
}

/**
 * The command that runs `command` under bubblewrap: no network, no other process, no file but those named, a /tmp of
 * its own, no privileges. Paths keep their names, so that the command's arguments stay true.
 */
export function confine(command: readonly string[], confinement: Confinement): string[] {
  const { readable, writable, workingDirectory, maxFileBytes, diesWithParent } = confinement;
  return [
    // Bubblewrap itself must outlive a SIGTERM to its process group: the trainer inside saves its state on it.
    ...["env", "--ignore-signal=TERM"],
    ...["prlimit", `--fsize=${maxFileBytes}`, "--core=0"],
    "bwrap",
    ...namespaces(),
    ...(diesWithParent ? ["--die-with-parent"] : []),
    ...SYSTEM.flatMap((path) => ["--ro-bind-try", path, path]),
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
    ...DEVICES.flatMap((name) => ["--dev-bind-try", `/dev/${name}`, `/dev/${name}`]),
    ...writable.flatMap((path) => ["--bind", path, path]),
    ...readable.flatMap((path) => ["--ro-bind", path, path]),
    ...["--chdir", workingDirectory, "--"],
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

function namespaces(): string[] {
  return ["--unshare-all", "--cap-drop", "ALL"];
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
