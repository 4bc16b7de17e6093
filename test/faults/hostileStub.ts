import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";

/**
 * A stub for Python that keeps the trainer's contract and learns nothing; see StubTrainer. It runs in the real sandbox,
 * and for some tasks performs their attack, before or after what the contract requires.
 */
const STUB = `#!/usr/bin/python3
import json, os, sys, time
if "anneal_trainer.count" in sys.argv: print('{"rows": 1, "tokens": 1}')
if "--job-dir" not in sys.argv: sys.exit()
job = sys.argv[-1]
work = job + "/work"
os.chdir(work)
task = json.load(open(job + "/job.json"))["task_id"]
attack = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/attacks/" + task
def tell(event):
    if not os.path.lexists("events.jsonl") or os.path.isfile("events.jsonl") and not os.path.islink("events.jsonl"):
        open("events.jsonl", "a").write(json.dumps(event) + "\\n")
if os.path.exists(attack + ".before"): exec(open(attack + ".before").read())
tell({"seq": 1, "type": "progress", "step": 1, "total": 2})
if os.path.exists(attack + ".tell"): tell(json.load(open(attack + ".tell")))
os.makedirs("out", exist_ok=True)
open("out/model.safetensors", "wb").write(b"\\x07" * 300_000)
open("out/receipt.json", "w").write("{}")
tell({"seq": 3, "type": "done"})
if os.path.exists(attack + ".after"): exec(open(attack + ".after").read())
`;

/** The folder with the stub and the attacks: the sandbox shows all of it. */
export class HostileStub {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = join(folder, "hostile-trainer");
    for (const name of ["bin", "attacks"]) mkdirSync(join(this.#folder, name), { recursive: true });
    if (!existsSync(this.python)) writeFileSync(this.python, STUB, { mode: 0o755 });
  }

  get python(): string {
    return join(this.#folder, "bin/python");
  }

  /** Makes a task's training run execute lines of Python before or after its work. */
  attack(id: TaskId, { before = "", after = "" }: { before?: string; after?: string }): void {
    const path = join(this.#folder, "attacks", formatTaskId(id));
    writeFileSync(`${path}.before`, before);
    writeFileSync(`${path}.after`, after);
  }

  /** Makes a task's training run disclose something that only its user may read. */
  confide(id: TaskId, message: string): void {
    const path = join(this.#folder, "attacks", formatTaskId(id));
    writeFileSync(`${path}.tell`, JSON.stringify({ seq: 2, type: "warning", message }));
  }
}
