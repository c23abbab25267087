/**
 * The rates of two-socket clients: what nothing asked for, or what is refused, is
 * slowed down like the requests of others.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  ADDRESS_SHARE,
  BURST_SECONDS,
  NO_RATES,
} from "../../../server/limits/rates.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { passWhileWaiting, TestClock } from "../../tools/test_clock.ts";

const RATES = { ...NO_RATES, requests: 10 };

/** As many as come at once. */
const BURST = RATES.requests * BURST_SECONDS;

/** Sends on one socket, and is answered there so many times. */
const SLOWED: readonly [role: string, what: string, answers: number][] = [
  ["TORECV", "RECEIVED x\n\n", 0],
  ["TORECV", "ERROR 103 Header Incomplete\n\n", 0],
  ["TORECV", "FLY\n\n", 1],
  ["TOSEND", "FLY\n\n", 1],
  ["TOSEND", "SEND nobody\nContent-length: 1\n\nx", 1],
];

for (const [role, what, answers] of SLOWED) {
  Deno.test(`a ${role} socket that sends ${JSON.stringify(what)} without end is slowed down`, async () => {
    const clock = new TestClock();
    await using server = startTestServer({ rates: RATES, clock });
    using user = await enter(server.port, "alice");
    const socket = user.sockets.get(role)!; // both are there
    const count = BURST + 2;

    await socket.send(what.repeat(count));
    const acting = (async () => {
      for (let i = 0; i < count * answers; i++) await socket.next("ERROR");
      assertMatch(await socket.ask("FLY\n\n"), /^ERROR 105 /);
    })();
    await passWhileWaiting(clock, acting);

    assert(clock.now() >= 200, `it was let through in ${clock.now()} ms`);
  });
}

Deno.test("receiving sockets that send what nothing asked for wait for their address", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ rates: RATES, clock });
  using room = new DisposableStack();
  const sockets: RawClient[] = [];
  for (let i = 0; i <= ADDRESS_SHARE; i++) {
    const user = room.use(await enter(server.port, `alice${i}`));
    sockets.push(user.sockets.get("TORECV")!); // it is there
  }

  const acting = (async () => {
    for (const socket of sockets) { // each within its own rate
      await socket.send("RECEIVED x\n\n".repeat(BURST - 5));
      assertMatch(await socket.ask("FLY\n\n"), /^ERROR 105 /);
    }
    assertMatch(await sockets[0]!.ask("FLY\n\n"), /^ERROR 105 /); // is one of them
  })();
  await passWhileWaiting(clock, acting);

  assert(clock.now() >= 1_000, `they were let through in ${clock.now()} ms`);
});

/** Registers both sockets of a user. */
async function enter(port: number, name: string) {
  const sockets = new Map<string, RawClient>();
  for (const role of ["TOSEND", "TORECV"]) {
    const socket = await RawClient.connect(port);
    const answer = await socket.ask(`REGISTER ${role} ${name}\n\n`);
    assertEquals(answer, `REGISTERED ${role} ${name}\n\n`);
    sockets.set(role, socket);
  }
  return {
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets.values()) socket[Symbol.dispose]();
    },
  };
}
