/**
 * What was measured, as a table in Markdown.
 *
 * @module
 */
import type { Cell, Result } from "./cell.ts";
import { quantile } from "./delays.ts";
import type { Disturbance } from "./disturbance.ts";

/** From these shares on, a part proves nothing. */
export const DISTURBED: Disturbance = { stolen: 0.02, others: 0.05 };

/** How much longer the people may wait beside a foe. */
const MOST_TIMES = 2;

/** What one address can make the server hold; see "Bounds" in docs/reliability.md. */
const MOST_MIB_AN_ADDRESS = 600;

/** What came of an attack on a server: a result, or why there is none. */
export type Outcome = Result | Error;

/** Whether the host, or other programs, took too much in one of its parts. */
export function isDisturbed(outcome: Outcome): boolean {
  if (outcome instanceof Error) return false;
  return [outcome.alone, outcome.beside].some(({ disturbance }) =>
    disturbance.stolen >= DISTURBED.stolen ||
    disturbance.others >= DISTURBED.others
  );
}

/** The columns, and what each has of a result. */
const COLUMNS: readonly [title: string, of: (result: Result) => string][] = [
  ["p50", ({ beside }) => ms(beside.noticed.deliveries, 0.5)],
  ["p99 alone", ({ alone }) => ms(alone.noticed.deliveries, 0.99)],
  ["p99", ({ beside }) => ms(beside.noticed.deliveries, 0.99)],
  ["times", (result) => timesAlone(result).toFixed(1) + markOf(result)],
  ["SENT p99", ({ beside }) => ms(beside.noticed.answers, 0.99)],
  ["memory, MiB", (result) => {
    const more = memoryMiB(result);
    return more > 0 ? `+${more}` : `${more}`;
  }],
  ["newcomer p50, most", ({ beside: { newcomers: { took } } }) => {
    return `${ms(took, 0.5, 0)}, ${ms(took, 1, 0)}`;
  }],
  ["refused", refusedOf],
  ["log, database, MB", ({ logBytes, databaseBytes }) => {
    return `${megabytes(logBytes)}, ${megabytes(databaseBytes)}`;
  }],
];

/** The first two lines of the table. */
export function heading(): string {
  const titles = ["foe", "over", "from", ...COLUMNS.map(([title]) => title)];
  const all = [...titles, "the foe did"];
  return `${row(all)}\n${row(all.map(() => "---"))}`;
}

/** A line of the table: the first server, and the others in brackets. */
export function line(
  { foe, transport, addresses }: Cell,
  outcomes: readonly Outcome[],
): string {
  const columns: (typeof COLUMNS[number][1])[] = [
    ...COLUMNS.map(([, of]) => of),
    ({ foe: tally }) => didOf(tally, foe.unit),
  ];
  const values = columns.map((of) => {
    const [first, ...others] = outcomes.map((outcome) =>
      outcome instanceof Error ? "failed" : of(outcome)
    );
    return others.length > 0 ? `${first} (${others.join("; ")})` : `${first}`;
  });
  return row([foe.title, transport, `${addresses}`, ...values]);
}

/** What the mark in the table means. */
export function footnote(): string {
  const { stolen, others } = DISTURBED;
  return `† The host took ${stolen * 100} % of the processors or more, or ` +
    `other programs ${others * 100} %: this proves nothing.`;
}

/** In which ways an attack did more than it may; empty if in none. */
export function faultsOf({ addresses }: Cell, outcome: Outcome): string {
  if (outcome instanceof Error) return outcome.message;
  const times = timesAlone(outcome);
  const refused = refusedOf(outcome);
  const memory = memoryMiB(outcome);
  const mostMemory = addresses * MOST_MIB_AN_ADDRESS;
  return [
    ...(times > MOST_TIMES ? [`p99 is ${times.toFixed(1)} times`] : []),
    ...(memory > mostMemory ? [`memory is ${memory} MiB more`] : []),
    ...(/^0\b/.test(refused) ? [] : [`refused: ${refused}`]),
    ...(outcome.neighbour?.startsWith("cannot") ? [outcome.neighbour] : []),
  ].join("; ");
}

/** All about one attack that is not in the table. */
export function details({ alone, beside, foe }: Result): string {
  const parts = [alone, beside].map((part) => {
    const { deliveries, answers } = part.noticed;
    return `${deliveries.length} deliveries, p50 ${ms(deliveries, 0.5)} p99 ${
      ms(deliveries, 0.99)
    } most ${ms(deliveries, 1)}, SENT p50 ${ms(answers, 0.5)} p99 ${
      ms(answers, 0.99)
    }, ${Math.round(part.peakBytes / 2 ** 20)} MiB, stolen ${
      percent(part.disturbance.stolen)
    }, other programs ${percent(part.disturbance.others)}`;
  });
  const refused = Object.entries(foe.refused)
    .map(([why, count]) => `${count} × ${why}`).join(", ");
  return `  alone:  ${parts[0]}\n  beside: ${parts[1]}\n` +
    `  foe: ${foe.done} of ${foe.tried}; ${refused || "never refused"}`;
}

/** The median of p99 alone, to compare single parts with. */
export function medianAlone(outcomes: readonly Outcome[]): number {
  const results = outcomes.filter((one): one is Result =>
    !(one instanceof Error)
  );
  return quantile(
    results.map(({ alone }) => quantile(alone.noticed.deliveries, 0.99)),
    0.5,
  );
}

/** How much more memory the server had beside the foe than alone, at most. */
function memoryMiB({ alone, beside }: Result): number {
  return Math.round((beside.peakBytes - alone.peakBytes) / 2 ** 20);
}

function timesAlone({ alone, beside }: Result): number {
  return quantile(beside.noticed.deliveries, 0.99) /
    quantile(alone.noticed.deliveries, 0.99);
}

/** What users noticed who should have noticed nothing. */
function refusedOf({ beside, neighbour }: Result): string {
  const { noticed, newcomers, owners } = beside;
  const { lost } = noticed;
  const all = [
    ...counted("people", noticed.refused),
    ...(lost > 0 ? [`${lost} deliveries lost`] : []),
    ...counted("newcomers", newcomers.refused),
    ...counted("owners", owners?.refused ?? []),
  ];
  const note = neighbour === undefined ? "" : `; the neighbour ${neighbour}`;
  return (all.join(", ") || "0") + note;
}

/** `2 newcomers (ERROR 109)`, for each reason. */
function counted(who: string, reasons: readonly string[]): string[] {
  const groups = Map.groupBy(reasons, (reason) => reason);
  return Array.from(
    groups,
    ([reason, all]) => `${all.length} ${who} (${reason})`,
  );
}

function didOf({ tried, done }: Result["foe"], unit: string): string {
  const number = (count: number) => count.toLocaleString("en");
  if (done === 0) return `held off: ${number(tried)} ${unit}`;
  return `${number(done)} of ${number(tried)} ${unit}`;
}

function markOf(result: Result): string {
  return isDisturbed(result) ? " †" : "";
}

function ms(values: number[], share: number, digits = 1): string {
  if (values.length === 0) return "none";
  return quantile(values, share).toFixed(digits);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}

function row(values: readonly string[]): string {
  return `| ${values.join(" | ")} |`;
}
