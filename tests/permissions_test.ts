/** Each program with exactly the permissions that its task gives it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { quietServer } from "./client_tools.ts";
import { directClient } from "./direct_tools.ts";
import { within } from "./raw_client.ts";
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
  { permissions = permissionsOf(program), args, cwd }: {
    permissions?: readonly string[];
    args: readonly string[];
    cwd: string;
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
    cwd,
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

for (const allowed of [true, false]) {
  const what = allowed ? "calls" : "is told why it cannot call";
  Deno.test(`a client that may ${allowed ? "" : "not "}look for its addresses ${what}`, async () => {
    await using server = quietServer();
    await using bob = directClient("bob", server.port);
    using folder = tempFolder();
    await bob.until("you joined");
    const client = run("client", {
      permissions: permissionsOf("client").filter((one) =>
        allowed || !one.startsWith("--allow-sys")
      ),
      args: ["alice", `127.0.0.1:${server.port}`, "--plain"],
      cwd: folder.path,
    });
    const lines = client.stdin.getWriter();
    const type = (text: string) => lines.write(new TextEncoder().encode(text));

    await type("/call bob\n");
    if (allowed) await bob.until("alice calls you");
    else {
      const told = /(run again with the --allow-sys flag)/;
      await within(readUntil(client.stdout, told), () => "why not");
    }
    await type("still here\n");
    await bob.until("alice: still here");
    await lines.close();
    const { code, stderr } = await within(client.output(), () => "the end");

    assertEquals([code, decoder.decode(stderr)], [0, ""]);
  });
}

/** What is asked for only when it is used, and not at the start. */
const NEEDED_LATER = { server: "--allow-env", client: "--allow-sys" } as const;

for (const program of ["server", "client"] as const) {
  for (const missing of permissionsOf(program)) {
    if (NEEDED_LATER[program] === missing.split("=")[0]) continue;
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
