/**
 * The results as a person reads them: tables of text, and a plot.
 *
 * @module
 */
import type { Metric } from "./cases.ts";
import {
  type CaseResult,
  compareRows,
  judge,
  type Results,
  type Row,
  type Spread,
  spreadOf,
} from "./results.ts";

/** One table for each case, the ratios, then the goals. */
export function toText(results: Results): string {
  const facts = Object.entries({ ...results.machine, ...results.settings })
    .map(([name, value]) => `${name}: ${value}`);
  return [
    facts.join("; "),
    ...results.cases.map(toTable),
    ...toRatios(results),
    "",
    ...results.cases.flatMap(findLimits),
    ...results.notes.map((note) => `Note: ${note}`),
    "",
    ...judge(results).map(({ met, text }) => {
      return `${met === undefined ? "----" : met ? "pass" : "FAIL"}  ${text}`;
    }),
    "",
  ].join("\n");
}

/** Deliveries a second of every server by the number of receivers, as SVG. */
export function toSvg(results: Results): string {
  const panels = results.cases.filter(({ id }) => id.startsWith("receivers-"));
  const drawn = panels.map((panel, i) => drawPanel(panel, i * PANEL_WIDTH));
  const rows = Math.max(0, ...panels.map((panel) => panel.rows.length));
  const height = PANEL_TOP + rows * ROW_HEIGHT + 34;
  const width = Math.max(1, panels.length) * PANEL_WIDTH;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<title>Millions of deliveries a second, by number of receivers</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${drawn.join("\n")}
<text x="12" y="${
      height - 12
    }" fill="#666666">Millions of deliveries a second: ` +
    `median and range of the runs. ${escapeXml(describe(results))}</text>
</svg>
`;
}

function toTable({ title, metrics, rows }: CaseResult): string {
  const lines = [["", ...metrics.map((metric) => UNITS[metric].title)]];
  for (const row of rows) {
    const cells = metrics.map((metric) =>
      toCell(metric, spreadOf(row, metric))
    );
    lines.push([row.peer, ...cells]);
  }
  const text = align(lines, (column) => column === 0);
  const errors = rows.flatMap((row) => {
    return row.errors.map((error) => `  ${row.peer} failed: ${error}`);
  });
  return ["", title, ...text, ...errors].join("\n");
}

/** A table for each two servers that are compared. */
function toRatios(results: Results): string[] {
  const all = compareRows(results);
  const titles = all.map(({ peer, other }) => `${peer} / ${other}`);
  return [...new Set(titles)].flatMap((title) => {
    const lines = all.filter((_, i) => titles[i] === title).map((one) => {
      const { median, min, max } = one.ratio;
      return [
        one.id,
        UNITS[one.metric].title,
        median.toFixed(3),
        `(${min.toFixed(3)}-${max.toFixed(3)})`,
        `${one.pairs}`,
      ];
    });
    const head = ["", "", "median", "range", "pairs"];
    return [
      "",
      `${title}, run by run`,
      ...align([head, ...lines], (column) => column < 2),
    ];
  });
}

/** Pads the cells of each column to one width. */
function align(
  lines: readonly string[][],
  isLeft: (column: number) => boolean,
): string[] {
  const widths = lines[0]!.map((_, column) => {
    return Math.max(...lines.map((line) => line[column]!.length));
  });
  return lines.map((line) => {
    return line.map((cell, i) => {
      return isLeft(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!);
    }).join("  ");
  });
}

/** Cases in which the generator was the limit, and the server could do more. */
function findLimits({ id, rows }: CaseResult): string[] {
  return rows.flatMap((row) => {
    const share = spreadOf(row, "loadShare")?.median ?? 0;
    if (share < BUSY_SHARE) return [];
    const percent = (share * 100).toFixed(0);
    return [
      `Note: ${id}: ${row.peer} kept the generator busy at ${percent} %, which ` +
      "may be the limit that is seen",
    ];
  });
}

