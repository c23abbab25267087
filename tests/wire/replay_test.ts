/**
 * Somebody listens on the plain port while a person logs in, and tries all that
 * can be made of what was heard.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { bodyOf, makeAccount, request } from "../tools/account_tools.ts";
import { runClient } from "../tools/client_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { tempFolder } from "../tools/temp.ts";

/** What was heard of one connection. */
interface Capture {
  /** What the client said. */
  readonly client: string;
  /** What the server said. */
  readonly server: string;
}

const PASSWORD = "correct horse battery staple";

/** Lets a real client log in to `port`, and listens. */
async function hearLogin(port: number): Promise<Capture> {
  using folder = tempFolder();
  const file = `${folder.path}/password`;
  Deno.writeTextFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const to = ["alice", `127.0.0.1:${listener.addr.port}`];
  const running = runClient(
    [...to, "--login", "--password-file", file],
    "hi\n",
  );
  using client = await listener.accept();
  using server = await Deno.connect({ hostname: "127.0.0.1", port });
  const [said, answered] = await Promise.all([
    passOn(client, server),
    passOn(server, client),
  ]);
  assertEquals((await running).code, 0);
  return { client: said, server: answered };
}

/** Passes on what one side says, and gives it at the end. */
async function passOn(from: Deno.TcpConn, to: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  let heard = "";
  for (let got; (got = await from.read(buffer)) !== null;) {
    for (let at = 0; at < got;) at += await to.write(buffer.subarray(at, got));
    heard += decoder.decode(buffer.subarray(0, got), { stream: true });
  }
  await to.closeWrite().catch(() => {}); // the client may be gone
  return heard;
}

/** Says `bytes` on a connection of its own, and gives all that is answered. */
async function replay(port: number, bytes: string): Promise<string> {
  using thief = await RawClient.connect(port);
  await thief.send(bytes);
  await thief.closeWrite();
  return await thief.rest();
}

/** The body of the first frame of `text` that begins with `line`. */
function bodyIn(text: string, line: string): string {
  const frame = text.slice(text.indexOf(`${line}\n`));
  const length = Number(/^Content-length: (\d+)$/m.exec(frame)?.[1]);
  return bodyOf(frame).slice(0, length);
}

Deno.test("an eavesdropper of a whole sign-in cannot sign in with what was heard", async (t) => {
  await using server = startTestServer();
  const { port } = server;
  await makeAccount(port, "alice", PASSWORD);
  const heard = await hearLogin(port);
  const first = bodyIn(heard.client, "LOGIN alice");
  const final = bodyIn(heard.client, "PROVE alice");
  const challenge = bodyIn(heard.server, "CHALLENGE alice");
  assertStringIncludes(heard.server, "REGISTERED alice\n");
  assertStringIncludes(heard.server, "BYE\n");

  await t.step("the password is not among it", () => {
    assert(!(heard.client + heard.server).includes(PASSWORD));
    assert(!(heard.client + heard.server).includes(btoa(PASSWORD)));
  });

  await t.step("all that the client said, said again", async () => {
    const answers = await replay(port, heard.client);

    assertMatch(answers, /^CHALLENGE alice\n/);
    assertMatch(answers, /ERROR 105 [^\n]*\nFor: PROVE alice\n/);
    assert(!answers.includes("REGISTERED"), answers);
  });

  await t.step("the proof alone", async () => {
    const answers = await replay(port, request("PROVE alice", final));

    assertMatch(answers, /^ERROR 105 /);
  });

  for (
    const [what, made] of [
      ["the proof of then", (nonce: string) => final.replace(/r=[^,]*/, nonce)],
      ["the proof of then, as it was", () => final],
      ["a proof that is empty", (nonce: string) => `c=biws,${nonce},p=`],
      [
        "what the server has proved",
        (nonce: string) =>
          `c=biws,${nonce},p=${
            bodyIn(heard.server, "REGISTERED alice").slice(2)
          }`,
      ],
    ] as const
  ) {
    await t.step(`${what} for a challenge of now`, async () => {
      using thief = await RawClient.connect(port);
      const now = bodyOf(await thief.ask(request("LOGIN alice", first)));
      assert(now !== challenge);
      const nonce = /r=[^,]*/.exec(now)![0];

      const answer = await thief.ask(request("PROVE alice", made(nonce)));

      assertMatch(answer, /^ERROR (105|111) /);
    });
  }

  await t.step("the token of the visit", async () => {
    const token = /^Token: (\w+)$/m.exec(heard.server)![1];

    const answers = await replay(port, `REGISTER alice\nToken: ${token}\n\n`);

    assertMatch(answers, /^ERROR 110 /);
  });

  const logins = server.log.filter((line) =>
    line.startsWith("alice signed in")
  );
  assertEquals(logins.length, 1);
});
