/** The handshake of a direct connection: who is let in, and who is not. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import type { ByteStream } from "../../../core/net/stream.ts";
import type { Channel } from "../../../client/direct/channel.ts";
import { Failure } from "../../../client/view/failure.ts";
import {
  Agreement,
  commitmentTo,
  handshake,
  type KeyPair,
  newKeyPair,
} from "../../../client/direct/handshake.ts";
import {
  agreements,
  receiveAll,
  record,
  replay,
  tcpPair,
} from "../../tools/direct_tools.ts";

/** Both sides' channels, the dialler's first; or why there is none. */
async function shake(
  dialler: Agreement,
  listener: Agreement,
): Promise<PromiseSettledResult<Channel>[]> {
  const [a, b] = await tcpPair();
  const attempt = async (conn: Deno.TcpConn, agreement: Agreement) => {
    const dialled = agreement === dialler;
    try {
      return (await handshake(conn, { agreement, dialled })).channel;
    } catch (error) {
      conn.close();
      throw error;
    }
  };
  return await Promise.allSettled([
    attempt(a, dialler),
    attempt(b, listener),
  ]);
}

async function shaken(
  dialler: Agreement,
  listener: Agreement,
): Promise<[Channel, Channel]> {
  const [a, b] = await shake(dialler, listener);
  assert(a?.status === "fulfilled" && b?.status === "fulfilled");
  return [a.value, b.value];
}

for (const callerDials of [true, false]) {
  const who = callerDials ? "the caller" : "the called side";

  Deno.test(`when ${who} dials both get the channel, and the same six digits`, async () => {
    const [caller, called] = await agreements();
    const sides = callerDials ? [caller, called] : [called, caller];
    const [a, b] = await shaken(sides[0]!, sides[1]!);

    const received = [receiveAll(a), receiveAll(b)];
    await a.send(record("to b"));
    await b.send(record("to a"));
    await Promise.all([a, b].map((one) => one[Symbol.asyncDispose]()));

    assertEquals(await Promise.all(received), [["to a"], ["to b"]]);
    assertMatch(caller.code, /^\d{6}$/);
    assertEquals(caller.code, called.code);
  });
}

/** What both sides write on one connection. */
async function overheard(
  dialler: Agreement,
  listener: Agreement,
  text: string,
): Promise<string[]> {
  const said: Uint8Array<ArrayBuffer>[][] = [[], []];
  const channels = (await tcpPair()).map((conn, index) => {
    const stream: ByteStream = {
      read: (buffer) => conn.read(buffer),
      write(bytes) {
        said[index]!.push(new Uint8Array(bytes));
        return conn.write(bytes);
      },
      close: () => conn.close(),
      closeWrite: () => conn.closeWrite(),
    };
    const agreement = index === 0 ? dialler : listener;
    return handshake(stream, { agreement, dialled: index === 0 })
      .then(({ channel }) => channel);
  });
  const [a, b] = await Promise.all(channels);
  await a!.send(record(text));
  await Promise.all([a, b].map((one) => one![Symbol.asyncDispose]()));
  return await Promise.all(
    said.map(async (parts) => (await new Blob(parts).bytes()).toHex()),
  );
}

Deno.test("a session's next connection has other keys, and no byte to read", async () => {
  const [caller, called] = await agreements();
  const text = "nobody reads this";
  const first = await overheard(caller, called, text);
  const second = await overheard(caller, called, text);

  const tail = 2 * (16 + text.length + 20); // the record, and the end
  assertNotEquals(first[0]!.slice(-tail), second[0]!.slice(-tail));
  const secret = record(text).toHex();
  assert([...first, ...second].every((hex) => !hex.includes(secret)));
});

Deno.test("a session's keys are of no use in another session", async () => {
  const [caller, called] = await agreements();
  const [other] = await agreements();
  for (const dialler of [caller, other]) {
    const listener = dialler === caller ? other : called;
    const results = await shake(dialler, listener);

    assert(results.every(({ status }) => status === "rejected"));
  }
});

