/** Lines that are read key by key: those of a console of Windows, on this terminal. */
import { assertEquals, assertFalse, assertMatch } from "@std/assert";
import { tempFolder } from "../../tools/temp.ts";
import { Pty, ptyTest } from "../../tools/system/pty.ts";

const TTY_INPUT = new URL("../../../terminal/tty_input.ts", import.meta.url);

/** Prints each line as JSON; hides what is typed after the line "hide". */
const PROGRAM = `
  import { KeyLines, TtyInput } from "${TTY_INPUT}";
  const lines = new KeyLines(TtyInput.openRaw(), {
    show: (text) => void Deno.stdout.writeSync(new TextEncoder().encode(text)),
    interrupt: () => console.log("interrupted"),
  });
  console.log("ready");
  for await (const line of lines) {
    console.log(JSON.stringify(line));
    lines.hide(line.text === "hide");
  }
  lines.close();
  console.log("end");
`;

async function start(): Promise<Pty> {
  using folder = tempFolder();
  const program = `${folder.path}/program.ts`;
  await Deno.writeTextFile(program, PROGRAM);
  const run = ["run", "-qA", "--cached-only", "--config", "deno.json", program];
  const pty = await Pty.run([Deno.execPath(), ...run]);
  await pty.until(/ready\r\n/);
  pty.text = "";
  return pty;
}

ptyTest(
  "lines read key by key are edited and shown, whatever the reads cut",
  async () => {
    await using pty = await start();

    for (const cut of [1, 2, 3]) {
      await pty.typeCut("héllo 你👍", cut);
      pty.type("\r");
      await pty.until(/\{"text":"héllo 你👍","pasted":false\}\r\n$/);
    }
    await pty.typeCut("héllo 你👍", 1);
    pty.type("\x7f\x7f\x1b[A!\r");
    await pty.until(
      // deno-lint-ignore no-control-regex -- it takes two columns back, twice
      /(\x08 \x08){4}!\r\n\{"text":"héllo !","pasted":false\}\r\n/,
    );
    pty.type("one\r\rtwo\n");
    await pty.until(
      /\{"text":"one"[^]*\{"text":"","pasted":false\}[^]*\{"text":"two"/,
    );
    pty.type("a\x15b\x03c\r");
    await pty.until(/interrupted\r\n[^]*\{"text":"bc"/);
  },
);

ptyTest("a paste into lines read key by key is text of one line", async () => {
  await using pty = await start();

  pty.type("\x1b[200~one\rtw");
  pty.type("o 漢\x1b[20");
  pty.type("1~!\r");
  await pty.until(/\{"text":"one\\ntwo 漢!","pasted":true\}/);
  pty.type("say \x1b[200~one\x1b[201~\r");
  await pty.until(/\{"text":"say one","pasted":false\}/);

  assertMatch(pty.text, /^one\S+two 漢!\r\n/);
});

ptyTest("a hidden line is not shown, and Ctrl-D ends the input", async () => {
  await using pty = await start();
  assertMatch(await pty.mode(), / -icanon /);

  pty.type("hide\r");
  await pty.until(/"hide"/);
  pty.type("sécret \x7fx\r");
  await pty.until(/\{"text":"sécretx"/);
  assertFalse(pty.text.replace(/\{.*\}/g, "").includes("cret"), pty.text);
  pty.type("\x04");
  await pty.until(/end\r\n/);

  assertEquals(await pty.exitCode(), 0);
  assertMatch(await pty.mode(), / icanon /);
});
