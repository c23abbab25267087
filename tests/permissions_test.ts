/** Each program with exactly the permissions that its task gives it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { SocketWithHeaders, within } from "./raw_client.ts";
import { tempFolder } from "./temp.ts";

const root = new URL("../", import.meta.url).pathname;
const decoder = new TextDecoder();

/** The options of a task's `deno run`. */
function permissionsOf(task: "server" | "client"): string[] {
  return config.tasks[task].split(" ").filter((word) => word.startsWith("--"));
}

/** Runs a program in `cwd`, and waits for `pattern` or the end. */
function run(
  program: "server" | "client",
  { permissions = permissionsOf(program), args, ...place }: {
    permissions?: readonly string[];
    args: readonly string[];
    cwd: string;
    env?: Record<string, string>;
  },
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--cached-only"],
      ...["--config", `${root}deno.json`],
      ...permissions,
      `${root}${program}.ts`,
      ...args,
    ],
    ...place,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Reads until `pattern` is there. */
async function readUntil(
  stream: ReadableStream<Uint8Array>,
  pattern: RegExp,
): Promise<string> {
  let text = "";
  for await (const chunk of stream.values({ preventCancel: true })) {
    text += decoder.decode(chunk);
    const [, found] = pattern.exec(text) ?? [];
    if (found !== undefined) return found;
  }
  throw new Error(`Cannot find ${pattern} in "${text}"`);
}

Deno.test("server and client need no more than their tasks allow", async () => {
  using folder = tempFolder();
  const server = run("server", { args: ["--port", "0"], cwd: folder.path });
  const port = await within(
    readUntil(server.stdout, / listens on port (\d+)\./),
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

for (const program of ["server", "client"] as const) {
  for (const missing of permissionsOf(program)) {
    if (program === "server" && missing.startsWith("--allow-env")) {
      continue; // of use on a terminal alone
    }
    Deno.test(`${program}.ts without ${missing} says what is missing`, async () => {
      using folder = tempFolder();
      const [option = ""] = missing.split("=");
      const args = program === "server"
        ? ["--port", "0"]
        : ["alice", "127.0.0.1:9"];

      const child = run(program, {
        permissions: permissionsOf(program).filter((one) => one !== missing),
        args,
        cwd: folder.path,
      });
      await child.stdin.close();
      const { code, stderr } = await within(child.output(), () => "the end");
      const told = decoder.decode(stderr);

      assertEquals(told.includes("    at "), false, "no stack");
      assert([2, 3].includes(code), `it ended with ${code}: ${told}`);
      assert(told.includes(`run again with the ${option} flag`), told);
    });
  }
}

/** What the README says that the page needs besides. */
const PAGE_ENV = "WS_NO_BUFFER_UTIL";

/** The permissions of a task, and those of the page. */
function withPage(task: "server" | "client"): string[] {
  return permissionsOf(task).map((one) =>
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
  const permissions = withPage("server");

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
    permissions: [...withPage("client"), "--allow-run=xdg-open"],
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
