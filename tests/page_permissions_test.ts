/** The page with exactly the permissions that the README names. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { permissionsOf, readUntil, run } from "./permissions.ts";
import { SocketWithHeaders, within } from "./raw_client.ts";
import { tempFolder } from "./temp.ts";

const decoder = new TextDecoder();

/** What the README says that the page needs besides. */
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

Deno.test("client.ts --gui needs one variable more, and to run the system's opener", async () => {
  using folder = tempFolder();
  const server = run("server", {
    args: ["--host", "127.0.0.1", "--port", "0"],
    cwd: folder.path,
  });
  const port = await within(
    readUntil(server.stdout, / listens on port (\d+)\./),
    () => "the server",
  );
  const opener = `${folder.path}/xdg-open`;
  await Deno.writeTextFile(opener, "#!/bin/sh\n", { mode: 0o755 });
  const client = run("client", {
    permissions: [...withPage("client", folder.path), "--allow-run=xdg-open"],
    args: ["--gui"],
    cwd: folder.path,
    env: { PATH: folder.path },
  });
  const address = await within(
    readUntil(client.stdout, /(http:\S+)\n/),
    () => "the page",
  );
  const response = await fetch(address, { redirect: "manual" });
  await response.body?.cancel();
  const [cookie = ""] = response.headers.getSetCookie();
  const { host } = new URL(address);
  const answer = await register(
    `ws://${host}/ws?server=127.0.0.1&port=${port}`,
    { Cookie: cookie.replace(/;.*/, "") },
  );
  const complaints = [await end(client), await end(server)];

  assert(answer.startsWith("REGISTERED alice\n"), answer);
  assertEquals(complaints, ["", ""]);
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
