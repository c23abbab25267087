/** The journal in memory: its limit. What all journals do: journal_test.ts. */
import { assert, assertEquals } from "@std/assert";
import type { Draft } from "../../../server/chat/batch.ts";
import { MemoryJournal } from "../../../server/journal/memory_journal.ts";
import { bytes, told } from "../../tools/net/raw_client.ts";

function arrange({ maxBytes }: { maxBytes: number }) {
  const delivered: number[] = [];
  const journal = new MemoryJournal({ maxBytes });
  journal.connect({
    deliver: ({ firstId }) => {
      delivered.push(firstId);
      return { recipients: 2, acknowledged: [], congested: [] };
    },
  });
  return { journal, delivered };
}

function draft(to: string, body: string): Draft {
  return { to, body: bytes(body) };
}

Deno.test("MemoryJournal keeps what fits, the newest, and forgets rooms that are empty", async () => {
  const { journal } = arrange({ maxBytes: 5_000 });
  await journal.append("a", [draft("#old", "first")]);

  for (let i = 0; i < 100; i++) {
    await journal.append("a", [draft("#r", `${i}`)]);
  }

  const kept = told(
    await Array.fromAsync(journal.history("#r", { limit: 1_000 })),
  );
  assert(kept.length >= 5 && kept.length <= 20, `${kept.length}`);
  assertEquals(kept.at(-1), "101 99");
  assertEquals(kept[0]?.split(" ")[0], `${journal.oldestId}`);
  assertEquals([...journal.rooms()], ["#r"]);
  assertEquals(journal.roomName("#old"), undefined);
});

Deno.test("MemoryJournal takes a message that is larger than all it may hold", async () => {
  const { journal, delivered } = arrange({ maxBytes: 1_000 });

  const [stored] = await journal.append("a", [draft("#r", "x".repeat(5_000))]);
  await journal.append("a", [draft("#r", "y")]);

  assertEquals(stored?.firstId, 1);
  assertEquals(delivered.length, 2);
  assertEquals(
    told(await Array.fromAsync(journal.history("#r", { limit: 9 }))),
    ["2 y"],
  );
});
