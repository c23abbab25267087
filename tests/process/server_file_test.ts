/**
 * Files that the server cannot use: what whoever starts it is told, in one line
 * and with exit code 2, by the process itself.
 */
import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Database } from "../../server/journal/database.ts";
import { MIGRATIONS } from "../../server/journal/schema.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { noPermissions, Process } from "../tools/server_process.ts";
import { needs, skippedIf } from "../tools/system/skips.ts";
import { tempFolder } from "../tools/temp.ts";

const LOCAL = ["--host", "127.0.0.1", "--port", "0"];
const ELSEWHERE = "choose another file with --db";
const NOT_ALLOWED =
  `the system does not let the server write there; see to its permissions, or ${ELSEWHERE}`;

/** Makes a file that cannot be used. */
type Make = (file: string, folder: string) => void;

const PERMISSIONS: readonly [what: string, make: Make][] = [
  ["in a read-only folder", (_file, folder) => Deno.chmodSync(folder, 0o555)],
  ["that is there, in a read-only folder", (file, folder) => {
    new Database(file).close();
    Deno.chmodSync(folder, 0o555);
  }],
  ["that is read-only", (file) => {
    new Database(file).close();
    Deno.chmodSync(file, 0o444);
  }],
  ["that may not be read", (file) => {
    new Database(file).close();
    Deno.chmodSync(file, 0o000);
  }],
];

const CONTENTS: readonly [what: string, why: string, make: Make][] = [
  ["that is not a database", `it is not a database; ${ELSEWHERE}`, (file) => {
    Deno.writeTextFileSync(file, "no database\n".repeat(1_000));
  }],
  [
    "of another program",
    `it belongs to another program; ${ELSEWHERE}`,
    (file) => change(file, "CREATE TABLE bookmarks (url TEXT)"),
  ],
  [
    "of a newer server",
    `a newer version of the server wrote it; use that version, or ${ELSEWHERE}`,
    (file) => {
      new Database(file).close();
      change(file, `PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    },
  ],
];

function change(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

for (const [what, make] of PERMISSIONS) {
  Deno.test(skippedIf(noPermissions, {
    name: `server.ts refuses a file ${what}`,
    fn: () => refuses(NOT_ALLOWED, make),
  }));
}

for (const [what, why, make] of CONTENTS) {
  Deno.test(`server.ts refuses a file ${what}, and leaves it as it is`, async () => {
    await refuses(why, make);
  });
}

Deno.test("server.ts refuses the file of a server that runs, which goes on", async () => {
  using folder = tempFolder();
  const options = [...LOCAL, "--db", `${folder.path}/chat.db`];
  await using first = new Process(options);
  using alice = await RawClient.enter(await first.port(), "alice", "#r");
  await using second = new Process(options);

  assertEquals(await second.exitCode(), 2);
  assertEquals(
    second.err.text,
    `Cannot use the file ${folder.path}/chat.db: another server uses it; stop that one, or ${ELSEWHERE}\n`,
  );
  await alice.say("#r", "still here");
  assertEquals((await alice.frame()).split("\n")[0], "SENT #r");
});

/** Whether a server says `why` it cannot use a file, and does not change it. */
async function refuses(why: string, make: Make): Promise<void> {
  using folder = tempFolder();
  const inside = `${folder.path}/inside`;
  const file = `${inside}/chat.db`;
  Deno.mkdirSync(inside);
  make(file, inside);
  const before = contentsOf(inside);
  await using server = new Process([...LOCAL, "--db", file], {
    permissions: true,
  });

  const code = await server.exitCode();

  assertEquals([code, server.out.text], [2, ""]);
  assertEquals(server.err.text, `Cannot use the file ${file}: ${why}\n`);
  Deno.chmodSync(inside, 0o755);
  assertEquals(contentsOf(inside), before);
}

/** The files in a folder, and when each was changed. */
function contentsOf(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => {
    const { size, mtime } = Deno.statSync(`${folder}/${name}`);
    return `${name} ${size} ${mtime?.getTime()}`;
  });
}

Deno.test(needs("shell sh", {
  name: "a server whose database another program synchronizes warns once",
  async fn() {
    using folder = tempFolder();
    const home = Deno.realPathSync(folder.path);
    Deno.mkdirSync(`${home}/Dropbox`);
    const info = new Deno.Command(Deno.execPath(), {
      args: ["info", "--json"],
    });
    const { stdout } = await info.output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
    await using server = new Process(
      [...LOCAL, "--db", `${home}/Dropbox/parley.db`],
      { before: `export DENO_DIR='${denoDir}' HOME='${home}'` },
    );

    await server.out.until(
      /parley\.db\n\nWarning: Dropbox synchronizes the folder of this file, which can damage the file\. Choose another folder with --db\.\n\n/,
    );

    await server.type("stop\n");
    assertEquals(await server.exitCode(), 0);
    assertEquals(server.out.text.split("Warning: Dropbox").length, 2);
  },
}));
