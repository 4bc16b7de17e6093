import type { Store } from "../../provider/store/Store.ts";
import type { Fuse } from "./Fuse.ts";

/** The subject of a write, for the name of its crash points; null for a method that only reads. */
const WRITES: Partial<Record<keyof Store, (...args: never[]) => string>> = {
  putScannedBlock: () => "",
  putEvent: ({ name }: { name: string }) => `event ${name}`,
  rewindTo: () => "rewind",
  putJob: () => "",
  markStale: () => "",
  clearStale: () => "",
  openEffect: (_: string, step: string) => `open ${step}`,
  endEffects: () => "",
  failEffect: (_: string, step: string) => `fail ${step}`,
  putSigned: (_: number, effect: string) => `sign ${effect.split("/")[1]}`,
  endTransaction: () => "end transaction",
  putDeliverableKey: () => "key",
};

/**
 * A store that passes a point before and after every commit. Dying before a commit undoes the transaction, like a power
 * loss; commits are named by their contents.
 */
export function fusedStore(store: Store, fuse: Fuse): Store {
  let notes: string[] | null = null;

  const commit = <T>(work: () => T): T => {
    if (notes) return work();
    notes = [];
    try {
      const result = store.transaction(() => {
        const value = work();
        fuse.pass(`before commit: ${nameOf(notes!)}`);
        return value;
      });
      fuse.pass(`after commit: ${nameOf(notes)}`);
      return result;
    } finally {
      notes = null;
    }
  };

  return new Proxy(store, {
    get(target, property) {
      const value = Reflect.get(target, property, target);
      if (property === "transaction") return commit;
      if (typeof value !== "function") return value;
      return (...args: never[]) => {
        fuse.check();
        const describe = WRITES[property as keyof Store];
        if (!describe) return value.apply(target, args);
        return commit(() => {
          const note = describe(...args);
          if (note) notes!.push(note);
          return value.apply(target, args);
        });
      };
    },
  });
}

const nameOf = (notes: readonly string[]) => [...new Set(notes)].sort().join(", ") || "bookkeeping";
