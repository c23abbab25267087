/** The database file: opened alone, migrated, and written once a tick. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { ChatError } from "../../../protocol.ts";
import { Database } from "../../../server/journal/database.ts";
import { StartError } from "../../../server/journal/start_error.ts";
import { MIGRATIONS } from "../../../server/journal/schema.ts";
import { tempFolder } from "../../tools/temp.ts";
import { needs } from "../../tools/system/skips.ts";

/** Changes one ban, and gives all there are. */
function bans(database: Database) {
  const insert = database.prepare(
    "INSERT INTO bans VALUES ('name', ?, 0, '', NULL)",
  );
  const select = database.prepare("SELECT value FROM bans ORDER BY value");
  return {
    add: (name: string) => void insert.run(name),
    all: () => select.all().map(({ value }) => value),
  };
}

Deno.test("a database keeps what was written, from one opening to the next", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  {
    using database = new Database(file);
    const { add } = bans(database);
    assertEquals(await database.write(() => (add("eve"), 7)), 7);
    database.write(() => add("mallory")); // committed by closing
  }
  using database = new Database(file);

  assertEquals(bans(database).all(), ["eve", "mallory"]);
  assertEquals(database.prepare("PRAGMA user_version").get(), {
    __proto__: null,
    user_version: MIGRATIONS.length,
  });
});

Deno.test("a database in memory has the same tables", async () => {
  using database = new Database(":memory:");
  const { add, all } = bans(database);

  await database.write(() => add("eve"));

  assertEquals(all(), ["eve"]);
});

Deno.test("a change that throws is undone alone, and its writer is told", async () => {
  using database = new Database(":memory:");
  const { add, all } = bans(database);
  const before = database.write(() => add("before"));
  const wrong = database.write(() => {
    add("half");
    throw new ChatError(113, "Cannot sign up: there is an account");
  });
  const after = database.write(() => add("after"));

  const error = await assertRejects(() => wrong, ChatError);
  await Promise.all([before, after]);

  assertEquals(error.code, 113);
  assertEquals(all(), ["after", "before"]);
});

Deno.test("a full disk refuses all changes of a tick, and later ones are stored", async () => {
  const log: string[] = [];
  using database = new Database(":memory:", (line) => log.push(line));
  const { add, all } = bans(database);
  const pages = database.prepare("PRAGMA page_count").get()?.["page_count"];
  database.prepare(`PRAGMA max_page_count = ${pages}`).get();
  const small = database.write(() => add("small"));
  const large = database.write(() => add("x".repeat(20_000)));
  const next = database.write(() => add("next"));

  for (const refused of [small, large, next]) {
    const error = await assertRejects(() => refused, ChatError);
    assertEquals(error.code, 119);
    assertEquals(
      error.message,
      "Cannot store that: the server's disk is full",
    );
  }
  assertEquals(all(), []);

  database.prepare("PRAGMA max_page_count = 1000").get();
  await database.write(() => add("x".repeat(20_000)));
  assertEquals(all(), ["x".repeat(20_000)]);
  assertEquals(log, [
    "Cannot store anything: the server's disk is full",
    "Storage works again",
  ]);
});

Deno.test("a closed database refuses, and closes twice without harm", async () => {
  const database = new Database(":memory:");
  database.close();
  database.close();

  const error = await assertRejects(() => database.write(() => {}), ChatError);

  assertEquals(error.message, "Cannot store that: the server is closing");
});

Deno.test("a second opening is refused until the first is closed", () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  const first = new Database(file);

  const error = assertThrows(() => new Database(file), StartError);
  first.close();

  assertEquals(
    error.message,
    `Cannot use the file ${file}: another server uses it; stop that one, or choose another file with --db`,
  );
  new Database(file).close();
});

Deno.test("a file of the schema's next version is refused, and left as it is", () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  new Database(file).close();
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  db.close();
  const before = Deno.readFileSync(file);

  const error = assertThrows(() => new Database(file), StartError);

  assert(error.message.includes("a newer version of the server wrote it"));
  assertEquals(Deno.readFileSync(file), before);
});

Deno.test(
  needs("mode that says who may read a file", {
    name: "a new file is for nobody else to read, nor what stands beside it",
    fn: async () => {
      using folder = tempFolder();
      using database = new Database(`${folder.path}/chat.db`);
      await database.write(() => {});

      for (const { name } of Deno.readDirSync(folder.path)) {
        const { mode } = Deno.statSync(`${folder.path}/${name}`);
        assertEquals(mode! & 0o777, 0o600, name);
      }
    },
  }),
);

/** Paths that cannot be used; each is made in a folder of its own. */
const UNUSABLE: readonly [what: string, why: string, make: Make][] = [
  ["text", "it is not a database", (folder) => {
    Deno.writeTextFileSync(`${folder}/chat.db`, "no database\n".repeat(1_000));
    return `${folder}/chat.db`;
  }],
  ["another program's database", "it belongs to another program", (folder) => {
    const db = new DatabaseSync(`${folder}/chat.db`);
    db.exec("CREATE TABLE bookmarks (url TEXT)");
    db.close();
    return `${folder}/chat.db`;
  }],
  ["a damaged file", "it is damaged; put a copy in its place", (folder) => {
    new Database(`${folder}/chat.db`).close();
    Deno.truncateSync(`${folder}/chat.db`, 20_000);
    return `${folder}/chat.db`;
  }],
  ["a folder", "it is a folder", (folder) => folder],
  ["a file in no folder", "there is no folder", (f) => `${f}/none/chat.db`],
  [
    "a file where we may not write",
    "the system does not let the server write there",
    () => {
      return "/sys/chat.db"; // which not even root may make
    },
  ],
];

type Make = (folder: string) => string;

for (const [what, why, make] of UNUSABLE) {
  const test = {
    name: `a database cannot be ${what}`,
    fn() {
      using folder = tempFolder();
      const path = make(folder.path);

      const error = assertThrows(() => new Database(path), StartError);

      assert(error.message.startsWith(`Cannot use the file ${path}: ${why}`));
    },
  };
  Deno.test(what.includes("write") ? needs("/sys", test) : test);
}
