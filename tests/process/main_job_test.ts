/**
 * The main job on real input: a book and a log go through `client.ts < file` to
 * ten clients, each a process of its own, and arrive complete and in order.
 */
import { assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams/text-line-stream";
import { fileURLToPath } from "node:url";
import { startServer } from "../../server/start.ts";
import { openStorage } from "../../server/storage.ts";
import { listenHere } from "../tools/net/test_server.ts";
import { tempFolder } from "../tools/temp.ts";
import { enough } from "../tools/system/amounts.ts";

const RECEIVERS = 10;
const root = fileURLToPath(new URL("../..", import.meta.url));

const SCRIPTS = [
  "The quick brown fox — “so to speak” — jumps over the lazy dog.",
  "Příliš žluťoučký kůň úpěl ďábelské ódy; zażółć gęślą jaźń.",
  "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
  "Съешь же ещё этих мягких французских булок, да выпей чаю.",
  "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر.",
  "עטלף אבק נס דרך מזגן שהתפוצץ כי חם.",
  "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश।",
  "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
  "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。",
  "いろはにほへと ちりぬるを わかよたれそ つねならむ",
  "키스의 고유조건은 입술끼리 만나야 하고",
  "🦊 👩‍👩‍👧‍👦 🏳️‍🌈 é ñ ｆｕｌｌ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
  "",
  "/this is no command, and",
  "@nobody: this is for everybody",
];

function book(): string[] {
  return Array.from({ length: 15_000 }, (_, i) => {
    const line = SCRIPTS[i % SCRIPTS.length]!;
    return line === "" ? "" : `${line} §${i}`;
  });
}

function log(): string[] {
  return Array.from({ length: enough(100_000) }, (_, i) => {
    return `2026-11-21T08:00:00Z host app[${i}]: GET /page/${i % 977} 200`;
  });
}

function spawn(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${root}client.ts`, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Receives `lines` and compares each as it comes; says when it is ready. */
async function receive(
  port: number,
  name: string,
  lines: readonly string[],
  ready: () => void,
): Promise<void> {
  const child = spawn([name, "127.0.0.1", "--port", `${port}`, "--plain"]);
  const printed = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  let next = 0;
  for await (const line of printed) {
    if (line.includes(`you joined #default`)) ready();
    const [, said] = /^\S+ #default sender: ?(.*)$/.exec(line) ?? [];
    if (said === undefined) continue;
    assertEquals(said, lines[next], `line ${next + 1} of ${name}`);
    if (++next === lines.length) await child.stdin.close();
  }
  assertEquals(next, lines.length, name);
  assertEquals((await child.status).code, 0);
}

for (const [what, lines] of [["a book", book()], ["a log", log()]] as const) {
  Deno.test(`${what} of ${lines.length} lines arrives whole at ten clients`, async () => {
    using folder = tempFolder();
    await using server = startServer({
      tcp: listenHere(),
      storage: openStorage({ db: `${folder.path}/chat.db`, log: () => {} }),
      log: () => {},
    });
    const ready = Array.from(
      { length: RECEIVERS },
      () => Promise.withResolvers<void>(),
    );
    const receivers = ready.map(({ resolve }, i) =>
      receive(server.port, `reader${i + 2}`, lines, resolve)
    );
    await Promise.all(ready.map(({ promise }) => promise));

    const sender = spawn(["sender", "127.0.0.1", "--port", `${server.port}`]);
    const [{ code }] = await Promise.all([
      sender.output(),
      new Blob([lines.map((line) => `${line}\n`).join("")]).stream()
        .pipeTo(sender.stdin),
      ...receivers,
    ]);

    assertEquals(code, 0);
  });
}