function toCell(metric: Metric, spread: Spread | undefined): string {
  if (!spread) return "-";
  const { digits } = UNITS[metric];
  const [median, min, max] = [spread.median, spread.min, spread.max]
    .map((value) => value.toFixed(digits));
  return min === max ? `${median}` : `${median} (${min}-${max})`;
}

function drawPanel({ title, rows }: CaseResult, left: number): string {
  const spreads = rows.map((row) => spreadOf(row, "deliveriesMPerS"));
  const longest = Math.max(1e-9, ...spreads.map((spread) => spread?.max ?? 0));
  const toX = (value: number) =>
    left + LABEL_WIDTH + value / longest * BAR_WIDTH;
  const bars = rows.map((row, i) => {
    const spread = spreads[i];
    return spread
      ? drawBar(row, spread, { y: PANEL_TOP + i * ROW_HEIGHT, toX })
      : "";
  });
  const receivers = title.replace(/^One sender, | receivers.*$/g, "");
  return `<text x="${left + 12}" y="24" font-size="14" font-weight="bold">` +
    `${escapeXml(receivers)} receivers</text>\n${bars.join("\n")}`;
}

function drawBar(
  { peer }: Row,
  { median, min, max }: Spread,
  { y, toX }: { y: number; toX: (value: number) => number },
): string {
  const middle = y + ROW_HEIGHT / 2;
  const [from, to] = [toX(0), toX(median)].map((x) => x.toFixed(1));
  const fill = COLORS.find(([start]) => peer.startsWith(start))?.[1] ??
    "#8aa1b8";
  return [
    `<text x="${toX(0) - 6}" y="${middle + 4}" text-anchor="end">` +
    `${escapeXml(peer)}</text>`,
    `<rect x="${from}" y="${y + 3}" width="${
      (Number(to) - Number(from)).toFixed(1)
    }" ` +
    `height="${ROW_HEIGHT - 6}" fill="${fill}"/>`,
    `<path d="M${toX(min).toFixed(1)} ${middle}H${toX(max).toFixed(1)}" ` +
    `stroke="#333333"/>`,
    `<text x="${(toX(max) + 5).toFixed(1)}" y="${middle + 4}">` +
    `${median.toFixed(1)}</text>`,
  ].join("\n");
}

function describe({ machine }: Results): string {
  return `${machine["cores"]} cores, ${
    machine["processor"]
  }, one machine, loopback.`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** A generator that is busier than this may be the limit that is measured. */
const BUSY_SHARE = 0.9;

const PANEL_WIDTH = 330;
const PANEL_TOP = 36;
const LABEL_WIDTH = 96;
const BAR_WIDTH = 180;
const ROW_HEIGHT = 24;
const COLORS: [start: string, fill: string][] = [
  ["parley", "#d9480f"],
  ["relay", "#c9ccd1"],
];

const UNITS: Record<Metric, { title: string; digits: number }> = {
  deliveriesMPerS: { title: "M deliveries/s", digits: 2 },
  cpuSPerMillion: { title: "server CPU s/M", digits: 3 },
  besideCpuSPerMillion: { title: "NATS's CPU s/M", digits: 3 },
  acceptedKPerS: { title: "1,000 messages/s", digits: 1 },
  loadShare: { title: "generator CPU", digits: 2 },
  p50Us: { title: "p50 us", digits: 0 },
  p99Us: { title: "p99 us", digits: 0 },
  p999Us: { title: "p99.9 us", digits: 0 },
  memoryMb: { title: "server MB", digits: 1 },
  kbPerConnection: { title: "KB/connection", digits: 1 },
  readyMs: { title: "ms until all ready", digits: 0 },
  readyConnections: { title: "ready", digits: 0 },
  joinedMs: { title: "ms until all joined", digits: 0 },
  synDrops: { title: "SYNs dropped", digits: 0 },
  cpuMs: { title: "server CPU ms", digits: 0 },
  listeningMs: { title: "ms to listening", digits: 1 },
  movedMs: { title: "ms: its own clients", digits: 0 },
  stayedMs: { title: "other clients", digits: 0 },
  leaderMs: { title: "NATS's leader: all", digits: 0 },
  answerMs: { title: "ms to first answer", digits: 1 },
};
