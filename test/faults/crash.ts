import { attempt } from "./attempt.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { type Blow, Fuse } from "./Fuse.ts";
import type { Programme, RunResult } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { ENDINGS, type Ending, SimulatedUser } from "./SimulatedUser.ts";

/**
 * The crash matrix: for every way in which a task may end, the daemon dies once at every point of its work (before and
 * after each commit, before, during and after each step and each broadcast), and at every third one again at the same
 * point after a restart.
 */
export const crash: Programme = async function* (market, { short, takes }) {
  for (const ending of short ? (["finalize"] as const) : ENDINGS) {
    const { result, points } = await discover(market, ending);
    if (takes(result.name)) yield result;
    const chosen = short ? points.filter((_, index) => index % 7 === 0) : points;
    for (const [index, point] of chosen.entries()) {
      const name = `crash/${ending}/${point}`;
      if (takes(name)) yield await dieAt(market, name, ending, point, index % 3 === 2);
    }
  }
};

/** A run without a crash determines the points. */
async function discover(
  market: FaultFixture,
  ending: Ending,
): Promise<{ result: RunResult; points: readonly string[] }> {
  const fuse = new Fuse();
  const result = await attempt(market, `crash/${ending}/nowhere`, async ({ directory, state }) => {
    const user = new SimulatedUser(market, directory, 2, ending);
    await runUsers({ market, options: { directory: state, fuse }, users: [user] });
    return { users: [user], strikes: 0 };
  });
  return { result, points: [...new Set(fuse.passed)] };
}

function dieAt(
  market: FaultFixture,
  name: string,
  ending: Ending,
  point: string,
  again: boolean,
): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const user = new SimulatedUser(market, directory, 2, ending);
    const blow: Blow = { point, pass: 1 };
    const fuses = [new Fuse(blow), ...(again ? [new Fuse(blow)] : [])];
    const [fuse, ...others] = fuses;
    const nextFuse = () => others.shift();
    await runUsers({
      market,
      options: { directory: state, fuse: fuse! },
      users: [user],
      nextFuse,
    });
    return { users: [user], strikes: fuses.filter(({ isDead }) => isDead).length };
  });
}
