/**
 * The architecture as a test: who may import whom, how long a file may be, that
 * protocol.ts runs anywhere, and that docs/protocol.md says all of it.
 */
import { assert, assertEquals, assertFalse, assertLess } from "@std/assert";
import { stripTypeScriptTypes } from "node:module";
import { COMMANDS } from "../server/session/requests.ts";

const ROOT = new URL("../", import.meta.url);

/** Lines in one file. Over it, the next change is to split the file. */
const MAX_LINES = 500;

/** Files in one folder. Over it, the next change is to divide the folder. */
const MAX_FILES = 16;

/** Names of folders that say nothing about what is in them. */
const NAMELESS = ["util", "utils", "common", "base", "misc", "helpers", "lib"];

/** Where sources are, beside the three files at the top. */
const FOLDERS = [
  ...[
    "core",
    "platform",
    "terminal",
    "tls",
    "server",
    "client",
    "web",
    "examples",
    "bench",
  ],
  "tests",
];

/** All sources, as paths from the top. */
const FILES = [
  "client.ts",
  "protocol.ts",
  "server.ts",
  ...(await Promise.all(FOLDERS.map(filesBelow))).flat(),
].sort();

/** The sources in `folder` and in the folders below it. */
async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await filesBelow(path));
    else if (/\.(ts|js|css|html|svg|c|h)$/.test(path)) found.push(path);
  }
  return found;
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

/** `source` without its comments. */
function code(source: string): string {
  return source.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
}

/** The folder that a file is in, from the top; `.` for the top itself. */
function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))) || ".";
}

/** What `path` imports of ours, as paths from the top, types included. */
async function importsOf(path: string): Promise<string[]> {
  const source = await read(path);
  const found = source.matchAll(
    /^(?:import|export)\b[^;]*?from\s+"(\.[^"]+)"|^import "(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"|@import [^\n]* from "(\.[^"]+)"/gm,
  );
  return Array.from(found, ([, ...names]) => {
    const name = names.find((one) => one !== undefined)!;
    const url = new URL(name, new URL(path, ROOT));
    return url.href.slice(ROOT.href.length);
  });
}

const PROTOCOL = ["core/", "protocol.ts"];
const SYSTEMS = ["platform", ...PROTOCOL];

/**
 * What files of a folder may import, beside files of the same folder: other
 * folders, whole or with `/` at the end all that is below them, and files.
 */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  "core/net": ["protocol.ts"],
  "core": PROTOCOL,
  "platform": PROTOCOL,
  "terminal": SYSTEMS,
  "tls": ["core/net"],

  "server/chat/names": PROTOCOL,
  "server/chat": ["server/chat/names", ...PROTOCOL],
  "server/chat/devices": ["server/chat", ...PROTOCOL],
  "server/journal": ["server/chat", "server/chat/names", ...SYSTEMS],
  "server/net": ["server/journal", "server/chat", "tls", ...SYSTEMS],
  "server/limits": ["server/journal", "server/chat", ...PROTOCOL],
  "server/accounts": [
    ...["server/journal", "server/chat", "server/chat/names", ...PROTOCOL],
  ],
  "server/cluster/log": [
    ...["server/cluster", "server/journal", "server/chat", ...PROTOCOL],
  ],
  "server/session/devices": [
    ...["server/session", "server/accounts", "server/journal", ...PROTOCOL],
  ],
  "server/session/two_socket": [
    ...["server/limits", "server/net", "server/journal"],
    ...["server/chat", "server/chat/names", ...PROTOCOL],
  ],
  "server/session/later": [
    ...["server/accounts", "server/accounts/names", "server/journal"],
    ...["server/chat", ...PROTOCOL],
  ],
  "server/session": [
    ...["server/session/two_socket", "server/session/later"],
    ...["server/accounts", "server/accounts/names", "server/limits"],
    ...["server/net", "server/journal", "server/chat", "server/chat/names"],
    ...["server/session/devices", "server/chat/devices", ...PROTOCOL],
  ],
  "server/cluster/presence": [
    ...["server/cluster", "server/limits", "server/net", "server/chat"],
    ...["server/chat/devices", ...PROTOCOL],
  ],
  "server/cluster": [
    ...["server/limits", "server/net", "server/journal", "server/chat"],
    ...SYSTEMS,
  ],
  "server/operator": [
    ...["server/session", "server/accounts", "server/limits", "server/net"],
    ...["server/journal", "server/chat", "terminal", ...SYSTEMS],
  ],
  "server": ["server/", "web/serve", "terminal", ...SYSTEMS],
  "server.ts": ["server/", "web/serve", "terminal", ...SYSTEMS, "deno.json"],

  "client/view": ["terminal", ...SYSTEMS],
  "client/trust": ["client/view", "terminal", ...SYSTEMS],
  "client/files": ["client/trust", "client/view", "terminal", ...SYSTEMS],
  "client/direct": [
    ...["client/files", "client/trust", "client/view", ...SYSTEMS],
  ],
  "client/chat": [
    ...["client/direct", "client/files", "client/trust", "client/view"],
    ...["terminal", ...SYSTEMS],
  ],
  "client/gui": [
    ...["client/chat", "client/direct", "client/files", "client/trust"],
    ...["client/view", "web/serve", "terminal", ...SYSTEMS],
  ],
  "client": ["client/", "terminal", ...SYSTEMS],
  "client.ts": ["client/", "terminal", ...SYSTEMS, "deno.json"],

  "examples": ["protocol.ts"],
  "web/page/model": PROTOCOL,
  "web/page/net": ["web/page/model", ...PROTOCOL],
  "web/page/ui": ["web/page/net", "web/page/model", ...PROTOCOL],
  "web/page": ["web/page/", ...PROTOCOL],
  "web/serve": ["web/page/", "tls", ...SYSTEMS],
  "protocol.ts": [],
};

