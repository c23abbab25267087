/** `backup FILE` on the console, and a start beside a program that reads the file. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Database } from "../../../server/journal/database.ts";
import { StartError } from "../../../server/journal/start_error.ts";
import {
  forward,
  headerOf,
  RawClient,
  steady,
} from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { skippedIf } from "../../tools/system/skips.ts";
import { tempFolder } from "../../tools/temp.ts";

/** Sends a message to #r, and waits until it is stored. */
async function say(server: TestServer, text: string): Promise<void> {
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await bob.say("#r", text);
  await bob.next("SENT");
  await bob.send("LOGOUT\n\n");
  await bob.rest();
}

/** All messages of #r, which may be more than a page. */
async function history(server: TestServer): Promise<string[]> {
  using eve = await RawClient.enter(server.port, "eve");
  let found: string[] = [];
  for (let before = "";;) {
    await eve.send(`HISTORY #r\nLimit: 1000\n${before}\n`);
    const page: string[] = [];
    let frame = await eve.frame();
    for (; !frame.startsWith("HISTORY "); frame = await eve.frame()) {
      page.push(steady(frame));
    }
    found = [...page, ...found];
    if (page.length === 0) return found;
    before = `Before: ${headerOf(page[0]!, "Id")}\n`;
  }
}

for (const name of ["copy.db", "my copy of today.db", "ko\u0301pia"]) {
  Deno.test(`backup makes ${name} while the server runs, and a server can use it`, async () => {
    using folder = tempFolder();
    const to = `${folder.path}/${name}`;
    await using server = startTestServer({ db: `${folder.path}/chat.db` });
    await say(server, "one");

    const answer = await server.console.run(`backup ${to}`);
    await say(server, "two");
    await using second = startTestServer({ db: to });

    assertMatch(answer, /^Copied all messages and accounts to .* kB\)\. /);
    assertEquals(await history(second), [forward("bob", "#r", 1, "one")]);
    assertEquals((await history(server)).length, 2);
    assert(second.context.journal.id !== server.context.journal.id);
    const names = Array.from(Deno.readDirSync(folder.path), (one) => one.name);
    assertEquals(names.filter((one) => one.endsWith(".part")), []);
    if (Deno.build.os !== "windows") {
      assertEquals(Deno.statSync(to).mode! & 0o777, 0o600);
    }
  });
}

Deno.test("after a backup, the file is the server's alone again", async () => {
  using folder = tempFolder();
  await using server = startTestServer({ db: `${folder.path}/chat.db` });

  await server.console.run(`backup ${folder.path}/copy.db`);
  await say(server, "still here");

  assertThrows(() => new Database(server.file!), StartError, "another server");
});

Deno.test("messages that are sent during a backup are stored, and none is in it by half", async () => {
  using folder = tempFolder();
  const to = `${folder.path}/copy.db`;
  await using server = startTestServer({ db: `${folder.path}/chat.db` });
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const body = "x".repeat(1_000);

  const copying = server.console.run(`backup ${to}`);
  let done = false;
  copying.finally(() => done = true);
  let count = 0;
  do {
    await bob.say("#r", body);
    assertMatch(await bob.frame(), /^SENT /);
    count++;
  } while (!done);
  await bob.say("#r", body);
  assertMatch(await bob.frame(), /^SENT /);

  assertMatch(await copying, /^Copied /);
  assertEquals(server.context.journal.lastId, count + 1);
  await using second = startTestServer({ db: to });
  assert(second.context.journal.lastId <= count);
  const ids = Array.from(
    { length: second.context.journal.lastId },
    (_, index) => index + 1,
  );
  assertEquals(
    await history(second),
    ids.map((id) => forward("bob", "#r", id, body)),
  );
});

/** What cannot be made, and why; in a folder with the file `there`. */
const REFUSED: readonly [what: string, file: string, why: string][] = [
  ["over another file", "there", "FILE exists already. Choose another name."],
  ["over its own file", "chat.db", "FILE exists already. Choose another name."],
  ["beside an old WAL", "old", "FILE-wal exists already. Choose another name."],
  [
    "as a file of SQLite",
    "chat.db-journal",
    "SQLite uses this ending. Choose another name.",
  ],
  ["over a folder", "inside", "FILE exists already. Choose another name."],
  [
    "into no folder",
    "none/copy.db",
    "there is no such folder. Make it, or choose another.",
  ],
];

