/** The programs without a home folder, or with one that is of no use. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startServer } from "../../server/start.ts";
import { quietServer, type Result } from "../tools/client_tools.ts";
import { listenHere } from "../tools/net/test_server.ts";
import { startTlsServer } from "../tools/net/tls_tools.ts";
import { within } from "../tools/net/within.ts";
import { denoDir } from "../tools/permissions.ts";
import { HERE, noPermissions, OBEDIENT } from "../tools/server_process.ts";
import { skippedIf } from "../tools/system/skips.ts";
import { tempFolder } from "../tools/temp.ts";

const root = new URL("../../", import.meta.url);
const decoder = new TextDecoder();

/** What the environment says, and why then nothing is remembered. */
interface Environment {
  readonly variables: (folder: string) => Record<string, string>;
  readonly why: (folder: string) => string;
  /** Only where the system binds root to permissions. */
  readonly obedient?: boolean;
}

const NO_HOME = "there is no home folder";

/** Variables that name folders, the time zone and the language. */
const NAMES = [
  ...["HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"],
  ...["TMPDIR", "TMP", "TEMP", "TZ", "LANG", "LC_ALL", "TERM"],
];

/** Where each system has settings below the home folder. */
const SETTINGS = Deno.build.os === "windows"
  ? "AppData/Roaming/parley"
  : Deno.build.os === "darwin"
  ? "Library/Application Support/parley"
  : ".config/parley";

const ENVIRONMENTS: Readonly<Record<string, Environment>> = {
  "nothing is set": { variables: () => ({}), why: () => NO_HOME },
  "everything is empty": {
    variables: () => Object.fromEntries(NAMES.map((name) => [name, ""])),
    why: () => NO_HOME,
  },
  "the folders are relative": {
    variables: () => ({
      ...{ HOME: "here", USERPROFILE: "here", APPDATA: "here" },
      ...{ XDG_CONFIG_HOME: "here" },
    }),
    why: () => NO_HOME,
  },
  "a file is where settings are": {
    variables: (folder) => {
      const [top = ""] = SETTINGS.split("/");
      Deno.writeTextFileSync(`${folder}/${top}`, "");
      return { HOME: folder, USERPROFILE: folder };
    },
    why: (folder) => join(folder, SETTINGS, "/"),
  },
  "the home folder is read-only": {
    variables: (folder) => {
      Deno.chmodSync(folder, 0o555);
      return { HOME: folder };
    },
    why: (folder) => join(folder, SETTINGS, "/"),
    obedient: true,
  },
  "there is no folder for what is temporary, no such time zone or language": {
    variables: () => ({
      ...{ TMPDIR: "/none", TMP: "/none", TEMP: "/none" },
      ...{ TZ: "Nowhere/Else", LANG: "xx_YY", LC_ALL: "xx_YY" },
    }),
    why: () => NO_HOME,
  },
};

/** How a program is run. */
interface Run {
  readonly variables: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly input?: string;
  readonly obedient?: boolean | undefined;
}