/** The entry of {@linkcode BELOW} for `path`, which is its folder's or above. */
function placeOf(path: string): string | undefined {
  const above = [path];
  for (let at = folderOf(path); at !== "."; at = folderOf(at)) above.push(at);
  return above.find((place) => place in BELOW);
}

for (const place of Object.keys(BELOW)) {
  Deno.test(`${place} imports only what is below it`, async () => {
    const files = FILES.filter((file) => placeOf(file) === place);
    assert(files.length > 0, `there is something in ${place}`);
    for (const file of files) {
      for (const imported of await importsOf(file)) {
        const legal = BELOW[place]!.some((below) =>
          below.endsWith("/")
            ? imported.startsWith(below)
            : imported === below || folderOf(imported) === below
        );
        const own = folderOf(imported) === folderOf(file) && file !== place;
        assert(legal || own, `${file} imports ${imported}`);
      }
    }
  });
}

Deno.test("every source has a place from which it may import", () => {
  const free = ["bench/", "tests/"];
  assertEquals(
    FILES.filter((file) =>
      !free.some((folder) => file.startsWith(folder)) &&
      placeOf(file) === undefined
    ),
    [],
  );
});

Deno.test("there are no circles of imports, types included", async () => {
  const files = FILES.filter((file) => /\.(ts|js)$/.test(file));
  const edges = new Map<string, string[]>();
  for (const file of files) edges.set(file, await importsOf(file));
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    assert(!path.includes(file), [...path, file].join(" -> "));
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };

  for (const file of files) walk(file, []);
});

Deno.test(`a folder has at most ${MAX_FILES} files, and a name that says something`, () => {
  for (const folder of new Set(FILES.map(folderOf))) {
    const files = FILES.filter((file) => folderOf(file) === folder);
    assert(files.length <= MAX_FILES, `divide ${folder}: ${files.length}`);
    for (const name of folder.split("/")) assertFalse(NAMELESS.includes(name));
  }
});

/** What server.ts loads before it listens; more of it is a slower start. */
const LOADED_FIRST = [
  "@std/cli/parse-args",
  "@std/fmt/colors",
  "deno.json",
  "protocol.ts",
  "server/journal/journal.ts",
  "server/limits/rates.ts",
  "server/operator/screen.ts",
  "server/options.ts",
  "terminal/errors.ts",
  "terminal/options.ts",
  "terminal/output.ts",
  "platform/system.ts",
  "server/journal/start_error.ts",
];

