/**
 * Requests on one connection: what a client that reads nothing can have, and how
 * long the server waits for it.
 */
import { once } from "node:events";
import { Duplex } from "node:stream";
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { textAnswer } from "../../web/serve/answer.ts";
import {
  answerRequests,
  MAX_REQUESTS,
  PATIENCE,
  type Patience,
} from "../../web/serve/requests.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { within } from "../tools/net/within.ts";
import { TestClock, timersOn } from "../tools/test_clock.ts";

const REQUEST = "GET /ui/page.ts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/** A connection whose client has sent `requests`, and how it is answered. */
function connection(
  requests: string,
  patience: Partial<Patience> = {},
  turn: () => Promise<void> | undefined = () => undefined,
) {
  const state = {
    answers: 0,
    /** Takes what was written last. */
    take: () => {},
    read: 0,
    written: "",
  };
  const socket = new Duplex({
    read() {
      const bytes = requests.slice(state.read, state.read + 1_024);
      state.read += bytes.length;
      if (bytes) this.push(bytes);
    },
    write(bytes, _encoding, done) {
      state.written += bytes;
      state.take = done;
      socket.emit("written");
    },
  });
  const served = answerRequests(socket, {
    patience: { ...PATIENCE, ...patience },
    maxRequests: MAX_REQUESTS,
    countRequest: () => 0,
    turn,
    answer: (asked) => {
      state.answers++;
      return textAnswer(asked, { status: 404, text: "" });
    },
  });
  return { socket, state, served };
}

Deno.test("a request is answered when the system has taken the answer to the last", async () => {
  const { socket, state, served } = connection(REQUEST.repeat(10_000));

  for (let answers = 1; answers <= 3; answers++) {
    await within(once(socket, "written"), () => `answer ${answers}`);
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals(state.answers, answers);
    state.take(); // now the next one is made
  }

  // What the socket reads ahead, and no more.
  assertLess(state.read, 200_000);
  socket.destroy();
  await served;
});

for (
  const [what, patience] of [
    ["answer", { answerMs: 10 }],
    ["first request", { firstMs: 10 }],
  ] as const
) {
  Deno.test(`a client that is late with its ${what} is disconnected`, async () => {
    const requests = what === "answer" ? REQUEST : "GET / HTTP/1.1\r\n";
    const { socket, served } = connection(requests, patience);

    await within(served, () => "the end");

    assert(socket.destroyed);
  });
}

Deno.test("the wait for an answer's turn does not count as the client's time", async () => {
  const clock = new TestClock();
  using _timers = timersOn(clock);
  const asked = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<void>();
  const { socket, state, served } = connection(REQUEST, {}, () => {
    asked.resolve();
    return passed.promise;
  });

  await asked.promise;
  clock.pass(3 * PATIENCE.answerMs);
  passed.resolve();
  await Promise.race([once(socket, "written"), served]);

  assertEquals(state.answers, 1);
  socket.destroy();
  await served;
});

/** Sends `text` and ends; gives all that is answered. */
async function ask(port: number, text: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const answered = new Response(conn.readable).text();
  await conn.write(new TextEncoder().encode(text));
  return await within(answered, () => "the end");
}

Deno.test("requests that are sent at once are answered in order, and so many on a connection", async () => {
  using web = await startWeb({
    hostname: "127.0.0.1",
    port: 0,
    welcome: () => {},
  });

  const text = await ask(web.port, REQUEST.repeat(1_000));

  const answers = text.split("HTTP/1.1 200 OK").slice(1);
  assertEquals(answers.length, MAX_REQUESTS);
  assertMatch(answers.at(-1)!, /\r\nConnection: close\r\n/);
  assertMatch(answers.at(-2)!, /\r\nConnection: keep-alive\r\n/);
});

for (
  const [status, request] of [
    [400, "REGISTER alice\n"],
    [400, "\x16\x03\x01"],
    [
      405,
      `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n${REQUEST}`,
    ],
    [
      431,
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: ${"a".repeat(9_000)}\r\n\r\n`,
    ],
  ] as const
) {
  Deno.test(`${JSON.stringify(request.slice(0, 20))} is answered ${status}, and nothing after it`, async () => {
    using web = await startWeb({
      hostname: "127.0.0.1",
      port: 0,
      welcome: () => {},
    });

    const text = await ask(web.port, request);

    assertMatch(text, new RegExp(`^HTTP/1.1 ${status} `));
    assertEquals(text.split("HTTP/1.1 ").length, 2);
  });
}
