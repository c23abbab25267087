/**
 * The measurements of one run: medians, spreads, and whether Parley reaches its
 * goals. Pure: values in, values out.
 *
 * @module
 */
import type { Metric, Sample } from "./cases.ts";

/** Everything that one run of the bench measured, as it is written as JSON. */
export interface Results {
  readonly startedAt: string;
  readonly machine: Record<string, string | number>;
  readonly settings: Record<string, string | number | boolean>;
  readonly notes: string[];
  readonly cases: CaseResult[];
}

export interface CaseResult {
  readonly id: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly rows: Row[];
}

/** One server in one case: every run's numbers, and what went wrong. */
export interface Row {
  readonly peer: string;
  readonly samples: Sample[];
  readonly errors: string[];
}

/** The middle one, and the range that all runs fell into. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A goal and what was measured; `met` is absent if it was not. */
export interface Verdict {
  readonly text: string;
  readonly met?: boolean;
}

export function spreadOf(row: Row, metric: Metric): Spread | undefined {
  return toSpread(
    row.samples.map((sample) => sample[metric])
      .filter((value) => value !== undefined),
  );
}

function toSpread(unsorted: readonly number[]): Spread | undefined {
  const values = unsorted.toSorted((a, b) => a - b);
  const [min] = values;
  const max = values.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const half = values.length >> 1;
  const upper = values[half] ?? max;
  const lower = values[values.length - 1 - half] ?? min;
  return { median: (lower + upper) / 2, min, max };
}

/** How two servers compare in one number of one case. */
export interface Comparison {
  readonly id: string;
  readonly peer: string;
  /** What it is compared with: `peer` of a commit, or one server with several. */
  readonly other: string;
  readonly metric: Metric;
  /** The number of `peer` divided by that of `other`, run by run. */
  readonly ratio: Spread;
  readonly pairs: number;
}

/**
 * Compares every server with the same one of a commit (`NAME@COMMIT`), and several
 * servers with one chat with one server that has a file. Runs with the same number stood next to each other in time, so each pair gives a ratio:
 * what the machine did meanwhile weighs on both sides of it. CPU comes first.
 */
export function compareRows({ cases }: Results): Comparison[] {
  return cases.flatMap(({ id, metrics, rows }) => {
    return rows.flatMap((row) => {
      const others = rows.filter(({ peer }) =>
        peer.startsWith(`${row.peer}@`) ||
        row.peer === SEVERAL && peer === ALONE
      );
      const compared = COMPARED.filter((metric) => metrics.includes(metric));
      return others.flatMap((other) => {
        return compared.flatMap((metric): Comparison[] => {
          const ratios = ratiosOf(row, other, metric);
          const ratio = toSpread(ratios);
          const [peer, pairs] = [row.peer, ratios.length];
          return ratio
            ? [{ id, peer, other: other.peer, metric, ratio, pairs }]
            : [];
        });
      });
    });
  });
}

/** Several servers with one chat, and one server that stores as much. */
const SEVERAL = "parley-cluster";
const ALONE = "parley-stored";

/** What is worth a ratio, in the order of the report. */
const COMPARED: readonly Metric[] = [
  "cpuSPerMillion",
  "cpuMs",
  "acceptedKPerS",
  "deliveriesMPerS",
  "listeningMs",
  "answerMs",
  "readyMs",
  "joinedMs",
  "p50Us",
  "p99Us",
  "memoryMb",
  "kbPerConnection",
];

function ratiosOf(row: Row, other: Row, metric: Metric): number[] {
  return row.samples.flatMap((sample, run) => {
    const [ours, theirs] = [sample[metric], other.samples[run]?.[metric]];
    return ours !== undefined && theirs ? [ours / theirs] : [];
  });
}

/** Compares the medians with what issues 3 and 18 ask for. */
export function judge(results: Results): Verdict[] {
  return GOALS.flatMap((goal) => {
    const found = results.cases.find(({ id }) => id === goal.id);
    return found ? [goal.judge(found)] : [];
  });
}

/** The other servers, for "the best peer". */
const SERVERS = ["nats-server", "ngircd", "inspircd"];