/** What is loaded with a source, whole: not what is imported when it is needed. */
async function loadedWith(source: string): Promise<string[]> {
  const loaded = new Set<string>();
  const load = async (path: string) => {
    const found = (await read(path)).matchAll(
      /^(?:import|export) (?!type\b)(?:[^;"]*?from\s+)?"([^"]+)"/gm,
    );
    for (const [, name] of found) {
      const file = name!.startsWith(".")
        ? new URL(name!, new URL(path, ROOT)).href.slice(ROOT.href.length)
        : name!;
      if (loaded.has(file)) continue;
      loaded.add(file);
      if (file.endsWith(".ts")) await load(file);
    }
  };
  await load(source);
  return [...loaded].sort();
}

Deno.test("server.ts loads next to nothing before it listens", async () => {
  assertEquals(await loadedWith("server.ts"), LOADED_FIRST.toSorted());
});

/** What a server loads only when it is needed. */
const LOADED_LATER = [
  "node:sqlite",
  "server/accounts/accounts.ts",
  "server/accounts/bans.ts",
  "server/accounts/lockouts.ts",
  "server/accounts/mutes.ts",
  "server/accounts/scram.ts",
  "server/chat/elsewhere.ts",
  "server/cluster/log/replicated_log.ts",
  "server/cluster/nats.ts",
  "server/cluster/presence/presence.ts",
  "server/journal/sqlite_journal.ts",
  "server/operator/console.ts",
  "server/session/sign_in.ts",
  "server/session/two_socket/users.ts",
  "server/storage.ts",
  "web/serve/serve.ts",
];

Deno.test("a start loads no feature that is not used", async () => {
  const parts = ["server.ts", "server/start.ts", "server/session/serve.ts"];
  const loaded = (await Promise.all(parts.map(loadedWith))).flat();

  assertEquals(loaded.filter((file) => LOADED_LATER.includes(file)), []);
  for (const file of LOADED_LATER.filter((name) => name.endsWith(".ts"))) {
    assert(FILES.includes(file), file);
  }
});

Deno.test("a client that starts loads little of what systems differ in", async () => {
  const loaded = await loadedWith("client.ts");

  assertEquals(loaded.filter((file) => file.startsWith("platform/")), [
    "platform/held_files.ts", // its settings are read
    "platform/local_path.ts",
    "platform/system.ts",
    "platform/system_error.ts",
  ]);
});

Deno.test("one module asks which operating system this is", async () => {
  for (const file of FILES) {
    if (/^(tests|bench|examples)\//.test(file)) continue;
    const asks = /\bbuild\.os\b|\bprocess\.platform\b|\bplatform\(\)/
      .test(code(await read(file)));
    assertEquals(asks, file === "platform/system.ts", file);
  }
});

Deno.test("core/ uses nothing that only Deno or only a browser has", async () => {
  for (const file of FILES.filter((name) => name.startsWith("core/"))) {
    assertFalse(
      /\b(Deno|process|Buffer|document|window)\b\.|"node:/.test(
        code(await read(file)),
      ),
      file,
    );
  }
});

Deno.test("files that browsers load have no syntax that some of them lack", async () => {
  const served = ["core/", "web/page/", "protocol.ts"];
  for (const file of FILES) {
    if (!served.some((start) => file.startsWith(start))) continue;
    if (!file.endsWith(".ts")) continue;
    assertFalse(
      /^\s*(await )?using |\.toHex\(|\.fromHex\(/m.test(code(await read(file))),
      file,
    );
  }
});

Deno.test("protocol.ts imports nothing at all", async () => {
  const source = await read("protocol.ts");

  assertEquals(
    source.match(/^\s*import\b|\bimport\(|^export [^;(]* from "/m),
    null,
  );
});

Deno.test(`every source file has at most ${MAX_LINES} lines, and says what it is`, async () => {
  assert(FILES.includes("protocol.ts") && FILES.includes("server/chat/hub.ts"));
  for (const file of FILES) {
    const source = await read(file);
    assertLess(source.split("\n").length, MAX_LINES + 2, `split ${file}`);
    if (/\.(ts|js)$/.test(file) && !file.startsWith("tests/")) {
      assert(
        /^((#!|\/\/).*\n)*\/\*\*/.test(source),
        `${file} opens with its idea`,
      );
    }
  }
});

Deno.test("the small server and client are small", async () => {
  const lines = async (path: string) => (await read(path)).split("\n").length;

  assertLess(await lines("examples/server.ts"), 252);
  assertLess(await lines("examples/client.ts"), 122);
});

Deno.test("protocol.ts runs without its types, and without anything of Deno", async () => {
  const plain = stripTypeScriptTypes(await read("protocol.ts"));
  const page = `
    for (const name of ["Deno", "process", "Buffer"]) delete globalThis[name];
    try {
      const { encode, FrameDecoder } = await import(${
    JSON.stringify(
      `data:text/javascript;charset=utf-8,${encodeURIComponent(plain)}`,
    )
  });
      const decoder = new FrameDecoder({ maxBodyBytes: 100 });
      const bytes = encode("SEND", ["#r"], { Key: "k" }, "h\u00e9llo");
      decoder.space().set(bytes);
      decoder.received(bytes.length);
      const [{ verb, args, body }] = [...decoder.frames()];
      postMessage([verb, args, new TextDecoder().decode(body)]);
    } catch (error) {
      postMessage(String(error));
    }`;
  const worker = new Worker(
    `data:text/javascript;charset=utf-8,${encodeURIComponent(page)}`,
    { type: "module" },
  );

  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
  const said = await promise.finally(() => worker.terminate());

  assertEquals(said, ["SEND", ["#r"], "h\u{e9}llo"]);
});

/** What docs/protocol.md has as code, word by word. */
const DOCUMENT = await read("docs/protocol.md");

/** The verbs of a type of protocol.ts, as its source has them. */
async function verbsOf(type: string): Promise<string[]> {
  const source = await read("protocol.ts");
  const [, words] = new RegExp(`type ${type} = Words<\\s*"([A-Z ]+)"`)
    .exec(source) ?? [];
  assert(words, `${type} in protocol.ts`);
  return words.split(" ");
}

Deno.test("docs/protocol.md has every verb, and no other", async () => {
  const verbs = new Set([
    ...await verbsOf("RequestVerb"),
    ...await verbsOf("ServerVerb"),
  ]);
  const code = [
    ...DOCUMENT.matchAll(/`([^`\n]+)`/g),
    ...DOCUMENT.matchAll(/^ {4}(?! )(.+)$/gm),
    ...DOCUMENT.matchAll(/^```\w*\n([^]*?)^```/gm),
  ].map(([, text]) => text!);
  const inCode = new Set(code.join("\n").match(/\b[A-Z]{3,}\b(?!-)/g));
  const noVerbs = [
    // Words of the protocol that are not verbs: targets, roles, and its grammar.
    ...["ALL", "TOSEND", "TORECV", "SERVER", "SYSTEM", "ADMIN"],
    ...["VERB", "ARG", "BODY"],
  ];

  assertEquals([...verbs].filter((verb) => !inCode.has(verb)), []);
  assertEquals(
    [...inCode].filter((word) => !verbs.has(word) && !noVerbs.includes(word)),
    [],
  );
  assertEquals(
    Object.keys(COMMANDS).sort(),
    (await verbsOf("RequestVerb")).sort(),
  );
});

Deno.test("docs/protocol.md has every error with its text, and no other", async () => {
  const { ERRORS } = await import("../protocol.ts");
  const rows = DOCUMENT.matchAll(/^\| (\d{3}) +\| ([^|]+?) +\|/gm);

  assertEquals(
    Array.from(rows, ([, code, text]) => [Number(code), text]),
    Object.entries(ERRORS).map(([code, text]) => [Number(code), text]),
  );
  for (
    const [, code, text] of DOCUMENT.matchAll(
      /ERROR (\d{3}) ([A-Z][A-Za-z -]+?)(?=[`\n\\])/g,
    )
  ) {
    assertEquals(ERRORS[Number(code) as keyof typeof ERRORS], text);
  }
});

/** Whether a function or method of that name is declared in `source`. */
function declares(source: string, name: string): boolean {
  const word = name.replace(/^.*\./, "");
  return new RegExp(
    `(function\\*? |^  (static |async |readonly |\\*)*)${word}(<[^>]*>)?(\\(| =)`,
    "m",
  ).test(code(source));
}

Deno.test("docs/architecture.md names functions and files that exist", async () => {
  const document = await read("docs/architecture.md");
  // A step, a row or a paragraph: each function is in one of the files named there.
  const blocks = document.split(/\n(?=\n|\d+\. |- |\| )/);
  let functions = 0;
  for (const block of blocks) {
    const names = block.matchAll(/`(#?[\w.]+)\(\)`/g);
    const paths = block.matchAll(/`([\w/]+\.ts)`/g);
    const sources = await Promise.all(
      Array.from(paths, ([, path]) => read(path!)),
    );
    for (const [, name] of names) {
      functions++;
      assert(
        sources.some((source) => declares(source, name!)),
        `${name}() is in none of the files named beside it:${block}`,
      );
    }
  }
  assert(functions > 50, `${functions}`);
});
