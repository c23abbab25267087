/** Which snapshots a server gives to others, and which it does not make. */
import { assertEquals } from "@std/assert";
import { SnapshotSource } from "../../../server/cluster/log/snapshot_source.ts";
import {
  answerOf,
  encodeJson,
  PART_BYTES,
  type ReadySnapshot,
} from "../../../server/cluster/log/snapshot_wire.ts";
import { Database } from "../../../server/journal/database.ts";
import { tempFolder } from "../../tools/temp.ts";

/** What the source answers, when it has made what it makes. */
async function asked(source: SnapshotSource, from: number) {
  for (;;) {
    const bytes = await source.answer(encodeJson({ from }));
    const answer = answerOf(bytes!);
    if (answer?.state !== "making") return answer;
    await new Promise((resolve) => setTimeout(resolve, 1)); // it is asked again
  }
}

Deno.test("a request beyond what a server has read makes no copy, and the one that others read stays", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/a.db`;
  using database = new Database(db);
  database.prepare("INSERT INTO cluster VALUES ('m', 7, 'h', 'g')").run();
  const log: string[] = [];
  await using source = new SnapshotSource({
    ...{ database, db, log: (line: string) => void log.push(line) },
  });

  const ready = await asked(source, 7) as ReadySnapshot;
  const beyond = await asked(source, 8);
  const part = await source.answer(encodeJson({ id: ready.id, at: 0 }));
  const again = await asked(source, 0) as ReadySnapshot;

  assertEquals(ready.state, "ready");
  assertEquals(beyond, {
    state: "failed",
    why: "it has read the log up to 7, and not up to 8",
  });
  assertEquals(part?.length, Math.min(PART_BYTES, ready.bytes));
  assertEquals(again.id, ready.id);
  assertEquals(log, []);
});
