/** How far conversations are read, in the database. */
import { assertEquals } from "@std/assert";
import { Accounts } from "../../../server/accounts/accounts.ts";
import { Database } from "../../../server/journal/database.ts";
import type { ReadEntry } from "../../../server/journal/entries.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import type { Log } from "../../../server/journal/log.ts";
import {
  MAX_READ_MARKS,
  ReadMarks,
} from "../../../server/session/devices/read_marks.ts";
import { verifierFor } from "../../tools/account_tools.ts";

/** An account that has read so many rooms, the room `#rN` up to the id 10 + N. */
async function arrange(rooms: number) {
  const database = new Database(IN_MEMORY);
  let entries = 0;
  const log: Log = {
    register(kind, applier) {
      const append = database.register(kind, applier);
      return async (entry) => {
        entries++;
        return await append(entry);
      };
    },
  };
  const account = await new Accounts(database, 0).create({
    ...{ name: "alice", verifier: await verifierFor("pencil") },
    ...{ since: 0, keyScope: "k", network: "" },
  });
  const told: ReadEntry[] = [];
  const changed = (entry: ReadEntry) => void told.push(entry);
  const marks = new ReadMarks(database, { entries: log, changed });
  const put = (target: string, id: number) =>
    marks.put(account, { target, id }, 1);
  for (let n = 0; n < rooms; n++) await put(`#r${n}`, 10 + n);
  told.length = entries = 0;
  return {
    ...{ account, marks, put, told },
    entries: () => entries,
    [Symbol.dispose]: () => database.close(),
  };
}

for (
  const [rooms, id, isStored] of [
    [MAX_READ_MARKS - 1, 1, true],
    [MAX_READ_MARKS, 9, false],
    [MAX_READ_MARKS, 11, true],
  ] as const
) {
  Deno.test(`of ${rooms} conversations read since 10, one more up to ${id} is ${isStored ? "stored" : "told alone"}`, async () => {
    using given = await arrange(rooms);
    const { account, marks, put, told } = given;

    await put("#new", id);
    await put("#new", id);

    assertEquals(marks.of(account, "#new"), isStored ? id : 0);
    assertEquals(given.entries(), isStored ? 1 : 0);
    assertEquals(told[0]?.target, "#new");
    assertEquals(
      marks.all(account).length,
      Math.min(rooms + Number(isStored), MAX_READ_MARKS),
    );
  });
}

Deno.test("a conversation that is stored goes on, also the one read longest ago", async () => {
  using given = await arrange(MAX_READ_MARKS);
  const { account, marks, put } = given;

  await put("#r0", 11);
  await put("#r0", 10);

  assertEquals(marks.of(account, "#r0"), 11);
  assertEquals(given.entries(), 1);
});
