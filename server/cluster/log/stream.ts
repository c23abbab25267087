/**
 * The stream that is the log: makes it, checks its settings, and tells how far it
 * goes. What is in it is read by reader.ts.
 *
 * A setting that is wrong loses messages some day, so that all are checked at the
 * start, and a server refuses a stream that is another one.
 *
 * @module
 */
import type {
  JetStreamManager,
  StreamConfig,
  StreamInfo,
} from "@nats-io/jetstream";
import { StartError } from "../../journal/start_error.ts";
import type { Subjects } from "../names.ts";

/** A stream on fewer servers loses messages when one of them fails. */
const REPLICAS = 3;

/** In which NATS refuses an entry that it has, in nanoseconds: two minutes. */
const DUPLICATES_NS = 120_000_000_000;

/** JetStream's codes: there is no such stream; there is another of that name. */
const NOT_FOUND = 10_059;
const OTHER_SETTINGS = 10_058;
const NO_REPLICAS = new Set([10_005, 10_023, 10_074]);

/** How long a step of the start waits for NATS to find a leader. */
const RETRY_MS = 200;
const WAIT_MS = 60_000;

/** How far the stream goes, and which one it is. */
export interface StreamEnds {
  /** A random word of the stream: one that was made anew has another. */
  readonly mark: string;
  /** The sequence of the oldest entry; of the next if there are none. */
  readonly first: number;
  /** The sequence of the newest entry; 0 before the first one. */
  readonly last: number;
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
    discard: "new",
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
    duplicate_window: DUPLICATES_NS,
    republish: { src: `${subjects.log}>`, dest: `${subjects.stored}>` },
    metadata: { parley: mark },
  };
}

/** Settings that may not be there, as NATS shows them then. */
const ABSENT: Readonly<Record<string, unknown>> = {
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
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
}

/**
 * Finds the stream and checks it. If there is none, `make` is made.
 *
 * @throws {StartError} If its settings are others, if there is none and none may
 * be made, or if NATS has too few servers for it, or does not answer for a minute.
 */
export async function openStream(
  jsm: JetStreamManager,
  subjects: Subjects,
  { make, signal }: {
    make: NewStream | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<StreamEnds> {
  let why = "it does not answer";
  for (const end = performance.now() + WAIT_MS; performance.now() < end;) {
    signal?.throwIfAborted();
    try {
      return await findOrMake(jsm, subjects, make);
    } catch (error) {
      if (error instanceof StartError) throw error;
      if (NO_REPLICAS.has(codeOf(error))) {
        throw new StartError(
          `Cannot make the stream ${subjects.stream}: NATS has not ` +
            `${REPLICAS} servers with JetStream that work together ` +
            `(${(error as Error).message})`,
        );
      }
      why = (error as Error).message;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  throw new StartError(
    `Cannot use JetStream: ${why}; check that most servers of NATS run`,
  );
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
  const { mark, first } = make;
  try {
    const made = { ...settings(subjects, mark), first_seq: first };
    // The other settings are those that NATS takes by itself.
    return checked(await jsm.streams.add(made as StreamConfig), subjects);
  } catch (error) {
    if (codeOf(error) !== OTHER_SETTINGS) throw error;
    // Another server made it at the same time, with its own mark.
    return checked(await jsm.streams.info(subjects.stream), subjects);
  }
}

/** @throws {StartError} If a setting is another one. */
function checked(info: StreamInfo, subjects: Subjects): StreamEnds {
  const found = info.config as unknown as Record<string, unknown>;
  const wanted = settings(subjects, markOf(info));
  const wrong = Object.entries({ ...ABSENT, ...wanted })
    .filter(([name, value]) => !isAsWanted(name, found[name], value))
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
  const { state, cluster } = info;
  return {
    mark: markOf(info),
    first: state.first_seq,
    last: state.last_seq,
    leader: cluster?.leader,
    replicas: new Map(
      cluster?.replicas?.map(({ name, current }) => [name, current]),
    ),
  };
}
