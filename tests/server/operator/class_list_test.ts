/** Class lists: what is read of a file, and what becomes of it. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  MAX_LIST_BYTES,
  MAX_WRONG,
  namesIn,
} from "../../../server/operator/class_list.ts";
import { signedUp } from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

/** The names in a list, each behind its line. */
function read(text: string): string {
  return namesIn(text).map(({ line, name }) => `${line}:${name}`).join(" ");
}

const READ: readonly [what: string, text: string, names: string][] = [
  ["a name a line", "ada\nbert\n", "1:ada 2:bert"],
  ["no last line feed, and CR LF", "ada\r\nbert", "1:ada 2:bert"],
  ["old line ends of the Mac", "ada\rbert", "1:ada 2:bert"],
  ["a BOM", "\ufeffada\nbert", "1:ada 2:bert"],
  ["a BOM before a title", "\ufeffName\nada", "2:ada"],
  ["empty lines", "\n\nada\n\n  \nbert\n", "3:ada 6:bert"],
  ["spaces around", "  ada \n\tbert", "1:ada 2:bert"],
  [
    "a column of that title",
    "No,Name,Mail\n1,ada,a@b\n2,bert,",
    "2:ada 3:bert",
  ],
  ["titles in any case", "id;USERNAME\n1;ada", "2:ada"],
  ["semicolons", "name;group\nada;1\nbert;2", "2:ada 3:bert"],
  ["tabs", "name\tgroup\nada\t1", "2:ada"],
  ["the first column without a title", "ada,1\nbert,2", "1:ada 2:bert"],
  ["quotes", 'name,group\n"ada","1,2"\n"bert",""""', "2:ada 3:bert"],
  ["a comma in quotes is no separator", '"a,b,c";name\nx;ada', "2:ada"],
  ["a line feed in quotes", 'note,name\n"a\n\nb",ada\nc,bert', "2:ada 5:bert"],
  ["a row that is too short", "id,name\n1\n2,ada", "2: 3:ada"],
  ["quotes in the middle", 'name\na"d"a\nbert', "2:undefined 3:bert"],
  ["a quote that does not end", 'name\n"ada\nbert', "2:undefined 3:bert"],
  ["nothing", "", ""],
  ["a title alone", "name\n", ""],
];

for (const [what, text, names] of READ) {
  Deno.test(`namesIn() reads ${what}`, () => assertEquals(read(text), names));
}

Deno.test("namesIn() takes no long time for a quote that does not end", () => {
  const lines = 250_000; // a list as long as may be; together they took hours
  const start = performance.now();
  const read = namesIn(`"\n${"ada\n".repeat(lines)}`);
  assertEquals(read.length, lines + 1);
  assertEquals(read[0], { line: 1, name: undefined });
  assertEquals(read[lines], { line: lines + 1, name: "ada" });
  assertEquals(performance.now() - start < 60_000, true);
});

Deno.test("a list is imported but for its wrong lines, which are named with the reason", async () => {
  await using server = startTestServer();
  using folder = tempFolder();
  const list = `${folder.path}/class list.csv`;
  (await signedUp(server.port, "alice")).close();
  using _guest = await RawClient.enter(server.port, "guest1");
  const lines = [
    ...["name", "ada", "M\u00fcller", "teacher", "alice", "a1ice", "guest1"],
    ...["ADA", "bert", "two words", "x".repeat(33), "\u202eevil", '"'],
  ];
  await Deno.writeTextFile(list, lines.join("\n"));

  const answer = await server.console.run(`accounts import ${list} 7d`);

  const told = answer.split("\n");
  assertMatch(told[0]!, /^Made 2 accounts\. .*class list-codes\.csv, until /);
  assertEquals(told[1], "10 lines are wrong, and nothing was made of them:");
  const rest = told.slice(2).join("\n");
  assertMatch(rest, /line 3: "M\u00fcller": a name is 1 to 32 letters/);
  assertMatch(rest, /line 4: "teacher": names like "teacher" are reserved/);
  assertMatch(rest, /line 5: alice has an account/);
  assertMatch(rest, /line 6: alice, which looks like "a1ice", has an account/);
  assertMatch(rest, /line 7: "guest1": this name .* is in use/);
  assertMatch(rest, /line 8: "ADA": this name .* is in use/);
  assertMatch(rest, /line 13: its quotes do not fit/);
  assertEquals(/\u202e/.test(rest), false, "it is sanitized");
  const codes = `${folder.path}/class list-codes.csv`;
  assertMatch(
    await Deno.readTextFile(codes),
    /^name,code,good until\nada,[0-9a-z-]{19},\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\nbert,[^\n]+\n$/,
  );
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(codes)).mode! & 0o777, 0o600);
  }
});

