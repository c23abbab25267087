/** What a server's copy of the log takes, without a server of NATS. */
import { assertEquals } from "@std/assert";
import { ClaimTable } from "../../../server/cluster/log/claims.ts";
import {
  encodeEnvelope,
  encodeItem,
  type Item,
} from "../../../server/cluster/log/codec.ts";
import { Replica } from "../../../server/cluster/log/replica.ts";
import { Database } from "../../../server/journal/database.ts";
import type { MessagesEntry } from "../../../server/journal/entries.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";

/** A replica that remembers which messages it has applied, and what it refused. */
class Copy implements Disposable {
  readonly applied: string[] = [];
  readonly #database = new Database(IN_MEMORY);
  readonly #replica: Replica;
  #sequence = 0;

  constructor() {
    const database = this.#database;
    database.prepare("INSERT INTO cluster VALUES ('m', 0, '', '')").run();
    const fail = (error: Error) => {
      throw error;
    };
    this.#replica = new Replica(database, new ClaimTable(database), {
      waiting: () => undefined,
      up: () => {},
      gone: () => {},
      fail,
      log: () => {},
    });
    for (const kind of ["session", "session-changed", "sign-up"] as const) {
      this.#replica.register<{ token?: string; verifier?: string }, void, void>(
        kind,
        {
          change: () => {},
          applied: ({ token, verifier = token! }) =>
            void this.applied.push(`${kind} ${verifier}`),
        },
      );
    }
    this.#replica.register<MessagesEntry, void, void>("messages", {
      change: () => {},
      applied: ({ drafts }) => {
        const texts = drafts.map(({ body }) => new TextDecoder().decode(body));
        this.applied.push(...texts);
      },
    });
    const { claims } = this.#replica;
    this.#replica.register("claim", {
      change: (entry: Parameters<ClaimTable["claim"]>[0], origin) =>
        void claims.claim(entry, origin!),
      applied: () => {},
    });
    this.#replica.register("release", {
      change: (entry: Parameters<ClaimTable["release"]>[0], origin) =>
        claims.release(entry, origin!),
      applied: () => {},
    });
  }

  /** The next message of the stream, with these entries. */
  async append(server: Server, ...items: Item[]): Promise<void> {
    const head = { ...server, counter: ++server.counter };
    const bytes = encodeEnvelope(head, items.map(encodeItem));
    await this.#replica.apply([{ sequence: ++this.#sequence, bytes }]);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

interface Server {
  readonly server: string;
  readonly epoch: string;
  counter: number;
}

function messages(from: string, text: string): Item {
  const body = new TextEncoder().encode(text);
  const drafts = [{ to: "#default", body }];
  return { kind: "messages", entry: { from, at: 1, keysSince: 0, drafts } };
}

function claim(name: string, id: number, takesOver = false): Item {
  return { kind: "claim", entry: { name, id, takesOver } };
}

const UP: Item = { kind: "up", entry: { after: null, claims: [] } };

Deno.test("what a server stores late under a name that another one has by then has no effect", async () => {
  using copy = new Copy();
  const [a, b] = ["a", "b"].map((server) => ({
    server,
    epoch: "1",
    counter: 0,
  }));
  await copy.append(a!, UP, claim("bob", 1), messages("bob", "1 of a"));
  await copy.append(b!, UP, claim("Bob", 1, true), messages("Bob", "2 of b"));
  await copy.append(a!, messages("bob", "3 of a, late"));
  await copy.append(a!, messages("carol", "4 of a, another name"));
  await copy.append(b!, messages("Bob", "5 of b"));
  await copy.append(b!, { kind: "release", entry: { name: "Bob", id: 1 } });
  await copy.append(a!, messages("bob", "6 of a, the name is free"));

  assertEquals(copy.applied, [
    "1 of a",
    "2 of b",
    "4 of a, another name",
    "5 of b",
    "6 of a, the name is free",
  ]);
});

Deno.test("a new epoch of a server says nothing under names that it has lost", async () => {
  using copy = new Copy();
  const [a, b] = ["a", "b"].map((server) => ({
    server,
    epoch: "1",
    counter: 0,
  }));
  await copy.append(a!, UP, claim("bob", 1), claim("carol", 2));
  await copy.append(b!, UP, {
    kind: "down",
    entry: { server: "a", epoch: "1" },
  });
  await copy.append(b!, claim("bob", 1), messages("bob", "1 of b"));
  const again = { server: "a", epoch: "2", counter: 0 };
  const claims = ["bob", "carol"].map((name, index) => ({
    ...{ name, id: index + 1, takesOver: false },
  }));
  const up = { kind: "up", entry: { after: "1", claims } };
  await copy.append(again, up);
  await copy.append(
    again,
    messages("bob", "2 of a"),
    messages("carol", "3 of a"),
  );

  assertEquals(copy.applied, ["1 of b", "3 of a"]);
});

Deno.test("a session or an account that a server stores late has no effect while another one has the name", async () => {
  using copy = new Copy();
  const [a, b] = ["a", "b"].map((server) => ({
    server,
    epoch: "1",
    counter: 0,
  }));
  const session = (token: string): Item => ({
    kind: "session",
    entry: { name: "bob", token },
  });
  const changed = (token: string): Item => ({
    kind: "session-changed",
    entry: { key: "bob", token },
  });
  const signUp = (verifier: string): Item => ({
    kind: "sign-up",
    entry: { name: "bob", verifier },
  });
  await copy.append(a!, UP, claim("bob", 1), session("1 of a"));
  await copy.append(b!, UP, {
    kind: "down",
    entry: { server: "a", epoch: "1" },
  });
  await copy.append(b!, claim("bob", 1), session("2 of b"));
  const up = { kind: "up", entry: { after: "1", claims: [] } };
  const again = { server: "a", epoch: "2", counter: 0 };
  await copy.append(again, up, session("3 of a"), changed("4 of a"));
  await copy.append(again, signUp("5 of a"));
  await copy.append(b!, changed("6 of b"), signUp("7 of b"));
  await copy.append(b!, { kind: "release", entry: { name: "bob", id: 1 } });
  // Its user is gone from all servers: a session would forget that of b.
  await copy.append(again, session("8 of a"), changed("9 of a"));
  await copy.append(again, signUp("10 of a"));

  assertEquals(copy.applied, [
    "session 1 of a",
    "session 2 of b",
    "session-changed 6 of b",
    "sign-up 7 of b",
    "session-changed 9 of a",
    "sign-up 10 of a",
  ]);
});
