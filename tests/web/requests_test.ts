/**
 * Requests on one connection: what a client that reads nothing can have, and how
 * long the server waits for it.
 */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { textAnswer } from "../../web/serve/answer.ts";
import {
  answerRequests,
  MAX_REQUESTS,
  PATIENCE,
  type Patience,
} from "../../web/serve/requests.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { Visitor } from "../../web/serve/visitor.ts";
import { within } from "../tools/net/within.ts";
import { TestClock, timersOn } from "../tools/test_clock.ts";

const REQUEST = "GET /ui/page.ts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/** A connection whose client has sent `requests`, and how it is answered. */
function connection(
  requests: string,
  patience: Partial<Patience> = {},
  turn: () => Promise<void> | undefined = () => undefined,
) {
  const closed = Promise.withResolvers<null>();
  const failed = closed.promise.then(() => {
    throw new Deno.errors.BadResource("closed");
  });
  failed.catch(() => {});
  let writing = Promise.withResolvers<() => void>();
  const state = {
    answers: 0,
    /** Resolves when an answer is written, with what takes it. */
    get written() {
      return writing.promise;
    },
    read: 0,
  };
  const visitor = new Visitor({
    read(buffer) {
      const left = new TextEncoder().encode(requests.slice(state.read));
      const part = left.subarray(0, buffer.length);
      buffer.set(part);
      state.read += part.length;
      return part.length > 0 ? Promise.resolve(part.length) : closed.promise;
    },
    write(bytes) {
      const taken = Promise.withResolvers<number>();
      const { resolve } = writing;
      writing = Promise.withResolvers();
      resolve(() => taken.resolve(bytes.length));
      return Promise.race([taken.promise, failed]);
    },
    closeWrite: () => Promise.resolve(),
    close: () => closed.resolve(null),
  });
  const served = answerRequests(visitor, {
    patience: { ...PATIENCE, ...patience },
    maxRequests: MAX_REQUESTS,
    countRequest: () => 0,
    turn,
    answer: (asked) => {
      state.answers++;
      return textAnswer(asked, { status: 404, text: "" });
    },
  });
  return { visitor, state, served };
}

Deno.test("a request is answered when the system has taken the answer to the last", async () => {
  const { visitor, state, served } = connection(REQUEST.repeat(10_000));

  for (let answers = 1; answers <= 3; answers++) {
    const take = await within(state.written, () => `answer ${answers}`);
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals(state.answers, answers);
    take(); // now the next one is made
  }

  assertLess(state.read, 3 * 2_048 + 1); // three reads, and no more
  visitor.close();
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
    const { visitor, served } = connection(requests, patience);

    await within(served, () => "the end");

    assert(visitor.isClosed);
  });
}

Deno.test("the wait for an answer's turn does not count as the client's time", async () => {
  const clock = new TestClock();
  using _timers = timersOn(clock);
  const asked = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<void>();
  const { visitor, state, served } = connection(REQUEST, {}, () => {
    asked.resolve();
    return passed.promise;
  });

  await asked.promise;
  clock.pass(3 * PATIENCE.answerMs);
  passed.resolve();
  await Promise.race([state.written, served]);

  assertEquals(state.answers, 1);
  visitor.close();
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
  using web = startWeb({
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
    using web = startWeb({
      hostname: "127.0.0.1",
      port: 0,
      welcome: () => {},
    });

    const text = await ask(web.port, request);

    assertMatch(text, new RegExp(`^HTTP/1.1 ${status} `));
    assertEquals(text.split("HTTP/1.1 ").length, 2);
  });
}
