/**
 * A file with a damaged page: the server says so, with a code and in words, and
 * goes on with the rest.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";

import {
  logIn,
  request,
  signUp,
  verifierFor,
} from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";
import { StartError } from "../../../server/journal/start_error.ts";

const FOREVER = { forMs: Infinity, messages: Infinity };
const PAGE_BYTES = 4_096;

/** Makes a file with messages, keys, accounts, bans, mutes and sessions; returns it. */
async function makeFile(db: string): Promise<Uint8Array> {
  {
    await using server = startTestServer({ db, keep: FOREVER });
    const { journal } = server.context;
    const accounts = await server.context.accounts.load();
    const verifier = await verifierFor("pencil");
    for (let i = 0; i < 30; i++) {
      const keyScope = crypto.randomUUID();
      const name = i === 0 ? "alice" : `user${i}`;
      await accounts.create({
        ...{ name, verifier, keyScope, since: 0, network: "10.0.0.1" },
      });
    }
    for (let i = 0; i < 250; i++) {
      const body = new TextEncoder().encode("m".repeat(i % 40 ? 30 : 9_000));
      const to = i % 3 ? `#room${i % 4}` : "alice";
      await journal.append("bob", [{ to, body, key: `scope ${i}` }]);
    }
    await server.console.run("ban 10.0.0.9");
    using _guest = await RawClient.enter(server.port, "guest", "#room1");
    await server.console.run("mute mallory");
    await server.console.run("mute 10.0.0.7");
  }
  using folder = tempFolder();
  const compact = `${folder.path}/compact.db`;
  const made = new DatabaseSync(db); // closing it empties its WAL
  made.exec(`VACUUM INTO '${compact}'`);
  made.close();
  return Deno.readFileSync(compact);
}

/** Starts a server with the file, or says why that cannot be. */
async function start(db: string) {
  let server: ReturnType<typeof startTestServer> | undefined;
  try {
    server = startTestServer({ db, keep: FOREVER });
    await server.ready;
    return server;
  } catch (error) {
    await server?.[Symbol.asyncDispose]();
    assert(error instanceof StartError, `${(error as Error).stack}`);
    assertMatch(error.message, /^Cannot use the file .*: [^\n]*; /);
    return error;
  }
}

const LAST = /^(HISTORY|ERROR|SENT|REGISTERED|CHALLENGE|JOINED|PONG) /;

/** Asks, and checks that the last frame of the answer is none or says 119. */
async function checked(client: RawClient, text: string): Promise<string> {
  await client.send(text);
  for (;;) {
    const frame = await client.frame();
    if (!LAST.test(frame)) continue;
    if (frame.startsWith("ERROR ")) {
      assertMatch(frame, /^ERROR 119 /);
      assertMatch(frame, /\nReason: Cannot (read|store) that: [a-z].*\n/);
    }
    return frame;
  }
}

/** Uses all that the file has, and counts the answers that say it is damaged. */
async function use(db: string): Promise<"refused" | "damaged" | "whole"> {
  const server = await start(db);
  if (server instanceof StartError) return "refused";
  await using _server = server;
  const answers: string[] = [];
  {
    using guest = await RawClient.connect(server.port);
    const ask = async (text: string) => {
      answers.push(await checked(guest, text));
    };
    await ask("REGISTER visitor\n\n");
    for (let i = 0; i < 4; i++) {
      await ask(`HISTORY #room${i}\nLimit: 1000\n\n`);
      await ask(`JOIN #room${i}\n\n`);
      await ask(request(`SEND #room${i}`, "x"));
      await ask(request(`SEND #room${i}`, "x", `Key: new ${i}\n`));
    }
    await ask(await signUp("visitor"));
  }
  try {
    using alice = await logIn(server.port, "alice", {
      headers: "After: 1\n",
    });
    answers.push(alice.answer);
    answers.push(await checked(alice.client, request("SEND alice", "x")));
  } catch (error) { // the answer to LOGIN is no CHALLENGE
    assertMatch(`${error}`, /ERROR 119 LOGIN alice/);
    answers.push("ERROR 119 LOGIN alice");
  }
  server.context.journal.tidy();
  for (const line of ["accounts", "bans", "rooms", "users", "ban 10.0.0.8"]) {
    const told = await server.console.run(line);
    if (told.startsWith("Cannot read")) answers.push("ERROR");
  }
  const isTold = server.log.filter((line) => /is damaged/.test(line));
  const isDamaged = answers.some((answer) => answer.startsWith("ERROR"));
  assert(isTold.length <= 1, "the log tells it once");
  if (isDamaged) assertEquals(isTold.length, 1, server.log.join("\n"));
  return isDamaged ? "damaged" : "whole";
}

/** The ways in which a page is damaged. */
const DAMAGES: readonly [what: string, (page: Uint8Array) => void][] = [
  ["zeros", (page) => void page.fill(0)],
  ["noise", (page) => void page.forEach((_, i) => page[i] = i * 131 + 7)],
  ["noise in a corner", (page) => {
    page.subarray(2_000, 2_200).forEach((_, i, all) => all[i] = i * 73 + 1);
  }],
  ["a text in the middle", (page) => {
    page.set(new TextEncoder().encode("\nEVIL: 1\n\n".repeat(30)), 3_500);
  }],
];

for (const [what, damage] of DAMAGES) {
  Deno.test(`a file with ${what} in any one page is refused, or what is there answers 119`, async () => {
    using folder = tempFolder();
    const whole = await makeFile(`${folder.path}/chat.db`);
    const found = { refused: 0, damaged: 0, whole: 0 };
    const complaints: unknown[] = [];
    const { error } = console;
    console.error = (...data: unknown[]) => complaints.push(data);
    try {
      for (let at = 0; at < whole.length; at += PAGE_BYTES) {
        const db = `${folder.path}/${at}.db`;
        const bytes = whole.slice();
        damage(bytes.subarray(at, at + PAGE_BYTES));
        Deno.writeFileSync(db, bytes);
        found[await use(db)]++;
        assertEquals(complaints, [], `page ${at / PAGE_BYTES}`);
      }
    } finally {
      console.error = error;
    }

    assert(found.refused > 0 && found.damaged > 0, JSON.stringify(found));
  });
}

/** What the file can have when a byte is another one, which SQLite does not see. */
const ROWS: readonly [sql: string, starts: boolean][] = [
  ["UPDATE mutes SET places = '[x'", false],
  ["UPDATE mutes SET allowed = '{}'", false],
  ["UPDATE visits SET rooms = '[[1]'", false],
  ["UPDATE mutes SET value = '10.0.0.x' WHERE kind = 'address'", true],
  ["UPDATE bans SET value = '10.0.0.x'", true],
];

for (const [sql, starts] of ROWS) {
  Deno.test(`after ${sql} the server ${starts ? "starts" : "says that the file is damaged"}`, async () => {
    using folder = tempFolder();
    const db = `${folder.path}/chat.db`;
    Deno.writeFileSync(db, await makeFile(`${folder.path}/made.db`));
    const file = new DatabaseSync(db);
    file.exec(sql);
    file.close();

    const server = await start(db);

    assertEquals(!(server instanceof StartError), starts);
    if (!(server instanceof StartError)) await server[Symbol.asyncDispose]();
    else assertMatch(server.message, /is damaged/);
  });
}