const GOALS: { id: string; judge(found: CaseResult): Verdict }[] = [
  ...(["receivers-100", "receivers-1000"].flatMap((id) => [
    { id, judge: atLeast("nats-server", 4) },
    { id, judge: atLeast("relay (C)", 0.5) },
  ])),
  { id: "receivers-10", judge: atLeast("nats-server", 2) },
  { id: "steady", judge: noWorse("cpuSPerMillion", "CPU for a delivery", 1) },
  { id: "steady", judge: noWorse("p99Us", "p99", 1) },
  { id: "rooms", judge: atLeast("best", 1) },
  { id: "rooms", judge: noWorse("cpuSPerMillion", "CPU for a delivery", 1) },
  { id: "idle", judge: atMost("kbPerConnection", "KB a connection", 10) },
  { id: "arrive", judge: noWorse("readyMs", "time", 2) },
  { id: "arrive", judge: atMost("synDrops", "SYNs dropped", 0) },
  { id: "start", judge: startsLikeNothing },
  { id: "cluster-steady", judge: costsAtMost(1.25) },
  { id: "cluster-steady", judge: atMost("p50Us", "us p50", 3_000, SEVERAL) },
  { id: "cluster-steady", judge: atMost("p99Us", "us p99", 15_000, SEVERAL) },
  { id: "cluster-batches-100", judge: costsAtMost(1.25) },
  ...["cluster-batches-100", "cluster-batches-12"].map((id) => {
    return { id, judge: acceptsAtLeast(100) };
  }),
  {
    id: "cluster-failover",
    judge: atMost("movedMs", "ms until clients have moved", 2_000, SEVERAL),
  },
  {
    id: "cluster-failover",
    judge: atMost("leaderMs", "ms until NATS has a leader", 9_000, SEVERAL),
  },
];

/** Deliveries a second as a multiple of another's, or of the best server's. */
function atLeast(other: string, wanted: number) {
  return (found: CaseResult): Verdict => {
    const ours = medianOf(found, "parley", "deliveriesMPerS");
    const names = other === "best" ? SERVERS : [other];
    const best = bestOf(found, "deliveriesMPerS", names, Math.max);
    if (!ours || !best) return missing(found, `${wanted}x ${other}`);
    const ratio = ours / best.value;
    return {
      text: `${found.id}: parley delivers ${ratio.toFixed(2)}x ${best.name} ` +
        `(wanted ${wanted}x)`,
      met: ratio >= wanted,
    };
  };
}

/** At most `times` the lowest of the servers. */
function noWorse(metric: Metric, what: string, times: number) {
  return (found: CaseResult): Verdict => {
    const ours = medianOf(found, "parley", metric);
    const best = bestOf(found, metric, SERVERS, Math.min);
    if (ours === undefined || !best) {
      return missing(found, `${what} of the best peer`);
    }
    const ratio = ours / best.value;
    return {
      text:
        `${found.id}: parley's ${what} is ${
          ratio.toFixed(2)
        }x ${best.name}'s ` +
        `(wanted at most ${times}x)`,
      met: ratio <= times,
    };
  };
}

/** Several servers, beside one. */
function costsAtMost(times: number) {
  return (found: CaseResult): Verdict => {
    const several = found.rows.find(({ peer }) => peer === SEVERAL);
    const alone = found.rows.find(({ peer }) => peer === ALONE);
    const ratio = several && alone &&
      toSpread(ratiosOf(several, alone, "cpuSPerMillion"));
    if (!ratio) return missing(found, ALONE);
    return {
      text: `${found.id}: three servers use ${ratio.median.toFixed(2)}x the ` +
        `CPU of one for a delivery (wanted at most ${times}x)`,
      met: ratio.median <= times,
    };
  };
}

/** Several servers, in thousands a second. */
function acceptsAtLeast(wanted: number) {
  return (found: CaseResult): Verdict => {
    const ours = medianOf(found, SEVERAL, "acceptedKPerS");
    if (ours === undefined) return missing(found, "messages a second");
    return {
      text: `${found.id}: three servers take ${ours.toFixed(0)},000 messages ` +
        `a second (wanted ${wanted},000)`,
      met: ours >= wanted,
    };
  };
}

function atMost(
  metric: Metric,
  what: string,
  wanted: number,
  peer = "parley",
) {
  return (found: CaseResult): Verdict => {
    const ours = medianOf(found, peer, metric);
    if (ours === undefined) return missing(found, what);
    return {
      text: `${found.id}: ${peer} has ${ours.toFixed(1)} ${what} ` +
        `(wanted at most ${wanted})`,
      met: ours <= wanted,
    };
  };
}

function startsLikeNothing(found: CaseResult): Verdict {
  const ours = medianOf(found, "parley", "listeningMs");
  const empty = medianOf(found, "empty script (Deno)", "listeningMs");
  if (!ours || !empty) return missing(found, "an empty script");
  return {
    text:
      `start: parley listens after ${(ours / empty).toFixed(2)}x the time of ` +
      "an empty script (wanted at most 1.5x)",
    met: ours / empty <= 1.5,
  };
}

function missing(found: CaseResult, what: string): Verdict {
  return {
    text: `${found.id}: not compared with ${what}: a number is missing`,
  };
}

function medianOf(found: CaseResult, peer: string, metric: Metric) {
  const row = found.rows.find((row) => row.peer === peer);
  return row && spreadOf(row, metric)?.median;
}

function bestOf(
  found: CaseResult,
  metric: Metric,
  names: readonly string[],
  choose: (...values: number[]) => number,
): { name: string; value: number } | undefined {
  const all = names.flatMap((name) => {
    const value = medianOf(found, name, metric);
    return value === undefined ? [] : [{ name, value }];
  });
  const value = choose(...all.map((one) => one.value));
  return all.find((one) => one.value === value);
}
