/**
 * Sessions without a network: sockets that the test plays itself, and what the
 * sessions of a server share, on a clock of the test.
 */
import { Accounts } from "../../../server/accounts/accounts.ts";
import type { Journal } from "../../../server/journal/journal.ts";
import { Bans } from "../../../server/accounts/bans.ts";
import { Moderators } from "../../../server/accounts/moderators.ts";
import { AllRoomSettings } from "../../../server/accounts/room_settings.ts";
import { Nicks } from "../../../server/accounts/names/nicks.ts";
import { PrivateRooms } from "../../../server/accounts/private_rooms.ts";
import { Mutes } from "../../../server/accounts/mutes.ts";
import { Lazy } from "../../../core/lazy.ts";
import { ReadMarks } from "../../../server/session/devices/read_marks.ts";
import { TwoSocketUsers } from "../../../server/session/two_socket/users.ts";
import { Connection, type Wire } from "../../../server/net/connection.ts";
import type { Context } from "../../../server/session/session.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import { Hub } from "../../../server/chat/hub.ts";
import { Limits } from "../../../server/limits/limits.ts";
import { MemoryJournal } from "../../../server/journal/memory_journal.ts";
import { MAX_UNREAD_BYTES, NO_RATES } from "../../../server/limits/rates.ts";
import { LongList } from "../../../server/session/answers.ts";
import { serve } from "../../../server/session/serve.ts";
import {
  CHECK_EVERY_MS,
  KeepaliveTimer,
} from "../../../server/session/keepalive.ts";
import { Admission } from "../../../server/net/admission.ts";
import { Turns } from "../../../server/net/turns.ts";
import { ResumableSessions } from "../../../server/accounts/resume_tokens.ts";
import { ResumableSessionTable } from "../../../server/accounts/session_table.ts";
import type { Entries } from "../../../server/journal/entries.ts";
import type { Log } from "../../../server/journal/log.ts";
import { TestClock } from "../test_clock.ts";
import { bytes, join } from "./raw_client.ts";
import { within } from "./within.ts";

const decoder = new TextDecoder();

/** A socket with the test at its other end. */
export class FakeWire implements Wire {
  /** The bytes that the peer has read. */
  got = "";
  /** Whether the peer reads nothing. */
  stuck = false;
  #incoming = new Uint8Array();
  #ended = false;
  #wake: (() => void) | undefined;
  #unstick: ((error: Error) => void)[] = [];

  say(text: string): void {
    this.#incoming = new Uint8Array(join(this.#incoming, text));
    this.#wake?.();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const count = Math.min(buffer.length, this.#incoming.length);
    buffer.set(this.#incoming.subarray(0, count));
    this.#incoming = this.#incoming.slice(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.stuck) {
      return new Promise((_, reject) => this.#unstick.push(reject));
    }
    this.got += decoder.decode(bytes);
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#ended = true;
    this.#wake?.();
    for (const reject of this.#unstick) {
      reject(new Deno.errors.Interrupted("closed"));
    }
  }

  /** Ends the peer's direction. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Waits until `text` has come. */
  async heard(text: string): Promise<void> {
    await within(
      (async () => {
        while (!this.got.includes(text)) await turn();
      })(),
      () => `"${text}" in "${this.got.slice(-500)}"`,
    );
  }
}

/** Resolves when everything that is ready has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function lazy<T>(make: () => T): Lazy<T> {
  return new Lazy(() => Promise.resolve(make()));
}

/** What a server's sessions share; a journal of the test's if it gives one. */
export function arrange(
  wrap: (journal: Journal) => Journal = (journal) => journal,
  resumables = new ResumableSessions(),
) {
  const hub = new Hub();
  const journal = wrap(new MemoryJournal());
  journal.connect(hub, hub.shares);
  const clock = new TestClock();
  const database = new Database(IN_MEMORY);
  const context: Context = {
    hub,
    journal,
    accounts: lazy(() => new Accounts(database, 0)),
    bans: lazy(() => new Bans(database)),
    mutes: lazy(() =>
      new Mutes(database, {
        users: () => [],
        accountSince: () => undefined,
        log: () => {},
      })
    ),
    moderators: lazy(() =>
      new Moderators(database, { accountOf: () => undefined })
    ),
    roomSettings: lazy(() =>
      new AllRoomSettings(database, {
        accountOf: () => undefined,
        isModerator: () => false,
        isPrivateOwner: () => false,
        exists: () => false,
      })
    ),
    privateRooms: lazy(() => new PrivateRooms(database)),
    nicks: lazy(() =>
      new Nicks(database, {
        owners: () => [],
        isConnected: () => false,
        resembled: () => undefined,
      })
    ),
    readMarks: lazy(() => new ReadMarks(database)),
    twoSocketUsers: lazy(() =>
      new TwoSocketUsers({
        hub,
        journal,
        acknowledgeWithinMs: 1_000,
        ...{ after: clock.after, now: clock.now },
      })
    ),
    resumables,
    limits: new Limits({ rates: NO_RATES, maxConnectionsPerAddress: 2_000 }),
    floods: undefined,
    turns: new Turns(clock, turn),
    roomList: new LongList(),
    admission: new Admission(() => journal.lastId, clock),
    sessions: new Set(),
    settings: {
      software: "test",
      maxUnreadBytes: MAX_UNREAD_BYTES,
      maxBodyBytes: 65_536,
      history: 20,
      requireLogin: false,
      moderators: [],
      allBy: "all",
      registerWithinMs: 10_000,
      pingAfterMs: 30_000,
      idleAfterMs: 90_000,
    },
    now: clock.now,
    after: clock.after,
    moderate: () => Promise.reject(new Error("there are no moderators")),
    log: () => {},
    logThrottled: () => {},
  };
  let port = 0;
  const connect = (
    maxOutboxBytes?: number,
    shared: Context = context,
    host = "127.0.0.1",
  ) => {
    const wire = new FakeWire();
    const connection = new Connection(wire, {
      remote: `${host}:${++port}`,
      now: 0,
      ...(maxOutboxBytes ? { maxOutboxBytes } : {}),
    });
    return { wire, connection, done: serve(connection, shared) };
  };
  const keepalive = new KeepaliveTimer(context);
  /** Lets time pass, in milliseconds, while the server checks all connections. */
  const wait = (ms: number) => {
    for (let passed = 0; passed < ms; passed += CHECK_EVERY_MS) {
      clock.pass(CHECK_EVERY_MS);
      keepalive.check();
    }
  };
  return { context, clock, hub, connect, wait };
}

/** A SEND of `body` to `target`, as it goes over the wire. */
export function send(target: string, body: string): string {
  return `SEND ${target}\nContent-length: ${bytes(body).length}\n\n${body}`;
}

/** Sessions in a table; each entry waits for what `until` gives for its kind. */
export function slowSessions(
  until: (kind: keyof Entries) => Promise<void>,
): ResumableSessions {
  const database = new Database(IN_MEMORY);
  const log: Log = {
    register(kind, applier) {
      const append = database.register(kind, applier);
      return async (entry) => {
        await until(kind);
        return await append(entry);
      };
    },
  };
  return new ResumableSessions(new ResumableSessionTable(database, log));
}
