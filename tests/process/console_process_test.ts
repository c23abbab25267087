/** The operator's console through a pipe: a server process and real clients. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ClientProcess } from "../tools/client_tools.ts";
import { forward, RawClient, steady } from "../tools/net/raw_client.ts";
import { HERE, Process } from "../tools/server_process.ts";
import { needs } from "../tools/system/skips.ts";

const REMOVED =
  'Reason: Cannot use this server: the name "bob" is banned (spam)';

Deno.test("an operator at a pipe sees who is here, speaks, kicks, bans and stops", async () => {
  await using server = new Process(HERE);
  const port = await server.port();
  using alice = await RawClient.enter(port, "alice", "#lab");
  using bob = await RawClient.enter(port, "bob", "#lab");
  await alice.next("NOTICE joined");

  await server.type("users\n");
  await server.out.until(/^2 users:\n {2}alice .* guest +#lab\n {2}bob .*\n/m);
  await server.type("say Break until 10:15 ☕\n");
  await server.out.until(/^Sent to 2 users\./m);
  await server.type("ban bob spam\n");
  await server.out.until(/^Banned bob and ended 1 connection\n/m);

  const said = forward("SERVER", "ALL", 1, "Break until 10:15 ☕");
  assertEquals(steady(await alice.frame()), said);
  assertEquals(
    steady(await bob.rest()),
    `${said}ERROR 117 Removed\n${REMOVED}\n\n`,
  );
  using again = await RawClient.connect(port);
  await again.send("REGISTER BOB\n\n");
  assertMatch(await again.rest(), /^ERROR 117 Removed\nFor: REGISTER BOB\n/);
  await alice.next("NOTICE offline");
  await server.type("stop\n");
  assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
  alice.close();
  assertEquals(await server.exitCode(), 0);
  assertMatch(server.out.text, /^Shutting down\n(.+\n)*.*: server closing\n$/m);
  assertEquals(server.err.text, "");
});

Deno.test(needs("signals between programs", {
  name:
    "the end of a pipe stops neither the server nor what was typed before it",
  fn: async () => {
    await using server = new Process(HERE);
    const port = await server.port();

    await server.type("mute bob\nbans"); // without a line break
    await server.endInput();
    await server.out.until(/^1 mute:\n {2}bob .*\n/m);

    using bob = await RawClient.enter(port, "bob", "#r");
    await bob.say("#r", "x");
    assertMatch(await bob.frame(), /^ERROR 120 Muted\n/);
    assertEquals(await server.stop("SIGINT"), 0);
  },
}));

Deno.test("whatever is typed, the server goes on and its terminal is unharmed", async () => {
  await using server = new Process(HERE);
  const port = await server.port();

  await server.type(crypto.getRandomValues(new Uint8Array(60_000)));
  await server.type(`\n${"x".repeat(200_000)}\n\r\n\0\n`);
  await server.type("kick \x1b[2J\x9b2J\u202ebob\nstop it\nconstructor\n");
  await server.out.until(/"constructor"/);

  assertMatch(server.out.text, /"␛\[2J<U\+009B>2J<U\+202E>bob"/);
  assertMatch(server.out.text, /Too many arguments: "it"\. Usage: stop\n/);
  // deno-lint-ignore no-control-regex -- these must not get there
  assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/.test(server.out.text));
  using alice = await RawClient.enter(port, "alice");
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  assertEquals(server.err.text, "");
});

Deno.test("our own client shows what the operator says and does to its user", async () => {
  await using server = new Process(HERE);
  const port = `${await server.port()}`;
  await using carol = new ClientProcess(
    ["carol", "127.0.0.1", "--port", port, "--plain"],
  );
  await carol.until("you joined #default");

  await server.type("say carol: go \x1b[2J home\n");
  await carol.until("): carol: go ␛[2J home\n");
  await server.type("mute carol\n");
  await server.out.until(/^Muted carol/m);
  await carol.type("why?\n");
  await carol.until(
    "! ERROR 120 Muted: Cannot send: the operator has muted you. You can still read.",
  );
  await server.type("kick carol that is why\n");
  await server.out.until(/^Disconnected carol/m);

  const { code, err } = await carol.end();
  assertEquals(code, 5);
  assertMatch(err, /ERROR 117 Removed: .* disconnected you \(that is why\)\n/);
});
