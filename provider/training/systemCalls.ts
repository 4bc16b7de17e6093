import { writeFileSync } from "node:fs";

/**
 * The seccomp filter of the sandbox: a classic BPF program that the kernel runs before every system call. It denies
 * what Docker and Flatpak deny to ordinary programs: creating namespaces and mounts, inspecting other processes, and
 * parts of the kernel that are large, rarely needed and often vulnerable. One program covers x86-64 and arm64.
 */

/** Error numbers returned by denied calls. */
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const ALLOW = 0x7fff_0000;
const KILL = 0x8000_0000;
const fail = (errno: number) => 0x0005_0000 | errno;
/** Returns success without doing anything. */
const PRETEND = fail(0);

/** Opcodes. */
const LOAD = 0x20;
const JUMP = 0x05;
const IF_EQUAL = 0x15;
const IF_AT_LEAST = 0x35;
const IF_ANY_BIT = 0x45;
const RETURN = 0x06;

/** Offsets in the kernel's seccomp_data: call number, architecture, and the lower halves of the arguments. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (index: number) => 16 + 8 * index;

/** One instruction: opcode, instructions to skip if the condition is true and if it is false, constant. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, constant: number];

/** Numbers of a system call on x86-64 and on arm64; null if the architecture does not have it. */
type Numbers = readonly [x64: number, arm64: number | null];

const DENIED: Readonly<Record<string, Numbers>> = {
  // Mounts, and other calls that change the resolution of paths.
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_by_handle_at: [304, 265],
  setns: [308, 268],
  // Other processes.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  // Large interfaces that training does not need.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  fanotify_init: [300, 262],
  lookup_dcookie: [212, 18],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  personality: [135, 92],
  modify_ldt: [154, null],
  uselib: [134, null],
  // The machine as a whole.
  acct: [163, 89],
  adjtimex: [159, 171],
  clock_adjtime: [305, 266],
  clock_settime: [227, 112],
  delete_module: [176, 106],
  finit_module: [313, 273],
  init_module: [175, 105],
  ioperm: [173, null],
  iopl: [172, null],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  reboot: [169, 142],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  settimeofday: [164, 170],
  swapoff: [168, 225],
  swapon: [167, 224],
  syslog: [103, 116],
  vhangup: [153, 58],
};

/** Calls that appear to be unsupported by the kernel: programs have fallbacks. */
const UNSUPPORTED: Readonly<Record<string, Numbers>> = {
  // Its flags are in memory, which a filter cannot read: libraries fall back to clone.
  clone3: [435, 435],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
};

/**
 * Calls that return success without an effect, since libraries use them and treat a denial as an error. A process that
 * left its process group would not receive the daemon's signals.
 */
const PRETENDED: Readonly<Record<string, Numbers>> = {
  setpgid: [109, 154],
  setsid: [112, 157],
};
/** PR_SET_PDEATHSIG, likewise: keeps bubblewrap's setting, so that all processes inside end with it. */
const SET_DEATH_SIGNAL = 1;

/** CLONE_NEW* of all namespaces. CLONE_NEWTIME is separate: in clone, its bit belongs to the exit signal. */
const NEW_NAMESPACE = 0x7e02_0000;
const NEW_TIME_NAMESPACE = 0x80;
/** TIOCSTI and TIOCLINUX: ioctl requests that can inject input into the terminal. */
const TERMINAL_INPUT = [0x5412, 0x541c];
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others, such as AF_VSOCK, ignore network namespaces. */
const SOCKET_FAMILIES = [1, 2, 10, 16];

interface Architecture {
  /** AUDIT_ARCH_* */
  readonly id: number;
  /** Index into `Numbers`. */
  readonly index: 0 | 1;
  readonly clone: number;
  readonly unshare: number;
  readonly ioctl: number;
  readonly prctl: number;
  readonly socket: number;
}

const X64: Architecture = {
  id: 0xc000_003e,
  index: 0,
  clone: 56,
  unshare: 272,
  ioctl: 16,
  prctl: 157,
  socket: 41,
};
const ARM64: Architecture = {
  id: 0xc000_00b7,
  index: 1,
  clone: 220,
  unshare: 97,
  ioctl: 29,
  prctl: 167,
  socket: 198,
};
/** On x86-64, numbers from here on belong to the x32 ABI, which is not used. */
const X32_CALLS = 0x4000_0000;

/** The filter in the kernel's format, 8 bytes per instruction. */
export function systemCallFilter(): Buffer {
  return Buffer.concat(
    [
      load(ARCHITECTURE),
      ...onlyFor(X64, [
        load(NUMBER),
        [IF_AT_LEAST, 0, 1, X32_CALLS],
        end(fail(ENOSYS)),
        ...rules(X64),
      ]),
      ...onlyFor(ARM64, [load(NUMBER), ...rules(ARM64)]),
      end(KILL),
    ].map(encode),
  );
}

/** Writes the filter into a file for bubblewrap. */
export function writeSystemCallFilter(path: string): void {
  writeFileSync(path, systemCallFilter(), { mode: 0o600 });
}

/** The rules for a call whose number is loaded. The first match ends the program. */
function rules(architecture: Architecture): Instruction[] {
  const { index, clone, unshare, ioctl, prctl, socket } = architecture;
  const numbers = (calls: Readonly<Record<string, Numbers>>) =>
    Object.values(calls).flatMap((numbers) => numbers[index] ?? []);
  return [
    ...numbers(DENIED).flatMap((number) => onCall(number, [end(fail(EPERM))])),
    ...numbers(UNSUPPORTED).flatMap((number) => onCall(number, [end(fail(ENOSYS))])),
    ...numbers(PRETENDED).flatMap((number) => onCall(number, [end(PRETEND)])),
    ...onCall(prctl, [load(argument(0)), ...onCall(SET_DEATH_SIGNAL, [end(PRETEND)]), end(ALLOW)]),
    ...onCall(clone, denyBits(0, NEW_NAMESPACE)),
    ...onCall(unshare, denyBits(0, NEW_NAMESPACE | NEW_TIME_NAMESPACE)),
    ...onCall(ioctl, [
      load(argument(1)),
      ...TERMINAL_INPUT.flatMap((request) => onCall(request, [end(fail(EPERM))])),
      end(ALLOW),
    ]),
    ...onCall(socket, [
      load(argument(0)),
      ...SOCKET_FAMILIES.flatMap((family) => onCall(family, [end(ALLOW)])),
      end(fail(EAFNOSUPPORT)),
    ]),
    end(ALLOW),
  ];
}

/** Denies the call if an argument has any of the bits, else allows it. */
function denyBits(index: number, bits: number): Instruction[] {
  return [load(argument(index)), [IF_ANY_BIT, 0, 1, bits], end(fail(EPERM)), end(ALLOW)];
}

/** Instructions to run if the loaded value equals `number`. */
function onCall(number: number, body: readonly Instruction[]): Instruction[] {
  return [[IF_EQUAL, 0, body.length, number], ...body];
}

/** Instructions for one architecture, whose body is too long for a conditional jump. */
function onlyFor({ id }: Architecture, body: readonly Instruction[]): Instruction[] {
  return [[IF_EQUAL, 1, 0, id], [JUMP, 0, 0, body.length], ...body];
}

function load(offset: number): Instruction {
  return [LOAD, 0, 0, offset];
}

function end(verdict: number): Instruction {
  return [RETURN, 0, 0, verdict];
}

function encode([code, ifTrue, ifFalse, constant]: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(constant, 4);
  return bytes;
}
