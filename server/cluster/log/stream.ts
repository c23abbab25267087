/**
 * The stream that is the log: makes it, checks its settings, and tells how far it
 * goes. What is in it is read by reader.ts.
 *
 * A setting that is wrong loses messages some day, so that all are checked at the
 * start, and a server refuses a stream that is another one. The bounds alone may
 * differ: log_bounds.ts sets them.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import type {
  JetStreamManager,
  StreamConfig,
  StreamInfo,
} from "@nats-io/jetstream";
import { sizeText } from "../../journal/retention.ts";
import { StartError } from "../../journal/start_error.ts";
import type { Subjects } from "../names.ts";

/** A stream on fewer servers loses messages when one of them fails. */
const REPLICAS = 3;

/** In which NATS refuses an entry that it has, in nanoseconds: two minutes. */
const DUPLICATES_NS = 120_000_000_000;

/** JetStream's codes: there is no such stream; there is another of that name. */
const NOT_FOUND = 10_059;
const OTHER_SETTINGS = 10_058;
const NOT_CLUSTERED = 10_074;
const TOO_FEW = new Set([10_005, 10_023]); // servers, or none that has room
const NOT_FOR_ACCOUNT = 10_039;
const NO_ROOM = 10_047;

/** What is older, or more, is deleted from the log; Infinity: nothing is. */
export interface Bounds {
  readonly ageMs: number;
  /** On each server of NATS, with what NATS itself stores beside the entries. */
  readonly bytes: number;
}

const RETRY_MS = 200;

/** So long a start waits for NATS to be as it must be, in milliseconds. */
const PATIENCE_MS = 20_000;

/** How far the stream goes, and which one it is. */
export interface StreamEnds {
  /** A random word of the stream: one that was made anew has another. */
  readonly mark: string;
  /** The sequence of the oldest entry; of the next if there are none. */
  readonly first: number;
  /** The sequence of the newest entry; 0 before the first one. */
  readonly last: number;
  readonly bounds: Bounds;
  /** The server of NATS that decides; undefined while there is none. */
  readonly leader: string | undefined;
  /** The other servers of NATS that store it, and whether each has all of it. */
  readonly replicas: ReadonlyMap<string, boolean>;
}

/** What a stream of a cluster is. */
function settings(subjects: Subjects, mark: string): Partial<StreamConfig> {
  return {
    name: subjects.stream,
    subjects: [`${subjects.log}>`],
    num_replicas: REPLICAS,
    storage: "file",
    retention: "limits",
    discard: "old",
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
    duplicate_window: DUPLICATES_NS,
    republish: { src: `${subjects.log}>`, dest: `${subjects.stored}>` },
    metadata: { parley: mark },
  };
}

/** Which settings {@linkcode setBounds} sets. */
function bounding({ ageMs, bytes }: Bounds): Partial<StreamConfig> {
  return {
    discard: "old",
    max_age: ageMs === Infinity ? 0 : ageMs * NS_PER_MS,
    max_bytes: bytes === Infinity ? -1 : bytes,
  };
}

const NS_PER_MS = 1_000_000;

/** Settings that may not be there, as NATS shows them then. */
const ABSENT: Readonly<Record<string, unknown>> = {
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  no_ack: false,
  sealed: false,
  allow_rollup_hdrs: false,
  allow_msg_ttl: false,
  allow_msg_counter: false,
  allow_msg_schedules: false,
  persist_mode: undefined,
  mirror: undefined,
  sources: undefined,
  subject_transform: undefined,
};

/** Which stream is made, if there is none. */
export interface NewStream {
  /** See {@linkcode StreamEnds}. */
  readonly mark: string;
  /** The sequence of its first entry. */
  readonly first: number;
  /** Whether there must be none yet. */
  readonly isNeeded: boolean;
  readonly bounds: Bounds;
}

/**
 * Finds the stream and checks it. If there is none, `make` is made.
 *
 * Waits until NATS has a leader, as long as that takes.
 *
 * @throws {StartError} If its settings are others, if there is none and none may
 * be made, if NATS has no JetStream for this server, or for 20 seconds too few
 * servers.
 */
