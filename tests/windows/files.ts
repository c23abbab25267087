/**
 * Files between a client on Linux and one on Windows, with Wine: names that the disks
 * of Windows do not take, two names that are one there, and a path that is longer than
 * many of its programs can open. Wine itself cannot send such a path.
 *
 * These tests start programs of Linux and of Windows: `deno task test:windows`.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { ClientProcess, quietServer } from "../tools/client_tools.ts";
import { snapshot, writeFiles } from "../tools/file_tools.ts";

const TOP = fileURLToPath(new URL("../../", import.meta.url));

/** What the folder has on Linux, and what it has on Windows. */
const NAMES: Readonly<Record<string, string>> = {
  "CON": "_CON",
  "COM¹": "_COM¹",
  "aux.c": "_aux.c",
  "x:y": "x_y",
  'a<b>|?*".txt': "a_b_____.txt",
  "trail. ": "trail",
  "dots.../in": "dots/in",
  "Notes.txt": "Notes.txt",
  "notes.txt": "notes (2).txt",
  "\u03bf\u03b4\u03cc\u03c2": "\u03bf\u03b4\u03cc\u03c2",
  "\u03bf\u03b4\u03cc\u03c3": "\u03bf\u03b4\u03cc\u03c3 (2)",
  "e\u0301": "e\u0301",
  "\u00e9": "\u00e9 (2)",
  "rtl\u202etxt.exe": "rtl_txt.exe",
  ["試".repeat(85)]: "試".repeat(85),
  "Bob's \u{1f44d}.txt": "Bob's \u{1f44d}.txt",
};

/** 340 characters. */
const LONG = `${Array(9).fill("x".repeat(37)).join("/")}/deep.txt`;

/** A folder in the project, which Windows sees too. */
function folderForBoth() {
  const dir = fileURLToPath(new URL(".", import.meta.url));
  const path = Deno.makeTempDirSync({ dir, prefix: "files-" });
  return {
    path,
    forWindows: `tests\\windows\\${basename(path)}`,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** What a client on Windows prints, and how it ends. */
async function onWindows(args: readonly string[], until?: () => void) {
  const child = new Deno.Command(`${TOP}tests/windows/deno`, {
    args: ["run", "-A", "--cached-only", "client.ts", ...args],
    cwd: TOP,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let told = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    told += text;
    if (told.includes("Waiting for files")) until?.();
  }
  const { code } = await child.status;
  return { code, told };
}

/** Options of a client that stays on this computer. */
function client(name: string, port: number): string[] {
  return [name, `127.0.0.1:${port}`, "--direct-host", "127.0.0.1"];
}

Deno.test("files with names of any kind arrive on Windows, and come back", async () => {
  using from = folderForBoth();
  using there = folderForBoth();
  using back = folderForBoth();
  const sent = [...Object.keys(NAMES), LONG];
  writeFiles(
    from.path,
    Object.fromEntries(sent.map((name) => [`d/${name}`, name])),
  );
  await using server = quietServer();
  const bob = client("bob", server.port);
  const alice = client("alice", server.port);

  const waiting = Promise.withResolvers<void>();
  const receiving = onWindows(
    [...bob, "--receive", "--downloads", there.forWindows],
    waiting.resolve,
  );
  await Promise.race([waiting.promise, receiving]);
  await using sender = new ClientProcess(
    [...alice, "--send", "bob", `${from.path}/d`],
  );
  const [received, offered] = await Promise.all([receiving, sender.end()]);

  assertEquals([received.code, offered.code], [0, 0]);
  const before = snapshot(from.path);
  const after = snapshot(there.path);
  for (const [name, safe] of [...Object.entries(NAMES), [LONG, LONG]]) {
    assertEquals([safe, after[`d/${safe}`]], [safe, before[`d/${name}`]]);
    const [top, safeTop] = [name, safe].map((path) => path!.split("/")[0]!);
    if (top === safeTop) continue;
    const change = `${top}" is called "d/${safeTop}"`
      .replace("\u202e", "<U+202E>");
    assertStringIncludes(received.told, change);
    assertStringIncludes(offered.err, change);
  }

  Deno.removeSync(`${there.path}/d/${LONG.split("/")[0]}`, { recursive: true });
  await using receiver = new ClientProcess(
    [...alice, "--receive", "--downloads", back.path],
  );
  await receiver.untilError("Waiting for files");
  const { code, told } = await onWindows(
    [...bob, "--send", "alice", `${there.forWindows}\\d`],
  );

  assertEquals(code, 0, told);
  assertEquals((await receiver.end()).code, 0);
  assertEquals(snapshot(back.path), snapshot(there.path));
  assert(!told.includes("is called"), told);
});
