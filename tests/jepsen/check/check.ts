/**
 * The checker: whether a history keeps every promise, and if not, why in the
 * fewest words. It is pure: it knows no server, no client and no time but those
 * in the history.
 *
 * @module
 */
import type { History, Violation } from "./history.ts";
import { checkReceived } from "./received.ts";
import { checkStanding } from "./standing.ts";
import { checkStored } from "./stored.ts";

/** Limit of the lines of a story that are told. */
const MAX_STORY = 30;

/** Every way in which `history` breaks a promise; empty if it keeps all. */
export function check(history: History): Violation[] {
  const troubles = history.troubles.map(({ at, who, what }): Violation => ({
    rule: "servers and clients go on",
    what: `${who}: ${what}`,
    story: [[at, what]],
  }));
  return [
    ...troubles,
    ...checkStored(history),
    ...checkReceived(history),
    ...checkStanding(history),
  ];
}

/** For each rule that is broken, how often, and its shortest explanation. */
export function explain(
  violations: readonly Violation[],
  history: History,
): string {
  const rules = Map.groupBy(violations, ({ rule }) => rule);
  return Array.from(rules, ([rule, broken]) => {
    const shortest = broken.reduce((best, one) =>
      one.story.length < best.story.length ? one : best
    );
    return [
      `Broken: ${rule} (${broken.length} times)`,
      `  ${shortest.what}`,
      ...storyLines(shortest, history),
    ].join("\n");
  }).join("\n\n");
}

/** The story of a violation, with the faults before and during it. */
function storyLines({ story }: Violation, { faults }: History): string[] {
  if (story.length === 0) return [];
  const times = story.map(([at]) => at);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const before = faults.filter(({ at }) => at < from).slice(-2);
  const during = faults.filter(({ at }) => from <= at && at <= to);
  const told = [...before, ...during]
    .map(({ at, what }): [number, string] => [at, `* ${what}`]);
  return [...story, ...told]
    .toSorted(([a], [b]) => a - b)
    .slice(0, MAX_STORY)
    .map(([at, text]) => `  ${(at / 1_000).toFixed(3).padStart(8)} s  ${text}`);
}