export async function openStream(
  jsm: JetStreamManager,
  subjects: Subjects,
  { make, log, signal = new AbortController().signal }: {
    make: NewStream | undefined;
    /** Gets a line for the operator. */
    log: (line: string) => void;
    signal?: AbortSignal | undefined;
  },
): Promise<StreamEnds> {
  const end = performance.now() + PATIENCE_MS;
  const told = new Set<string>();
  for (;;) {
    signal.throwIfAborted();
    let line = "Waiting for most servers of NATS: JetStream has no leader";
    try {
      return await abortable(findOrMake(jsm, subjects, make), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StartError) throw error;
      if (isNoRoom(error)) throw new StartError(noRoom(subjects, make?.bounds));
      const lack = lackOf(error as Error, subjects);
      if (lack) {
        const waits = TOO_FEW.has(codeOf(error)) && performance.now() < end;
        if (!waits) throw new StartError(lack);
        line = `Waiting for all servers of NATS. ${lack}`;
      }
    }
    if (!told.has(line)) log(line);
    told.add(line);
    await abortable(sleep(RETRY_MS), signal);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What NATS lacks; undefined if it just does not answer. */
function lackOf(error: Error, { stream }: Subjects): string | undefined {
  const code = codeOf(error.cause ?? error);
  if (code === NOT_FOR_ACCOUNT) {
    return "Cannot use JetStream: the account of this server's user has none";
  }
  if (code !== NOT_CLUSTERED && !TOO_FEW.has(code)) return undefined;
  return `Cannot make the stream ${stream}: NATS has not ${REPLICAS} servers ` +
    `with JetStream that work together (${error.message})`;
}

async function findOrMake(
  jsm: JetStreamManager,
  subjects: Subjects,
  make: NewStream | undefined,
): Promise<StreamEnds> {
  try {
    const found = checked(await jsm.streams.info(subjects.stream), subjects);
    if (!make?.isNeeded) return found;
    throw new StartError(
      `Cannot make the stream ${subjects.stream}: it is there. Start without ` +
        "--renew-log, or delete the stream first; see docs/cluster.md",
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  if (!make) {
    throw new StartError(
      `Cannot find the stream ${subjects.stream}, whose entries this server ` +
        "has: check --cluster and the addresses of --nats; " +
        "if the stream is lost, see docs/cluster.md",
    );
  }
  const { mark, first, bounds } = make;
  try {
    const made = {
      ...{ ...settings(subjects, mark), ...bounding(bounds) },
      first_seq: first,
    };
    // The other settings are those that NATS takes by itself.
    return checked(await jsm.streams.add(made as StreamConfig), subjects);
  } catch (error) {
    if (codeOf(error) !== OTHER_SETTINGS) throw error;
    // Another server made it at the same time, with its own mark and bounds.
    return checked(await jsm.streams.info(subjects.stream), subjects);
  }
}

/** @throws {StartError} If a setting is another one. */
function checked(info: StreamInfo, subjects: Subjects): StreamEnds {
  const found = info.config as unknown as Record<string, unknown>;
  const wanted = settings(subjects, markOf(info));
  const wrong = Object.entries({ ...ABSENT, ...wanted })
    .filter(([name, value]) => !isAsWanted(name, found[name], value))
    // Without a limit, none is discarded.
    .filter(([name]) => name !== "discard" || Number(found["max_bytes"]) >= 0)
    .map(([name, value]) =>
      `${name} is ${JSON.stringify(found[name])} and must be ${
        name === "metadata" ? "a parley word" : JSON.stringify(value)
      }`
    );
  if (wrong.length > 0) {
    throw new StartError(
      `Cannot use the stream ${subjects.stream}: ${wrong.join("; ")}`,
    );
  }
  return endsOf(info);
}

function isAsWanted(name: string, found: unknown, wanted: unknown): boolean {
  if (name === "num_replicas") return Number(found) >= Number(wanted);
  if (name === "metadata") return markIn(found) !== "";
  if (name === "republish") {
    const { src, dest, headers_only = false } = found as Record<
      string,
      unknown
    >;
    const { src: from, dest: to } = wanted as Record<string, unknown>;
    return src === from && dest === to && headers_only === false;
  }
  const absent = ABSENT[name];
  if (name in ABSENT) return found === undefined || found === absent;
  return JSON.stringify(found) === JSON.stringify(wanted);
}

function markIn(metadata: unknown): string {
  return (metadata as Record<string, string> | undefined)?.["parley"] ?? "";
}

function markOf({ config }: StreamInfo): string {
  return markIn(config.metadata);
}

/**
 * Bounds the log anew. All else stays as it is, also the first sequence, which NATS
 * would change without a word.
 *
 * @throws {StartError} If NATS has no room for it.
 */
export async function setBounds(
  jsm: JetStreamManager,
  subjects: Subjects,
  bounds: Bounds,
): Promise<void> {
  try {
    // The client sends all the settings that it finds, and these.
    await jsm.streams.update(subjects.stream, bounding(bounds));
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    throw new StartError(noRoom(subjects, bounds));
  }
}

/** The names of the servers that have appended to the log, as far as it reaches. */
export async function writersOf(
  jsm: JetStreamManager,
  subjects: Subjects,
): Promise<readonly string[]> {
  const options = { subjects_filter: `${subjects.log}>` };
  const { state } = await jsm.streams.info(subjects.stream, options);
  return Object.keys(state.subjects ?? {})
    .map((subject) => subject.slice(subjects.log.length));
}

/** Whether NATS has too little room for a stream of that size. */
function isNoRoom(error: unknown): boolean {
  return codeOf(error) === NO_ROOM ||
    /insufficient storage/.test((error as Error).message);
}

function noRoom({ stream }: Subjects, bounds: Bounds | undefined): string {
  return `Cannot store ${sizeText(bounds?.bytes ?? Infinity)} in the stream ` +
    `${stream}: NATS has not so much room on ${REPLICAS} servers. Raise ` +
    "max_file in its configuration, or give all servers a smaller --keep-bytes";
}

/** Whether an error of JetStream says that there is no such stream. */
export function isNotFound(error: unknown): boolean {
  return codeOf(error) === NOT_FOUND;
}

function codeOf(error: unknown): number {
  return Number((error as { code?: unknown }).code);
}

/** How far the stream goes now. */
export async function streamEnds(
  jsm: JetStreamManager,
  subjects: Subjects,
): Promise<StreamEnds> {
  return endsOf(await jsm.streams.info(subjects.stream));
}

function endsOf(info: StreamInfo): StreamEnds {
  const { config, state, cluster } = info;
  const { max_age: ageNs, max_bytes: bytes } = config;
  return {
    mark: markOf(info),
    bounds: {
      ageMs: ageNs > 0 ? ageNs / NS_PER_MS : Infinity,
      bytes: bytes >= 0 ? bytes : Infinity,
    },
    first: state.first_seq,
    last: state.last_seq,
    leader: cluster?.leader,
    replicas: new Map(
      cluster?.replicas?.map(({ name, current }) => [name, current]),
    ),
  };
}
