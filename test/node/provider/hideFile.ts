import { execFileSync } from "node:child_process";

/** Writes a file below a directory, at a path longer than the limit, but reachable step by step from within. */
export function hideFile(directory: string, bytes: number): void {
  const lines = [
    "import os, sys",
    "os.chdir(sys.argv[1])",
    "for _ in range(25):",
    "  os.mkdir('d' * 200); os.chdir('d' * 200)",
    "open('hidden', 'wb').write(bytes(int(sys.argv[2])))",
  ];
  execFileSync("python3", ["-c", lines.join("\n"), directory, `${bytes}`]);
}
