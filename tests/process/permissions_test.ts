/** Each program with exactly the permissions that its task gives it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { X509Certificate } from "node:crypto";
import {
  ClientProcess,
  quietServer,
  TmuxScreen,
} from "../tools/client_tools.ts";
import { settingsPath } from "../../client/trust/settings_file.ts";
import { IS_WINDOWS, type System } from "../../platform/system.ts";
import { snapshot, writeFiles } from "../tools/file_tools.ts";
import {
  denoDir,
  permissionsOf,
  readUntil,
  run,
  v8FlagsOf,
} from "../tools/permissions.ts";
import { within } from "../tools/net/within.ts";
import { HERE } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { startTlsServer } from "../tools/net/tls_tools.ts";
import { needsProgram } from "../tools/system/skips.ts";
import { shellWord } from "../../platform/program.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
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
  const commands = server.stdin.getWriter();
  await commands.write(new TextEncoder().encode("stop\n"));
  await commands.close();
  const log = await within(server.output(), () => "the end of the server");

  assertEquals([said.code, decoder.decode(said.stderr)], [0, ""]);
  assertEquals([log.code, decoder.decode(log.stderr)], [0, ""]);
  assertStringIncludes(decoder.decode(log.stdout), "alice disconnected");
  assert((await Deno.stat(`${folder.path}/parley.db`)).isFile);
});

Deno.test("the server's task keeps V8's new space small, so that its collections are short", async () => {
  const script = `
    import { getHeapSpaceStatistics } from "node:v8";
    const kept = [];
    for (let at = 0; at < 1e6; at++) kept[at % 1e5] = { at };
    console.log(getHeapSpaceStatistics()
      .find(({ space_name }) => space_name === "new_space").space_size);`;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", ...v8FlagsOf("server"), script],
  }).output();

  assert(success);
  const bytes = Number(decoder.decode(stdout));
  assert(bytes > 0 && bytes <= 2 * 2 * 2 ** 20, `${bytes} bytes`); // two halves
});

Deno.test("backup needs no more than the server's task allows", async () => {
  using folder = tempFolder();
  const args = ["--host", "127.0.0.1", "--port", "0"];
  const server = run("server", { args, cwd: folder.path });
  const lines = server.stdin.getWriter();

  await lines.write(new TextEncoder().encode("backup copy.db\nstop\n"));
  await lines.close();
  const { stdout } = await within(server.output(), () => "the server");

  const path = Deno.realPathSync(`${folder.path}/copy.db`);
  assertStringIncludes(decoder.decode(stdout), `accounts to ${path} (`);
});

Deno.test("backup to another folder says which permissions are missing", async () => {
  using folder = tempFolder();
  using other = tempFolder();
  const args = ["--host", "127.0.0.1", "--port", "0"];
  const server = run("server", { args, cwd: folder.path });
  const lines = server.stdin.getWriter();

  const line = `backup ${other.path}/copy.db\nstop\n`;
  await lines.write(new TextEncoder().encode(line));
  await lines.close();
  const { stdout } = await within(server.output(), () => "the server");

  assertStringIncludes(
    decoder.decode(stdout),
    `Cannot back up to ${other.path}/copy.db: the server has no permission to ` +
      "write there. Choose a path in the server's folder, or start the server " +
      "with --allow-read and --allow-write for that folder.",
  );
});

Deno.test("a database in another folder without permission says how to start", async () => {
  using folder = tempFolder();
  using other = tempFolder();
  const db = `${other.path}/chat.db`;

  const server = run("server", {
    args: ["--host", "127.0.0.1", "--port", "0", "--db", db],
    cwd: folder.path,
  });
  await server.stdin.close();
  const { code, stderr } = await within(server.output(), () => "the server");

  assertEquals(
    [code, decoder.decode(stderr)],
    [
      2,
      `Cannot use the file ${db}: the server has no permission to write there; ` +
      `start the server with \`deno run -A ${
        shellWord(`${root}server.ts`)
      }\`, ` +
      "or see --allow-read and --allow-write in docs/security.md\n",
    ],
  );
});

/** What each needs from the beginning; the rest is for more than to talk. */
const AT_START = {
  server: ["net", "read", "write"], // and env, on a terminal
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
      assert(told.includes(`--allow-${missing}`), told);
    });
  }
}

Deno.test("server.ts without --allow-sys serves, and says that it does not know its addresses", async () => {
  using folder = tempFolder();
  const server = run("server", {
    permissions: permissionsOf("server", folder.path)
      .filter((one) => !one.startsWith("--allow-sys")),
    args: ["--port", "0"],
    cwd: folder.path,
  });

  const told = await within(
    readUntil(server.stdout, /NAME (127\.0\.0\.1 [^]*--allow-sys\S+)/),
    () => "the server",
  );
  server.kill("SIGTERM");
  await server.stdin.close();
  await server.output();

  assertStringIncludes(told, "The addresses of this computer are not known");
});

