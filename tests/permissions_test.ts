/** Each program with exactly the permissions that its task gives it. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { hasTmux, TmuxScreen } from "./client_tools.ts";
import { RawClient, startTestServer, within } from "./raw_client.ts";
import { HERE } from "./server_process.ts";
import { tempFolder } from "./temp.ts";

const root = new URL("../", import.meta.url).pathname;
const decoder = new TextDecoder();

/** What a task's `deno run` allows. */
function permissionsOf(task: "server" | "client"): string[] {
  return config.tasks[task].split(" ")
    .filter((word) => word.startsWith("--allow-"));
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
  const args = ["--port", "0", "--tls", "--tls-port", "0"];
  const server = run("server", { args, cwd: folder.path });
  const port = await within(
    readUntil(server.stdout, / listens on port (\d+),/),
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

/** What each needs only on a terminal, or for calls. */
const LATER = { server: /^--allow-env/, client: /^--allow-sys/ };

for (const program of ["server", "client"] as const) {
  for (const missing of permissionsOf(program)) {
    if (LATER[program].test(missing)) continue;
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

for (const missing of ["nothing", "--allow-sys=networkInterfaces"]) {
  Deno.test(`client.ts with ${missing} missing of its permissions calls somebody`, async () => {
    using folder = tempFolder();
    await using server = startTestServer();
    using bob = await RawClient.enter(server.port, "bob");
    const client = run("client", {
      permissions: permissionsOf("client").filter((one) => one !== missing),
      args: ["alice", `127.0.0.1:${server.port}`, "--plain"],
      cwd: folder.path,
    });

    const typed = client.stdin.getWriter();
    await typed.write(new TextEncoder().encode("/call bob\n"));
    const call = await bob.next("CALL");
    await typed.close();
    const { code, stderr } = await within(client.output(), () => "the end");

    assertMatch(call, /^CALL alice\n(.+\n)*Address: /);
    assertEquals([code, decoder.decode(stderr)], [0, ""]);
  });
}

Deno.test({
  name: `server.ts asks its operator for no permission on a terminal${
    hasTmux ? "" : " (left out: there is no tmux)"
  }`,
  ignore: !hasTmux,
  async fn() {
    await using screen = await TmuxScreen.open(200);
    const options = [...permissionsOf("server"), "server.ts", ...HERE];

    await screen.line(`clear; ${Deno.execPath()} run ${options.join(" ")}`);

    await screen.until(/^help shows what can be typed here\n>$/m);
    await screen.line("stop");
    await screen.until("Closing");
  },
});
