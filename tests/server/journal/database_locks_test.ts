/** What is said where files cannot be locked, as on some network drives. */
import { assertEquals } from "@std/assert";
import { explained } from "../../../server/journal/database_file.ts";
import { StartError } from "../../../server/journal/start_error.ts";
import { tempFolder } from "../../tools/temp.ts";

const NO_LOCKS = "its disk cannot lock files; a network drive may be the " +
  "reason; choose a file on a disk of this computer with --db";
const IN_USE =
  "another server uses it; stop that one, or choose another file with --db";

/** What SQLite says, about a file with so much in it, and what is told. */
const ERRORS: readonly [what: string, errcode: number, text: string, string][] =
  [
    ["BUSY for an empty file", 5, "", NO_LOCKS],
    ["BUSY for a file that a server wrote", 5, "SQLite", IN_USE],
    ["PROTOCOL", 15, "SQLite", NO_LOCKS],
    ["IOERR_RDLOCK", 2_314, "", NO_LOCKS],
    ["IOERR_CHECKRESERVEDLOCK", 3_594, "SQLite", NO_LOCKS],
    ["IOERR_LOCK", 3_850, "SQLite", NO_LOCKS],
    ["IOERR_SHMLOCK", 5_130, "SQLite", NO_LOCKS],
    ["IOERR_SHMMAP", 5_386, "SQLite", NO_LOCKS],
    [
      "IOERR_READ",
      266,
      "SQLite",
      "its disk fails; check the disk, or choose another file with --db",
    ],
    [
      "FULL",
      13,
      "SQLite",
      "its disk is full; make room, or choose another file with --db",
    ],
    [
      "NOMEM",
      7,
      "SQLite",
      "the server is out of memory; end other programs",
    ],
    [
      "CANTOPEN",
      14,
      "SQLite",
      "the server cannot open its file; see to its permissions, or choose " +
      "another file with --db",
    ],
  ];

for (const [what, errcode, text, told] of ERRORS) {
  Deno.test(`a file that cannot be locked is said: ${what}`, () => {
    using folder = tempFolder();
    const path = `${folder.path}/chat.db`;
    Deno.writeTextFileSync(path, text);

    const error = explained(path, Object.assign(new Error("?"), { errcode }));

    assertEquals(error instanceof StartError, true);
    assertEquals(
      (error as StartError).message,
      `Cannot use the file ${path}: ${told}`,
    );
  });
}