Deno.test("of a thousand wrong lines twenty are named, and the chat goes on", async () => {
  await using server = startTestServer();
  using folder = tempFolder();
  const list = `${folder.path}/class.csv`;
  const lines = Array.from(
    { length: 2_000 },
    (_, i) => i % 2 === 0 ? `no name ${i}` : `student${i}x`,
  );
  await Deno.writeTextFile(list, lines.join("\n"));
  using alice = await RawClient.enter(server.port, "alice");

  const importing = server.console.run(`accounts import ${list}`);
  let answered = 0;
  let isDone = false;
  importing.finally(() => isDone = true);
  while (!isDone) {
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
    answered++;
  }

  const told = (await importing).split("\n");
  assertMatch(told[0]!, /^Made 1000 accounts\. /);
  assertEquals(told[1], "1000 lines are wrong, and nothing was made of them:");
  assertEquals(told.length, 2 + MAX_WRONG + 1);
  assertEquals(told.at(-1), "  and 980 more");
  // The answer to the first one came before all of them were made.
  assertEquals(answered > 1, true, "while accounts were made");
});

Deno.test("a list that cannot be used makes nothing, and says why", async () => {
  await using server = startTestServer();
  using folder = tempFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await Deno.writeTextFile(at("empty.csv"), "name\n");
  await Deno.writeTextFile(at("wrong.csv"), "no name\n");
  await Deno.writeTextFile(at("twice.csv"), "ada\n");
  await Deno.writeTextFile(at("long.csv"), "x".repeat(MAX_LIST_BYTES + 1));
  const run = (line: string) => server.console.run(line);

  assertMatch(
    await run(`accounts import ${at("none.csv")}`),
    /^Cannot import .*none\.csv: there is no such file$/,
  );
  assertMatch(
    await run(`accounts import ${folder.path}`),
    /^Cannot import .*: it is no file$/,
  );
  assertMatch(await run(`accounts import ${at("empty.csv")}`), /has no names$/);
  assertMatch(
    await run(`accounts import ${at("long.csv")}`),
    /it has 1048577 bytes; the limit is 1 MiB$/,
  );
  assertMatch(
    await run(`accounts import ${at("wrong.csv")}`),
    /^No account was made\.\n1 line is wrong, and nothing was made of it:\n/,
  );
  assertEquals(await run("accounts"), "No accounts");
  assertMatch(await run(`accounts import ${at("twice.csv")}`), /^Made 1 /);
  const before = await Deno.readTextFile(at("twice-codes.csv"));
  assertMatch(
    await run(`accounts import ${at("twice.csv")}`),
    /^Cannot import .*: .*twice-codes\.csv exists already\./,
  );
  assertEquals(await Deno.readTextFile(at("twice-codes.csv")), before);
  for (const line of ["accounts import", "accounts list", "accounts imp x"]) {
    assertMatch(await run(line), /^Usage: accounts, or accounts import FILE/);
  }
  const names = Array.from(Deno.readDirSync(folder.path), ({ name }) => name);
  assertEquals(names.filter((name) => name.includes("codes")), [
    "twice-codes.csv",
  ]);
});

Deno.test("a list as a spreadsheet writes it in UTF-16 is read", async () => {
  await using server = startTestServer();
  using folder = tempFolder();
  const list = `${folder.path}/class.txt`;
  const units = Uint16Array.from(
    "\ufeffname\tgroup\r\nada\t1\r\n",
    (one) => one.charCodeAt(0),
  );
  await Deno.writeFile(list, new Uint8Array(units.buffer));

  const answer = await server.console.run(`accounts import ${list}`);

  assertMatch(answer, /^Made 1 account\. .*class-codes\.csv/);
});