Deno.test("a caller who shows another key than she has announced is refused", async () => {
  const [, called] = await agreements();
  const liar = new Agreement({
    role: "caller",
    session: called.session,
    pair: await newKeyPair(),
    theirs: called.pair.publicKey,
  });

  for (const sides of [[liar, called], [called, liar]] as const) {
    const results = await shake(...sides);
    const refusal = results[sides.indexOf(called)]!;
    assert(refusal.status === "rejected");
    assertMatch(`${refusal.reason}`, /not the one that the server sent/);
  }
  assertEquals(called.code, "");
});

Deno.test("keys of low order, of which everybody knows the secret, are refused", async () => {
  const zero = new Uint8Array(32);
  const session = new Uint8Array(16);
  const pair = await newKeyPair();
  const agreement = new Agreement({
    role: "caller",
    session,
    pair,
    theirs: zero,
  });

  await assertRejects(() => agreement.secretWith(zero), Failure);
});

Deno.test("an attacker in the middle with a key for each side shows in the verification code", async () => {
  const session = crypto.getRandomValues(new Uint8Array(16));
  const [alice, bob] = [await newKeyPair(), await newKeyPair()];
  const [toAlice, toBob] = [await newKeyPair(), await newKeyPair()];
  const part =
    (role: "caller" | "called", pair: KeyPair, theirs: KeyPair) =>
    async () => ({
      role,
      session,
      pair,
      theirs: role === "caller"
        ? theirs.publicKey
        : await commitmentTo(theirs.publicKey),
    });
  const hers = new Agreement(await part("caller", alice, toAlice)());
  const his = new Agreement(await part("called", bob, toBob)());
  const between = [
    new Agreement(await part("called", toAlice, alice)()),
    new Agreement(await part("caller", toBob, bob)()),
  ] as const;

  const channels = [
    ...await shaken(hers, between[0]),
    ...await shaken(between[1], his),
  ];

  assertEquals(hers.code, between[0].code);
  assertNotEquals(hers.code, his.code);
  await Promise.all(channels.map((one) => one[Symbol.asyncDispose]()));
});

Deno.test("a caller sends nothing to a service that does not greet as we do", async () => {
  const [agreement] = await agreements();
  const said: string[] = [];
  for (const greeting of ["SSH-2.0-OpenSSH_9.2\r\n", "parley/2", "p", ""]) {
    const stream: ByteStream = {
      ...replay(record(greeting)),
      write(bytes) {
        said.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
    };

    await assertRejects(
      () => handshake(stream, { agreement, dialled: true }),
      Failure,
      "wrong peer",
    );
  }
  assertEquals(said, []);
});

Deno.test("a listener tells a stranger nothing but that it listens", async () => {
  const [, agreement] = await agreements();
  for (const words of ["GET / HTTP/1.1\r\n\r\n", "\0".repeat(200), ""]) {
    const said: string[] = [];
    const stream: ByteStream = {
      ...replay(record(words)),
      write(bytes) {
        said.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
    };

    await assertRejects(
      () => handshake(stream, { agreement, dialled: false }),
      Failure,
      "wrong peer",
    );
    assertEquals(said, ["parley/1"]);
  }
});

Deno.test("what one side sent on an earlier connection opens no other", async () => {
  const [caller, called] = await agreements();
  const [said] = await overheard(caller, called, "once");
  const stream = replay(Uint8Array.fromHex(said!));

  await assertRejects(
    () => handshake(stream, { agreement: called, dialled: false }),
    Failure,
    "its proof is wrong",
  );
});

Deno.test("a connection that the caller does not choose is no channel for either", async () => {
  const [caller, called] = await agreements();
  const [a, b] = await tcpPair();

  const hers = handshake(a, {
    agreement: caller,
    dialled: true,
    choose: () => false,
  }).finally(() => a.close());
  const his = handshake(b, { agreement: called, dialled: false });

  await Promise.all([
    assertRejects(() => hers, Failure, "another connection was faster"),
    assertRejects(() => his),
  ]);
  b.close();
});
