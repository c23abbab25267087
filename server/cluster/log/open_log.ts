/**
 * Opens the log of a cluster for a server: finds the stream or makes it, checks
 * that the database belongs to it, and loads a snapshot of another server where the
 * log does not reach back far enough.
 *
 * @module
 */
import type { Database } from "../../journal/database.ts";
import { IN_MEMORY } from "../../journal/journal.ts";
import { StartError } from "../../journal/start_error.ts";
import { boundsOf } from "./log_bounds.ts";
import { checkName, type Subjects, subjectsOf } from "../names.ts";
import {
  madeAnew,
  ReplicatedLog,
  type ReplicatedLogOptions,
} from "./replicated_log.ts";
import { type NewStream, openStream, type StreamEnds } from "./stream.ts";

/** A server of the same name answers in this time. */
const NAME_ANSWER_MS = 500;

/** Options of {@linkcode openLog}. */
export interface LogOptions extends ReplicatedLogOptions {
  /** The name of the cluster. */
  readonly cluster: string;
  /** Whether the log in NATS is lost, and goes on from the database. */
  readonly renew?: boolean;
}

/**
 * Finds the log, and makes it if there is none. It is read and appended to after
 * {@linkcode ReplicatedLog.start}.
 *
 * @throws {StartError} If it cannot be used, and why.
 */
export async function openLog(
  options: LogOptions,
): Promise<ReplicatedLog> {
  const { nats, database, cluster, server, log, signal } = options;
  checkName("--cluster", cluster);
  checkName("--server-name", server);
  const subjects = subjectsOf(cluster);
  const name = subjects.name + server;
  if (await nats.request(name, new Uint8Array(), NAME_ANSWER_MS)) {
    throw new StartError(
      `Cannot use the name "${server}": another server of the cluster ` +
        `"${cluster}" has it; choose one with --server-name`,
    );
  }
  const known = database.prepare("SELECT * FROM cluster").get();
  if (!known) checkEmpty(database);
  const make = newStream(known, options);
  let ends = await openStream(nats.jsm, subjects, { make, log, signal });
  if (known && known["mark"] !== ends.mark) {
    throw new StartError(madeAnew(subjects));
  }
  for (
    let sequence = Number(known?.["sequence"] ?? 0);
    ends.first > sequence + 1;
    sequence = sequenceOf(database)
  ) {
    await loadSnapshot(options, subjects, { ends, sequence });
    ends = await openStream(nats.jsm, subjects, {
      ...{ make: undefined, log, signal },
    });
  }
  await removeLeft(options);
  await begin(database, ends);
  return new ReplicatedLog(options, subjects, ends);
}

/** Which stream may be made for a database. */
function newStream(
  known: Record<string, unknown> | undefined,
  { renew = false, keep }: LogOptions,
): NewStream | undefined {
  if (!known && renew) {
    throw new StartError(
      "Cannot use --renew-log: the file of this server has nothing of a log",
    );
  }
  const bounds = boundsOf(keep);
  if (!known) {
    return { mark: crypto.randomUUID(), first: 1, isNeeded: false, bounds };
  }
  if (!renew) return undefined;
  const first = Number(known["sequence"]) + 1;
  return { mark: String(known["mark"]), first, isNeeded: true, bounds };
}

/** Puts a database of another server in the place of this one's. */
async function loadSnapshot(
  options: LogOptions,
  subjects: Subjects,
  place: { ends: StreamEnds; sequence: number },
): Promise<void> {
  const { SnapshotLoader } = await import("./snapshot_loader.ts");
  using loader = new SnapshotLoader({ ...options, subjects }, place);
  await loader.load();
}

/**
 * Removes the snapshot that this server gave, or loaded, when it was killed: it has
 * all that a file has.
 */
async function removeLeft({ db, log }: LogOptions): Promise<void> {
  if (db === IN_MEMORY) return;
  const { removeSnapshot, snapshotPath } = await import(
    "../../journal/snapshot.ts"
  );
  const path = snapshotPath(db);
  try {
    removeSnapshot(path);
  } catch (error) { // such as a folder of that name; the server does without
    log(`Cannot delete ${path}: ${(error as Error).message}`);
  }
}

function sequenceOf(database: Database): number {
  const row = database.prepare("SELECT sequence FROM cluster").get();
  return Number(row?.["sequence"] ?? 0);
}

/**
 * From now on the database is that of the log. The ids of messages are its, also
 * those of a backup.
 */
async function begin(database: Database, { mark }: StreamEnds): Promise<void> {
  const insert = "INSERT INTO cluster SELECT ?, 0, '', '' " +
    "WHERE NOT EXISTS (SELECT 1 FROM cluster)";
  await database.write(() => {
    database.prepare(insert).run(mark);
    const id = mark.replaceAll("-", "");
    database.prepare("UPDATE journal SET id = ?").run(id);
  });
}

/** @throws {StartError} If the database has what no other server has. */
function checkEmpty(database: Database): void {
  for (const table of ["messages", "last_id", "accounts", "bans", "mutes"]) {
    const row = database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get();
    if (!row) continue;
    throw new StartError(
      "Cannot use this file with --nats: a server alone has written it; " +
        "choose a new file with --db",
    );
  }
}
