/** The page with exactly the permissions that docs/security.md names. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { quietServer } from "../tools/client_tools.ts";
import { hashOf, noise, snapshot } from "../tools/file_tools.ts";
import { cookieOf, PagePlayer, servePage } from "../tools/page_player.ts";
import {
  denoDir,
  permissionsOf,
  readUntil,
  run,
} from "../tools/permissions.ts";
import { SocketWithHeaders, within } from "../tools/net/raw_client.ts";
import { tempFolder } from "../tools/temp.ts";

const decoder = new TextDecoder();

/** The further permissions of the page in docs/security.md. */
const PAGE_ENV = "WS_NO_BUFFER_UTIL";

/** The permissions of a task, and those of the page. */
function withPage(task: "server" | "client", home: string): string[] {
  return permissionsOf(task, home).map((one) =>
    one.startsWith("--allow-env") ? `${one},${PAGE_ENV}` : one
  );
}

/** Comes in over a WebSocket, and gives what is answered. */
async function register(
  url: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const socket = new SocketWithHeaders(url, { headers });
  socket.binaryType = "arraybuffer";
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.onopen = () => socket.send("REGISTER alice\n\n");
  socket.onmessage = ({ data }) => resolve(decoder.decode(data));
  socket.onclose = ({ reason }) => resolve(`closed: ${reason}`);
  const answer = await within(promise, () => "an answer");
  socket.close();
  return answer;
}

/** Ends a program, and gives what it has said besides. */
async function end(child: Deno.ChildProcess): Promise<string> {
  child.kill("SIGINT");
  await child.stdin.close();
  const { stderr } = await within(child.output(), () => "the end");
  return decoder.decode(stderr);
}

Deno.test("server.ts --web needs one variable more", async () => {
  using folder = tempFolder();
  const args = ["--host", "127.0.0.1", "--port", "0", "--web-port", "0"];
  const permissions = withPage("server", folder.path);

  const server = run("server", { permissions, args, cwd: folder.path });
  const url = await within(
    readUntil(server.stdout, /http:(\S+\/)\n/),
    () => "the page",
  );
  const page = await (await fetch(`http:${url}`)).text();
  const answer = await register(`ws:${url}ws`);
  const complaints = await end(server);

  assertStringIncludes(page, "<title>Parley</title>");
  assert(answer.startsWith("REGISTERED alice\n"), answer);
  assertEquals(complaints, "");
});

/** `client.ts --gui` of somebody at home in `home`, and where its page is. */
async function openPage(
  home: string,
): Promise<{ program: Deno.ChildProcess; address: string }> {
  const opener = `${home}/xdg-open`;
  await Deno.writeTextFile(opener, "#!/bin/sh\n", { mode: 0o755 });
  const program = run("client", {
    permissions: [...withPage("client", home), "--allow-run=xdg-open"],
    args: ["--gui", "--direct-host", "127.0.0.1"],
    cwd: home,
    env: { PATH: home, HOME: home, XDG_CONFIG_HOME: "", DENO_DIR: denoDir },
  });
  const address = await within(
    readUntil(program.stdout, /(http:\S+)\n/),
    () => "the page",
  );
  return { program, address };
}

Deno.test("client.ts --gui needs one variable more, and to run the system's opener", async () => {
  using folder = tempFolder();
  await using server = quietServer();
  const { program, address } = await openPage(folder.path);
  const { host } = new URL(address);
  const answer = await register(
    `ws://${host}/ws?server=127.0.0.1&port=${server.port}`,
    { Cookie: await cookieOf({ address }) },
  );
  const complaints = await end(program);

  assert(answer.startsWith("REGISTERED alice\n"), answer);
  assertEquals(complaints, "");
});

Deno.test("files to and from the page of client.ts --gui need nothing besides", async () => {
  using hers = tempFolder();
  using his = tempFolder();
  await using server = quietServer();
  await using page = await servePage({ folder: his.path });
  const { program, address } = await openPage(hers.path);
  const [photo, notes] = [noise(100_000), noise(1_000)];
  {
    await using alice = await PagePlayer.enter(
      { address },
      server.port,
      "alice",
    );
    await using bob = await PagePlayer.enter(page, server.port, "bob");

    alice.drop("bob", { photo });
    bob.say({ type: "accept", transfer: await bob.card("offered") });
    await alice.told("Sent photo to bob (100 kB in ");
    bob.drop("alice", { notes });
    alice.say({ type: "accept", transfer: await alice.card("offered") });
    await alice.told(`: ${hers.path}/Downloads/notes`);
  }
  const complaints = await end(program);

  assertEquals(complaints, "");
  assertEquals(snapshot(his.path), { photo: hashOf(photo) });
  assertEquals(snapshot(`${hers.path}/Downloads`), { notes: hashOf(notes) });
});

for (
  const [program, args] of [
    ["server", ["--host", "127.0.0.1", "--port", "0", "--web-port", "0"]],
    ["client", ["--gui"]],
  ] as const
) {
  Deno.test(`the page of ${program}.ts without ${PAGE_ENV} says what is missing`, async () => {
    using folder = tempFolder();

    const child = run(program, { args, cwd: folder.path });
    await child.stdin.close();
    const { code, stderr } = await within(child.output(), () => "the end");

    assertEquals(code, 2);
    assertStringIncludes(
      decoder.decode(stderr),
      `env access to "${PAGE_ENV}", run again with the --allow-env flag`,
    );
  });
}