/** What systems say about their users, and where a client then reads and writes. */
const USERS: readonly [
  what: string,
  System,
  variables: Record<string, string>,
  paths: string[],
][] = [
  ["Linux", "linux", { HOME: "/home/al" }, [
    "/home/al/Downloads/notes",
    "/home/al/.config/parley/known_servers",
  ]],
  ["XDG", "linux", { HOME: "/home/al", XDG_CONFIG_HOME: "/etc/al" }, [
    "/home/al/Downloads/notes",
    "/etc/al/parley/known_servers",
  ]],
  ["macOS", "darwin", { HOME: "/Users/al" }, [
    "/Users/al/Downloads/notes",
    "/Users/al/Library/Application Support/parley/known_servers",
  ]],
  ["Windows", "windows", {
    USERPROFILE: "C:\\Users\\al ice",
    APPDATA: "C:\\Users\\al ice\\AppData\\Roaming",
    OneDrive: "C:\\Users\\al ice\\OneDrive - School",
  }, [
    "C:/Users/al ice/OneDrive - School/Downloads/notes",
    "C:/Users/al ice/Downloads/notes",
    "C:/Users/al ice/AppData/Roaming/parley/known_servers",
  ]],
  ["Windows without APPDATA", "windows", { USERPROFILE: "C:\\Users\\al" }, [
    "C:/Users/al/Downloads/notes",
    "C:/Users/al/AppData/Roaming/parley/known_servers",
  ]],
];

for (const [what, system, variables, paths] of USERS) {
  Deno.test(`the client's task allows what it reads and writes: ${what}`, () => {
    const own = (path: string) => path.replaceAll("\\", "/");
    const variable = (name: string) => variables[name];
    const known = settingsPath("known_servers", { system, variable });
    assertEquals(own(known ?? ""), paths.at(-1));
    const given = permissionsOf("client", "", variables);
    for (const kind of ["read", "write"]) {
      const [list = ""] = given.filter((one) =>
        one.startsWith(`--allow-${kind}=`)
      );
      const folders = own(list).slice(`--allow-${kind}=`.length).split(",");
      for (const path of paths) {
        assert(
          folders.some((folder) => path.startsWith(`${folder}/`)),
          `${path} is in ${folders}`,
        );
      }
    }
  });
}

/** Somebody at home in `home`, by the variables of other systems or of Windows. */
const AT_HOME = {
  others: (home: string) => ({ HOME: home, XDG_CONFIG_HOME: "" }),
  windows: (home: string) => ({
    ...{ HOME: "", XDG_CONFIG_HOME: "" },
    ...{ USERPROFILE: home, APPDATA: `${home}/AppData` },
  }),
} as const;

const HERE_LIKE: keyof typeof AT_HOME = IS_WINDOWS ? "windows" : "others";

/** A client of somebody at home in `home`, with the task's permissions. */
function personAt(
  home: string,
  args: readonly string[],
  { without = "none", like = HERE_LIKE } = {},
): ClientProcess {
  const variables = AT_HOME[like](home);
  const permissions = permissionsOf("client", home, variables)
    .filter((one) => !one.startsWith(`--allow-${without}`));
  const env = { ...variables, DENO_DIR: denoDir };
  return new ClientProcess([...args], env, { permissions });
}

for (
  const [how, options] of [
    ["", {}],
    [", and not even sys", { without: "sys" }],
    [" where only Windows says what is home", { like: "windows" }],
  ] as const
) {
  Deno.test(`a direct session and a file need no more than the task allows${how}`, async () => {
    using hers = tempFolder();
    using his = tempFolder();
    writeFiles(`${hers.path}/Downloads`, { notes: 100_000 });
    await using server = quietServer();
    const to = [`127.0.0.1:${server.port}`, "--plain"];
    await using alice = personAt(hers.path, ["alice", ...to], options);
    await using bob = personAt(his.path, ["bob", ...to], options);
    await Promise.all([alice, bob].map((one) => one.until("you joined")));

    await alice.type("/call bob\n");
    await bob.until("alice calls you");
    await bob.type("/accept\n");
    await Promise.all([alice, bob].map((one) => one.until("Compare this")));
    await alice.type(`/send bob ${hers.path}/Downloads/n*\n`);
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
    await using alice = personAt(hers.path, ["alice", ...to], {
      without: missing,
    });
    await using bob = personAt(his.path, ["bob", ...to], { without: missing });
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

Deno.test(needsProgram("tmux", {
  name: "server.ts asks its operator for no permission on a terminal",
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
}));