/** Runs a program with these variables, and no other. */
async function run(
  program: "server" | "client",
  args: readonly string[],
  { variables, cwd, input = "", obedient }: Run,
): Promise<Result> {
  const script = fileURLToPath(new URL(`${program}.ts`, root));
  const [command = "", ...rest] = [
    ...(obedient && Deno.uid() === 0 ? OBEDIENT : []),
    ...[Deno.execPath(), "run", "-A", "--cached-only", script, ...args],
  ];
  const { PATH = "", SYSTEMROOT = "" } = Deno.env.toObject();
  const child = new Deno.Command(command, {
    args: rest,
    cwd,
    clearEnv: true,
    env: { PATH, SYSTEMROOT, DENO_DIR: denoDir, ...variables },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close().catch(() => {}); // it may have ended
  const { code, stdout, stderr } = await within(
    child.output(),
    () => `the end of ${program}.ts`,
  );
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

for (const [what, environment] of Object.entries(ENVIRONMENTS)) {
  const { obedient } = environment;
  const skipped = obedient ? noPermissions : undefined;
  const setUp = () => {
    const home = tempFolder();
    const cwd = tempFolder();
    const variables = environment.variables(home.path);
    const used = { variables, cwd: cwd.path, obedient };
    const why = environment.why(home.path);
    return {
      home,
      cwd,
      used,
      why,
      [Symbol.dispose]: () => {
        if (obedient) Deno.chmodSync(home.path, 0o755);
        home[Symbol.dispose]();
        cwd[Symbol.dispose]();
      },
    };
  };

  Deno.test(
    skippedIf(skipped, {
      name: `server.ts serves when ${what}`,
      fn: async () => {
        using place = setUp();
        const args = ["--tls", "--tls-port", "0", ...HERE];

        const { code, out, err } = await run("server", args, {
          ...place.used,
          input: "backup copy.db\nstop\n",
        });

        assertEquals([code, err], [0, ""]);
        assertStringIncludes(out, "Shutting down");
      },
    }),
  );

  Deno.test(
    skippedIf(skipped, {
      name: `client.ts /ignore says that it cannot be remembered when ${what}`,
      fn: async () => {
        using place = setUp();
        await using server = quietServer();
        const args = ["alice", `127.0.0.1:${server.port}`, "--plain"];

        const { code, out, err } = await run("client", args, {
          ...place.used,
          input: "/ignore bob\n/unignore bob\n",
        });

        assertEquals([code, err], [0, ""]);
        assertStringIncludes(
          out,
          "* Hiding bob's messages, until you quit; /unignore bob ends that\n" +
            `* Cannot remember it: ${place.why}`,
        );
        assertStringIncludes(
          out,
          `* Showing bob's messages again\n* Cannot remember it: ${place.why}`,
        );
        assertEquals([...Deno.readDirSync(place.cwd.path)], []);
      },
    }),
  );

  Deno.test(
    skippedIf(skipped, {
      name: `client.ts --tls says that it cannot be remembered when ${what}`,
      fn: async () => {
        using place = setUp();
        await using server = await startTlsServer();
        const { fingerprint256 } = new X509Certificate(server.certificate.cert);

        const { code, err } = await run("client", [
          ...["alice", `127.0.0.1:${server.tlsPort}`, "--tls"],
          ...["--fingerprint", fingerprint256],
        ], { ...place.used, input: "hello\n" });

        assertEquals(code, 0, err);
        assertStringIncludes(
          err,
          `Cannot remember the certificate: ${place.why}`,
        );
        assertEquals(err.trim().split("\n").length, 1);
        assertEquals([...Deno.readDirSync(place.cwd.path)], []);
      },
    }),
  );
}

Deno.test("a password file is read, and a file received, when nothing is set", async () => {
  using from = tempFolder();
  using to = tempFolder();
  const [note, password] = [`${from.path}/note`, `${from.path}/password`];
  Deno.writeTextFileSync(note, "hello");
  Deno.writeTextFileSync(password, "correct horse battery", { mode: 0o600 });
  const { promise: bobIsHere, resolve } = Promise.withResolvers<void>();
  const log = (line: string) => {
    if (line.startsWith("bob signed up")) resolve();
  };
  await using server = startServer({ tcp: listenHere(), log });
  const at = [`127.0.0.1:${server.port}`, "--direct-host", "127.0.0.1"];
  const signup = ["--signup", "--password-file", password];

  const receiving = run("client", ["bob", ...at, ...signup, "--receive"], {
    variables: {},
    cwd: to.path,
  });
  await within(bobIsHere, () => "bob");
  const sent = await run("client", ["alice", ...at, "--send", "bob", note], {
    variables: {},
    cwd: from.path,
  });
  const received = await receiving;

  assertEquals([sent.code, received.code], [0, 0], sent.err + received.err);
  assertEquals(Deno.readTextFileSync(`${to.path}/note`), "hello");
});

Deno.test("client.ts says that what it remembers cannot be read", async () => {
  using home = tempFolder();
  using cwd = tempFolder();
  await using server = quietServer();
  const ignored = join(home.path, SETTINGS, "ignored");
  Deno.mkdirSync(ignored, { recursive: true });

  const { code, out } = await run("client", [
    ...["alice", `127.0.0.1:${server.port}`, "--plain"],
  ], {
    variables: { HOME: home.path, USERPROFILE: home.path },
    cwd: cwd.path,
  });

  assertEquals(code, 0);
  assertStringIncludes(out, `* Cannot read ${ignored}: it is a folder`);
});
