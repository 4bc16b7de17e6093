import { StateUnusableError } from "../../provider/errors.ts";
import type { Store } from "../../provider/store/Store.ts";
import type { Random } from "./seededRandom.ts";

/** A full disk at a commit undoes it; after a failed fsync the outcome is unknown, and here it is stored. */
export type StoreFault = "disk full" | "failing fsync";

/** Maximum number of writes between two faults. */
const LONGEST_PEACE = 60;
const FAULTS = 4;

/** A store whose writes fail intermittently, each time permanently: the daemon has to end. */
export function failingStore(
  fault: StoreFault,
  random: Random,
  onStrike: () => void,
): (store: Store) => Store {
  let left = FAULTS;
  return (store) => {
    let peace = random.integer(1, LONGEST_PEACE);
    let broken = false;
    const strike = () => {
      broken = true;
      left--;
      onStrike();
      throw unusable(fault);
    };
    return new Proxy(store, {
      get(target, property) {
        const value = Reflect.get(target, property, target);
        if (typeof value !== "function") return value;
        return (...args: never[]) => {
          if (broken) throw unusable(fault);
          const strikes = left > 0 && property === "transaction" && --peace <= 0;
          if (!strikes) return value.apply(target, args);
          if (fault === "disk full") return strike();
          value.apply(target, args);
          return strike();
        };
      },
    });
  };
}

const unusable = (fault: string) =>
  new StateUnusableError(`The state database cannot be written: ${fault}.`, "Try again.", null);
