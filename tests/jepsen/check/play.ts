/** A history that keeps every promise, for the tests of the checker to spoil. */
import {
  emptyHistory,
  type History,
  type Message,
  type Outcome,
  type Send,
  type ServerState,
  type Session,
} from "./history.ts";

/** A history in which names, rooms, accounts and two servers play their parts. */
export class Play {
  readonly history: History = emptyHistory();
  readonly messages: Message[] = [];

  /** A message that was sent; without an id it is not stored. */
  send(
    session: string,
    to: string,
    text: string,
    at: number,
    outcome: Outcome,
    id = outcome.kind === "done" ? outcome.id : undefined,
  ): Send {
    const name = session.split(".")[0]!;
    const send = { session, name, to, text, at, outcome };
    this.history.sends.push(send);
    if (id !== undefined) this.messages.push({ id, from: name, to, text });
    return send;
  }

  /** A session; `key` is the name, a point, and a number. */
  session(key: string, more: Partial<Session> = {}): Session {
    const session: Session = {
      key,
      name: key.split(".")[0]!,
      kind: "terminal",
      owned: false,
      after: 0,
      upTo: Infinity,
      receipts: [],
      stays: [],
      asked: [],
      stayed: true,
      forgotten: [],
      notes: [],
      ...more,
    };
    this.history.sessions.push(session);
    return session;
  }

  /** Shows stored messages with these ids to a session, in this order. */
  show(session: Session, ...ids: number[]): void {
    for (const id of ids) {
      const message = this.messages.find((one) => one.id === id)!;
      session.receipts.push({ ...message, at: 100 + id, stored: false });
    }
  }

  /** A server that has all messages, but for what `more` says. */
  server(name: string, more: Partial<ServerState> = {}): void {
    const messages = this.messages.toSorted((a, b) => a.id - b.id);
    const rooms = new Map(
      ["#one", "#default"].map((
        room,
      ) => [room, messages.filter(({ to }) => to === room)]),
    );
    const lists = {
      accounts: ["ann"],
      bans: ["mallory"],
      mutes: [],
      hash: "h1",
    };
    this.history.servers.push({ name, messages, rooms, ...lists, ...more });
  }
}

/** A good one; `change` may spoil it before the servers tell what they have. */
export function play(change: (parts: Parts) => void = () => {}): Play {
  const play = new Play();
  const { history } = play;
  play.send("ann.1", "#one", "a1", 10, { kind: "done", at: 12, id: 1 });
  play.send("bob.1", "#one", "b1", 11, { kind: "done", at: 13, id: 2 });
  play.send("ann.1", "bob", "a2", 20, { kind: "done", at: 21, id: 3 });
  play.send("ann.1", "#one", "a3", 30, { kind: "unknown" }, 4);
  play.send("bob.1", "ALL", "b2", 31, { kind: "unknown" });
  play.send("bob.1", "#one", "b3", 40, { kind: "refused", at: 41, code: 120 });
  play.send("ann.2", "#default", "a4", 50, { kind: "done", at: 51 }, 5);
  play.send("bob.1", "ALL", "b4", 60, { kind: "done", at: 61, id: 6 });
  play.send("bob.1", "#default", "b5", 70, { kind: "done", at: 71, id: 7 });

  const stay = { room: "#one", after: 0, upTo: Infinity };
  const ann = play.session("ann.1", { upTo: 3, stayed: false, stays: [stay] });
  stay.upTo = 3;
  const bob = play.session("bob.1", {
    stays: [
      { room: "#one", after: 0, upTo: Infinity },
      { room: "#default", after: 4, upTo: 6 },
    ],
  });
  const eve = play.session("eve.1", { kind: "classic" });
  play.show(ann, 1, 2);
  play.show(bob, 1, 2, 3, 4, 5, 7);
  play.show(eve, 5, 6, 7);
  for (const one of eve.receipts) {
    Object.assign(one, { id: undefined, to: undefined });
  }
  const ann2 = play.session("ann.2", { after: 4, owned: true });
  play.show(ann2, 5, 6);

  history.claims.push(
    { holder: "ann.1", name: "prize", from: 5, until: 30 },
    { holder: "bob.1", name: "Prize", from: 31, until: 40 },
  );
  history.signUps.push(
    { client: "ann", name: "ann", at: 5, outcome: { kind: "done", at: 6 } },
    { client: "bob", name: "ann", at: 5, outcome: { kind: "unknown" } },
  );
  history.signIns.push(
    { client: "ann", name: "ann", at: 45, outcome: { kind: "done", at: 46 } },
  );
  history.measures.push(
    { ...banned, wanted: false, at: 1, outcome: { kind: "done", at: 2 } },
    { ...banned, wanted: true, at: 3, outcome: { kind: "done", at: 4 } },
  );
  history.entries.push(
    {
      client: "m",
      name: "mallory",
      server: "s1",
      isTold: false,
      at: 0,
      done: 4,
    },
  );
  change({ play, ann, bob, eve, ann2 });
  play.server("s1");
  play.server("s2");
  return play;
}

/** What a test may spoil. */
export interface Parts {
  readonly play: Play;
  readonly ann: Session;
  readonly bob: Session;
  readonly eve: Session;
  readonly ann2: Session;
}

/** A ban, of which a test says whether it is wanted. */
export const bobs = { what: "ban", name: "bob", server: "s1" } as const;
/** The ban that the good history has. */
export const banned = { what: "ban", name: "mallory", server: "s1" } as const;

/** Takes a message away as if it were not stored. */
export function remove({ messages }: Play, text: string): void {
  messages.splice(messages.findIndex((one) => one.text === text), 1);
}
