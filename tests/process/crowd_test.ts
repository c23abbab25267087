/** A thousand clients at once on one running server. */
import { assert, assertEquals } from "@std/assert";
import { RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { PATIENCE_MS } from "../tools/net/within.ts";
import { enough } from "../tools/system/amounts.ts";
import { needsOfWine } from "../tools/system/skips.ts";
import { NO_RATES } from "../../server/limits/rates.ts";

const MEMBERS = enough(1_000);
const TALKERS = enough(100);

const name =
  "a thousand clients chat, a hundred of whom come in the same second";

// With Wine, of a hundred clients some are told 115: no write ends for 15 s.
Deno.test(needsOfWine("fast sockets", { name, fn: meet }));

async function meet(): Promise<void> {
  await using server = startTestServer({
    rates: NO_RATES,
    maxConnectionsPerAddress: MEMBERS,
    registerWithinMs: PATIENCE_MS, // a slow machine may need more than usual
  });
  using crowd = new DisposableStack();
  const enter = async (i: number) => {
    const client = crowd.use(await RawClient.connect(server.port));
    await client.send(`REGISTER user${i}\n\nJOIN #default\n\n`);
    await client.next("JOINED");
    return client;
  };
  const early = await Promise.all(
    Array.from({ length: MEMBERS - TALKERS }, (_, i) => enter(i)),
  );
  const late = await Promise.all(
    Array.from({ length: TALKERS }, (_, i) => enter(MEMBERS - TALKERS + i)),
  );
  const all = [...early, ...late];

  await Promise.all(late.map((client, i) => client.say("#default", `hi ${i}`)));
  const heard = await Promise.all(all.map(async (client, i) => {
    const speaks = i >= MEMBERS - TALKERS;
    const ids: number[] = [];
    const bodies = new Set<string>();
    let answered = !speaks;
    while (bodies.size < TALKERS - (speaks ? 1 : 0) || !answered) {
      const frame = await client.frame();
      if (frame.startsWith("SENT")) answered = true;
      if (!frame.startsWith("FORWARD")) continue;
      ids.push(Number(/^Id: (\d+)$/m.exec(frame)?.[1]));
      bodies.add(frame.split("\n\n")[1]!);
    }
    assertEquals(ids, ids.toSorted((a, b) => a - b));
    return bodies.size;
  }));

  assertEquals(
    heard.reduce((a, b) => a + b),
    (MEMBERS - TALKERS) * TALKERS + TALKERS * (TALKERS - 1),
  );
  await early[0]!.send("WHO #default\n\n");
  const who = await early[0]!.next("WHO");
  assertEquals(who.split("\n").length, MEMBERS + 4);
  assert(server.log.length >= 3 * MEMBERS);
}
