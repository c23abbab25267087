/** The commands that hints, errors and `--help` show, however a program was started. */
import { assertEquals } from "@std/assert";
import { commandFor, shellWord, type Start } from "../../platform/program.ts";
import type { System } from "../../platform/system.ts";

/** Deno runs a file. */
function byDeno(main: string, cwd: string | undefined): Start {
  return { standalone: false, execPath: "/usr/bin/deno", main, cwd };
}

/** A binary of `deno compile`. */
function binary(execPath: string, cwd: string, source: string): Start {
  const main = `/tmp/deno-compile-x/${source}.ts`;
  return { standalone: true, execPath, main, cwd };
}

const CASES: readonly [
  what: string,
  start: Start,
  system: System,
  client: string,
  server: string,
][] = [
  [
    "the source, in its folder",
    byDeno("/home/ada/parley/server.ts", "/home/ada/parley"),
    "linux",
    "deno run -A client.ts",
    "deno run -A server.ts",
  ],
  [
    "the source, from the folder above it",
    byDeno("/home/ada/parlê y/client.ts", "/home/ada"),
    "darwin",
    "deno run -A 'parlê y/client.ts'",
    "deno run -A 'parlê y/server.ts'",
  ],
  [
    "the source, from another folder",
    byDeno("/opt/parley/server.ts", "/home/ada"),
    "linux",
    "deno run -A client.ts",
    "deno run -A /opt/parley/server.ts",
  ],
  [
    "the source, from a folder that was deleted",
    byDeno("/opt/parley/client.ts", undefined),
    "linux",
    "deno run -A /opt/parley/client.ts",
    "deno run -A server.ts",
  ],
  [
    "a folder whose name begins with two dots",
    byDeno("/home/ada/..old/client.ts", "/home/ada"),
    "linux",
    "deno run -A ..old/client.ts",
    "deno run -A ..old/server.ts",
  ],
  [
    "a bundle",
    byDeno("/home/ada/parley/dist/server.js", "/home/ada/parley"),
    "linux",
    "deno run -A dist/client.js",
    "deno run -A dist/server.js",
  ],
  [
    "a bundle on Windows",
    byDeno("C:\\parley\\dist\\client.js", "C:\\parley"),
    "windows",
    "deno run -A dist\\client.js",
    "deno run -A dist\\server.js",
  ],
  [
    "the source on Windows, from another drive",
    byDeno("C:\\Parley tést\\client.ts", "D:\\"),
    "windows",
    'deno run -A "C:\\Parley tést\\client.ts"',
    "deno run -A server.ts",
  ],
  [
    "a file of the web",
    byDeno("https://example.org/parley/client.ts", "/home/ada"),
    "linux",
    "deno run -A https://example.org/parley/client.ts",
    "deno run -A https://example.org/parley/server.ts",
  ],
  [
    "another file, such as a test",
    byDeno("/home/ada/parley/tests/a_test.ts", "/home/ada/parley"),
    "linux",
    "deno run -A client.ts",
    "deno run -A server.ts",
  ],
  [
    "a binary, in its folder",
    binary("/home/ada/bin/parley-server", "/home/ada/bin", "server"),
    "linux",
    "./parley-client",
    "./parley-server",
  ],
  [
    "a binary, from the folder above it",
    binary("/home/ada/my bin/parley-client", "/home/ada", "client"),
    "darwin",
    "'./my bin/parley-client'",
    "'./my bin/parley-server'",
  ],
  [
    "a binary of another folder",
    binary("/usr/local/bin/parley-server", "/home/ada", "server"),
    "linux",
    "./parley-client",
    "/usr/local/bin/parley-server",
  ],
  [
    "a binary with a name of its own",
    binary("/home/ada/chat", "/home/ada", "client"),
    "linux",
    "./chat",
    "./parley-server",
  ],
  [
    "a binary on Windows, in its folder",
    binary("C:\\chat\\parley-server.exe", "C:\\chat", "server"),
    "windows",
    ".\\parley-client.exe",
    ".\\parley-server.exe",
  ],
  [
    "a binary on Windows, in a folder with a space",
    binary("C:\\Program Files\\parley-client.exe", "D:\\", "client"),
    "windows",
    '& "C:\\Program Files\\parley-client.exe"',
    ".\\parley-server.exe",
  ],
];

for (const [what, start, system, client, server] of CASES) {
  Deno.test(`commandFor() shows how to start ${what}`, () => {
    assertEquals(
      [
        commandFor("client", start, system),
        commandFor("server", start, system),
      ],
      [client, server],
    );
  });
}

Deno.test("shellWord() quotes what a shell would read otherwise", () => {
  assertEquals(
    ["a-b.ts", "a b", "it's", "a$b", "a\\b", ""]
      .map((word) => [shellWord(word, "linux"), shellWord(word, "windows")]),
    [
      ["a-b.ts", "a-b.ts"],
      ["'a b'", '"a b"'],
      ["'it'\\''s'", `"it's"`],
      ["'a$b'", '"a$b"'],
      ["'a\\b'", "a\\b"],
      ["''", '""'],
    ],
  );
});
