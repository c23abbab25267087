/** One who has stopped reading costs nobody else anything. */
import { assertEquals, assertMatch } from "@std/assert";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { passWhileWaiting, TestClock } from "../../tools/test_clock.ts";
import { enough } from "../../tools/system/amounts.ts";
import { NO_RATES } from "../../../server/limits/rates.ts";

const READERS = enough(98); // each is sent seven megabytes

/** More than the system takes for somebody, and then what the server holds. */
const MESSAGES = 120;
const BODY = "x".repeat(60_000);

Deno.test("one stuck reader in a room of a hundred is told 115, and the others lose nothing", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ rates: NO_RATES, clock });
  using room = new DisposableStack();
  const enter = async (name: string) =>
    room.use(await RawClient.enter(server.port, name, "#full"));
  const readers = await Promise.all(
    Array.from({ length: READERS }, (_, i) => enter(`reader${i}`)),
  );
  const stuck = await enter("stuck");
  const sender = await enter("sender");

  const hearing = readers.map(async (reader) => {
    const ids: string[] = [];
    while (ids.length < MESSAGES) {
      ids.push(headerOf(await reader.next("FORWARD sender"), "Id"));
    }
    return ids;
  });
  // It has a second to read what it is told last: from then on no time passes.
  const leaving = passWhileWaiting(
    clock,
    server.logged("stuck disconnected: too slow"),
  ).then(() => stuck.rest());
  const sending = async () => {
    const ids: string[] = [];
    for (let i = 0; i < MESSAGES; i++) {
      await sender.say("#full", BODY);
      ids.push(headerOf(await sender.next("SENT #full"), "Id"));
    }
    return ids;
  };
  const [sent, told, ...heard] = await Promise.all([
    sending(),
    leaving,
    ...hearing,
  ]);

  for (const ids of heard) assertEquals(ids, sent);
  const lastWords = told.slice(-200);
  assertMatch(lastWords, /ERROR 115 Too slow\nReason: .+\nLimit: \d+\n\n$/);
  assertEquals(
    server.log.filter((line) => line.includes("too slow")).length,
    1,
  );
});
