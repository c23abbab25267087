/** Each program with exactly the permissions that its task gives it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { X509Certificate } from "node:crypto";
import {
  ClientProcess,
  hasTmux,
  quietServer,
  TmuxScreen,
} from "../tools/client_tools.ts";
import { snapshot, writeFiles } from "../tools/file_tools.ts";
import {
  denoDir,
  permissionsOf,
  readUntil,
  run,
} from "../tools/permissions.ts";
import { within } from "../tools/net/raw_client.ts";
import { HERE } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { startTlsServer } from "../tools/net/tls_tools.ts";

const root = new URL("../../", import.meta.url).pathname;
const decoder = new TextDecoder();

Deno.test("server and client need no more than their tasks allow", async () => {
  using folder = tempFolder();
  const args = ["--port", "0", "--tls", "--tls-port", "0"];
  const server = run("server", { args, cwd: folder.path });
  const port = await within(
    readUntil(server.stdout, /Listening on port (\d+),/),
    () => "the server",
  );
  const client = run("client", {
    args: ["alice", "127.0.0.1", "--port", port],
    cwd: folder.path,
  });

  const lines = client.stdin.getWriter();
  await lines.write(new TextEncoder().encode("hello\n"));
  await lines.close();
  const said = await within(client.output(), () => "the client");
  server.kill("SIGTERM");
  await server.stdin.close();
  const log = await within(server.output(), () => "the end of the server");

  assertEquals([said.code, decoder.decode(said.stderr)], [0, ""]);
  assertEquals([log.code, decoder.decode(log.stderr)], [0, ""]);
  assertStringIncludes(decoder.decode(log.stdout), "alice disconnected");
  assert((await Deno.stat(`${folder.path}/parley.db`)).isFile);
});

/** What each needs from the beginning; the rest is for more than to talk. */
const AT_START = {
  server: ["net", "read", "write", "sys"], // and env, on a terminal
  client: ["net", "env"],
} as const;

for (const program of ["server", "client"] as const) {
  for (const missing of AT_START[program]) {
    Deno.test(`${program}.ts without --allow-${missing} says what is missing`, async () => {
      using folder = tempFolder();
      const args = program === "server"
        ? ["--port", "0"]
        : ["alice", "127.0.0.1:9"];

      const child = run(program, {
        permissions: permissionsOf(program, folder.path)
          .filter((one) => !one.startsWith(`--allow-${missing}`)),
        args,
        cwd: folder.path,
      });
      await child.stdin.close();
      const { code, stderr } = await within(child.output(), () => "the end");
      const told = decoder.decode(stderr);

      assertEquals(told.includes("    at "), false, "no stack");
      assert([2, 3].includes(code), `it ended with ${code}: ${told}`);
      assert(told.includes(`run again with the --allow-${missing} flag`), told);
    });
  }
}

/** A client of somebody at home in `home`, with the task's permissions. */
function personAt(
  home: string,
  args: readonly string[],
  without = "none",
): ClientProcess {
  const permissions = permissionsOf("client", home)
    .filter((one) => !one.startsWith(`--allow-${without}`));
  const env = { HOME: home, XDG_CONFIG_HOME: "", DENO_DIR: denoDir };
  return new ClientProcess([...args], env, { permissions });
}

for (const [how, without] of [["", "none"], [", and not even sys", "sys"]]) {
  Deno.test(`a direct session and a file need no more than the task allows${how}`, async () => {
    using hers = tempFolder();
    using his = tempFolder();
    writeFiles(`${hers.path}/Downloads`, { notes: 100_000 });
    await using server = quietServer();
    const to = [`127.0.0.1:${server.port}`, "--plain"];
    await using alice = personAt(hers.path, ["alice", ...to], without);
    await using bob = personAt(his.path, ["bob", ...to], without);
    await Promise.all([alice, bob].map((one) => one.until("you joined")));

    await alice.type("/call bob\n");
    await bob.until("alice calls you");
    await bob.type("/accept\n");
    await Promise.all([alice, bob].map((one) => one.until("Compare this")));
    await alice.type(`/send bob ${hers.path}/Downloads/notes\n`);
    await bob.until("/accept 1 or /decline 1");
    await bob.type("/accept 1\n");
    await alice.until("Sent notes to bob");
    const ends = await Promise.all([alice.end(), bob.end()]);

    assertEquals(ends.map(({ code, err }) => [code, err]), [[0, ""], [0, ""]]);
    assertEquals(
      snapshot(`${his.path}/Downloads`),
      snapshot(`${hers.path}/Downloads`),
    );
  });
}

Deno.test("TLS, and to remember a certificate, need no more than the task allows", async () => {
  using home = tempFolder();
  await using server = await startTlsServer();
  const { fingerprint256 } = new X509Certificate(server.certificate.cert);
  const to = ["alice", `127.0.0.1:${server.tlsPort}`, "--tls"];

  await using first = personAt(home.path, [
    ...[...to, "--fingerprint", fingerprint256],
  ]);
  const { code, err } = await first.end();
  await using second = personAt(home.path, to);
  const again = await second.end();

  assertEquals([code, err], [0, ""]);
  assertEquals([again.code, again.err], [0, ""]);
});

for (const missing of ["read", "write"]) {
  Deno.test(`who sends or receives without --allow-${missing} is told, and stays`, async () => {
    using hers = tempFolder();
    using his = tempFolder();
    writeFiles(`${hers.path}/Downloads`, { notes: 1_000 });
    await using server = quietServer();
    const to = [`127.0.0.1:${server.port}`, "--plain"];
    await using alice = personAt(hers.path, ["alice", ...to], missing);
    await using bob = personAt(his.path, ["bob", ...to], missing);
    await Promise.all([alice, bob].map((one) => one.until("you joined")));

    await alice.type(`/send bob ${hers.path}/Downloads/notes\n`);
    if (missing === "write") {
      await bob.until("/accept alice");
      await bob.type("/accept alice\n");
    }
    await alice.until("the program was started without permission for it");
    await alice.type("still here\n");
    await bob.until("alice: still here");
    const ends = await Promise.all([alice.end(), bob.end()]);

    assertEquals(ends.map(({ code, err }) => [code, err]), [[0, ""], [0, ""]]);
  });
}

Deno.test({
  name: `server.ts asks its operator for no permission on a terminal${
    hasTmux ? "" : " (left out: there is no tmux)"
  }`,
  ignore: !hasTmux,
  async fn() {
    await using screen = await TmuxScreen.open(200);
    const options = [
      ...permissionsOf("server", root),
      "server.ts",
      ...HERE,
    ];

    await screen.line(`clear; ${Deno.execPath()} run ${options.join(" ")}`);

    await screen.until(/^Type help for commands\.\n>$/m);
    await screen.line("stop");
    await screen.until("Shutting down");
  },
});
