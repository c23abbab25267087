/**
 * The architecture as a test: who may import whom, how long a file may be, that
 * protocol.ts runs anywhere, and that docs/protocol.md says all of it.
 */
import { assert, assertEquals, assertFalse, assertLess } from "@std/assert";
import { stripTypeScriptTypes } from "node:module";
import { COMMANDS } from "../server/requests.ts";

const ROOT = new URL("../", import.meta.url);

/** Lines in one file. Over it, the next change is to split the file. */
const MAX_LINES = 500;

/** Where sources are. */
const FOLDERS = ["", "server/", "client/", "web/", "bench/", "tests/"];

/** All sources, as paths from the top. */
const FILES = (await Promise.all(FOLDERS.map(async (folder) => {
  const entries = await Array.fromAsync(Deno.readDir(new URL(folder, ROOT)));
  return entries.filter(({ name }) => /\.(ts|js|css|html|c|h)$/.test(name))
    .map(({ name }) => folder + name);
}))).flat().sort();

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

/** `source` without its comments. */
function code(source: string): string {
  return source.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
}

/** What `path` imports of ours, as paths from the top, types included. */
async function importsOf(path: string): Promise<string[]> {
  const source = await read(path);
  const found = source.matchAll(
    /^(?:import|export)\b[^;]*?from\s+"(\.[^"]+)"|^import "(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm,
  );
  return Array.from(found, ([, from, bare, dynamic]) => {
    const url = new URL((from ?? bare ?? dynamic)!, new URL(path, ROOT));
    return url.href.slice(ROOT.href.length);
  });
}

/** What the page shares with the client: code that runs in a browser too. */
const PURE = ["clean", "page_talk", "pause", "reading", "scram", "watch"].map(
  (name) => `client/${name}.ts`,
);

/** What files of a folder may import, beside files of the same folder. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  "protocol.ts": [],
  "server/": ["protocol.ts"],
  "client/": ["protocol.ts"],
  "web/": ["protocol.ts", ...PURE],
  "server.ts": ["server/", "web/", "protocol.ts", "deno.json"],
  "client.ts": ["client/", "web/", "protocol.ts", "deno.json"],
};

for (const [place, allowed] of Object.entries(BELOW)) {
  Deno.test(`${place} imports only what is below it`, async () => {
    const own = place.endsWith("/") ? [place] : [];
    for (const file of FILES.filter((name) => name.startsWith(place))) {
      for (const imported of await importsOf(file)) {
        const legal = [...own, ...allowed].some((below) =>
          below.endsWith("/") ? imported.startsWith(below) : imported === below
        );
        assert(legal, `${file} imports ${imported}`);
      }
    }
  });
}

/** What server.ts loads before it listens; more of it is a slower start. */
const LOADED_FIRST = [
  "@std/cli/parse-args",
  "@std/fmt/colors",
  "deno.json",
  "protocol.ts",
  "server/backbone.ts",
  "server/duration.ts",
  "server/options.ts",
  "server/rates.ts",
  "server/screen.ts",
  "server/shown.ts",
  "server/start_error.ts",
];

Deno.test("server.ts loads next to nothing before it listens", async () => {
  const loaded = new Set<string>();
  const load = async (path: string) => {
    const source = await read(path);
    const found = source.matchAll(
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

  await load("server.ts");

  assertEquals([...loaded].sort(), LOADED_FIRST);
});

Deno.test("what the page shares with the client imports nothing else", async () => {
  for (const file of PURE) {
    const source = stripTypeScriptTypes(await read(file));
    const found = source.matchAll(/\bfrom "([^"]+)"|\bimport\b[^"]*"([^"]+)"/g);
    const names = Array.from(found, ([, from, bare]) => from ?? bare);
    const urls = names.map((name) => new URL(name!, new URL(file, ROOT)).href);
    const paths = urls.map((url) => url.slice(ROOT.href.length));
    const shared = ["protocol.ts", ...PURE];
    assertEquals(paths.filter((path) => !shared.includes(path)), [], file);
    assertFalse(/\b(Deno|process|Buffer)\b/.test(code(source)), file);
  }
});

Deno.test("protocol.ts imports nothing at all", async () => {
  const source = await read("protocol.ts");

  assertEquals(
    source.match(/^\s*import\b|\bimport\(|^export [^;(]* from "/m),
    null,
  );
});

for (const folder of ["server/", "client/", "web/"]) {
  Deno.test(`${folder} has no circles of imports, types apart`, async () => {
    const files = FILES.filter((name) => name.startsWith(folder));
    const edges = new Map<string, string[]>();
    for (const file of files) {
      const source = await read(file);
      const found = source.matchAll(
        /^(?:import|export) (?!type\b)[^;]*?from\s+"\.\/([^"]+)"/gm,
      );
      edges.set(file, Array.from(found, ([, name]) => folder + name));
    }
    const done = new Set<string>();
    const walk = (file: string, path: readonly string[]): void => {
      assert(!path.includes(file), [...path, file].join(" -> "));
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
      done.add(file);
    };

    for (const file of files) walk(file, []);
  });
}

Deno.test(`every source file has at most ${MAX_LINES} lines, and says what it is`, async () => {
  assert(FILES.includes("protocol.ts") && FILES.includes("server/hub.ts"));
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
