/** The documents: the README stays short, and links lead somewhere. */
import { assert, assertEquals, assertLess } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** Lines of the README. More of it belongs into docs/. */
const MAX_README_LINES = 200;

/** All documents, as paths from the top. */
const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  ...Array.from(Deno.readDirSync(new URL("docs/", ROOT)), ({ name }) => name)
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].sort();

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

/** The names by which links reach the headings of a document. */
function anchorsOf(source: string): Set<string> {
  const headings = source.replaceAll(/^```.*?^```/gms, "")
    .matchAll(/^#+ (.+)$/gm);
  return new Set(Array.from(headings, ([, heading]) => {
    return heading!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  }));
}

for (const document of DOCUMENTS) {
  Deno.test(`every link of ${document} leads to a file, and to a heading of it`, async () => {
    const source = await read(document);
    const links = source.matchAll(/(?:\]\(|src="|srcset=")([^)"]+)[)"]/g);

    for (const [, link] of links) {
      if (/^https?:/.test(link!)) continue;
      const url = new URL(link!, new URL(document, ROOT));
      const anchor = url.hash.slice(1);
      url.hash = "";
      assert((await Deno.stat(url)).isFile, link);
      if (anchor === "") continue;
      const anchors = anchorsOf(await Deno.readTextFile(url));
      assert(anchors.has(anchor), `${link} in ${document}`);
    }
  });
}

for (const document of DOCUMENTS) {
  Deno.test(`no code in a sentence of ${document} is broken over two lines`, async () => {
    const sentences = (await read(document)).replaceAll(/^```.*?^```/gms, "");

    const broken = Array.from(sentences.matchAll(/`[^`]*`/g), ([code]) => code)
      .filter((code) => code.includes("\n"));

    assertEquals(broken, []);
  });
}

Deno.test(`the README has at most ${MAX_README_LINES} lines`, async () => {
  const lines = (await read("README.md")).split("\n").length - 1;

  assertLess(lines, MAX_README_LINES + 1);
});

Deno.test("CI runs the README's test command, and no other", async () => {
  const [, command] = /^(deno .*?) +# run the tests$/m
    .exec(await read("README.md")) ?? [];
  const run = /^(deno .*?) "\$\{in_ci\[@\]\}" 2>&1/m.exec(
    await read(".ci/run"),
  );

  assertEquals(run?.[1], command);
});

Deno.test("docs/security.md has each package, in the version that is used", async () => {
  const { imports } = JSON.parse(await read("deno.json"));
  const packages = new Set(
    Object.values<string>(imports).map((specifier) =>
      /^npm:(.+?@[0-9.]+)/.exec(specifier)![1]!
    ),
  );
  const [, chapter = ""] = (await read("docs/security.md"))
    .split("\n## Packages\n");

  const told = chapter.matchAll(/^\| `([^`]+)`[^\n]*? ([0-9.]+), 20\d\d/gm);

  assertEquals(
    Array.from(told, ([, name, version]) => `${name}@${version}`)
      .filter((one) => packages.has(one)).sort(),
    [...packages].sort(),
  );
});