for (const [what, name, why] of REFUSED) {
  Deno.test(`backup does not write ${what}`, async () => {
    using folder = tempFolder();
    await using server = startTestServer({ db: `${folder.path}/chat.db` });
    Deno.writeTextFileSync(`${folder.path}/there`, "precious");
    Deno.writeTextFileSync(`${folder.path}/old-wal`, "of another database");
    Deno.mkdirSync(`${folder.path}/inside`);
    const file = `${folder.path}/${name}`;

    const answer = await server.console.run(`backup ${file}`);
    await say(server, "still here");

    assertEquals(
      answer,
      `Cannot back up to ${file}: ${why.replace("FILE", file)}`,
    );
    assertEquals(Deno.readTextFileSync(`${folder.path}/there`), "precious");
    assertEquals((await history(server)).length, 1);
  });
}

Deno.test("backup of a server without a file, or without a name, says what to do", async () => {
  await using server = startTestServer();

  assertMatch(await server.console.run("backup x"), /--db FILE\.$/);
  assertEquals(
    await server.console.run("backup"),
    "Missing argument: FILE. Usage: backup FILE",
  );
});

/** A file system of 64 KiB; undefined where this user cannot make one. */
function smallDisk(folder: string): Disposable | undefined {
  const mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder];
  try {
    const run = (name: string, args: string[]) =>
      new Deno.Command(name, { args, stderr: "null" }).outputSync().success;
    if (!run("mount", mount)) return undefined;
    return { [Symbol.dispose]: () => void run("umount", [folder]) };
  } catch {
    return undefined; // no such program
  }
}

Deno.test("backup on a full disk says so, and leaves nothing there", async (test) => {
  using folder = tempFolder();
  const disk = `${folder.path}/disk`;
  Deno.mkdirSync(disk);
  using mounted = smallDisk(disk);
  const why = mounted ? undefined : "this user cannot mount a small disk";
  await test.step(skippedIf(why, {
    name: "on a disk of 64 KiB",
    fn: async () => {
      await using server = startTestServer({ db: `${folder.path}/chat.db` });
      await say(server, "x".repeat(60_000));
      await say(server, "x".repeat(60_000));

      const answer = await server.console.run(`backup ${disk}/copy.db`);
      await say(server, "still here");

      assertMatch(answer, /: the disk is full\. Make room, or /);
      assertEquals([...Deno.readDirSync(disk)], []);
      assertEquals((await history(server)).length, 3);
    },
  }));
});

/** A process that reads a file until it gets a line, or for some milliseconds. */
async function reader(file: string, ms?: number) {
  const until = ms === undefined
    ? "await Deno.stdin.read(new Uint8Array(9))"
    : `await new Promise((done) => setTimeout(done, ${ms}))`;
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { DatabaseSync } from "node:sqlite";
       const db = new DatabaseSync(${JSON.stringify(file)});
       db.exec("BEGIN; SELECT count(*) FROM messages");
       console.log("reads");
       ${until};
       db.close();`,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = process.stdout.getReader();
  await output.read();
  return {
    async [Symbol.asyncDispose]() {
      await process.stdin.close();
      await output.cancel();
      await process.status;
    },
  };
}

Deno.test("a start beside a program that reads the file waits until it ends", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  new Database(file).close();
  await using _reader = await reader(file, 500);

  const database = new Database(file);

  database.close();
});

Deno.test("a start beside a program that goes on reading the file says so", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  new Database(file).close();
  await using _reader = await reader(file);

  const error = assertThrows(() => new Database(file), StartError);

  assertEquals(
    error.message,
    `Cannot use the file ${file}: another program reads it; close that program, or choose another file with --db`,
  );
});

Deno.test("a program that still reads after a backup disturbs no user, and keeps no file", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  using database = new Database(file);
  const insert = database.prepare(
    "INSERT INTO bans (kind, value, since, reason) VALUES ('name', ?, 0, '')",
  );
  let other: DatabaseSync | undefined;

  await database.share(() => {
    other = new DatabaseSync(file);
    other.exec("BEGIN; SELECT count(*) FROM bans");
    return Promise.resolve();
  });
  await database.write(() => void insert.run("eve"));
  other?.close();
  await database.share(() => Promise.resolve());
  await database.write(() => void insert.run("mallory"));

  const late = new DatabaseSync(file);
  assertThrows(() => late.prepare("SELECT * FROM bans").all(), Error, "locked");
  late.close();
});
