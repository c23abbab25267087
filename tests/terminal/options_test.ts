/** Command lines that are read by a table of options, and what comes from it. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  OPTIONS as CLIENT_OPTIONS,
  USAGE as CLIENT_USAGE,
} from "../../client/options.ts";
import {
  OPTIONS as SERVER_OPTIONS,
  USAGE as SERVER_USAGE,
} from "../../server/options.ts";
import {
  ABOUT,
  choice,
  count,
  flag,
  isFlag,
  type OptionTable,
  parseOptions,
  port,
  readDuration,
  text,
  UsageError,
  writeDuration,
} from "../../terminal/options.ts";
import { defaultOf, helpText } from "../../terminal/usage.ts";
import { generatedIn, TABLES } from "../tools/docs.ts";

const OPTIONS = {
  port: port(9898, "Port", { group: "Network" }),
  tls: flag("Encrypt"),
  cert: text("FILE", undefined, "Certificate", { requires: ["tls"] }),
  web: flag("Serve the web client"),
  "web-port": count([0, 9], undefined, "Port of it", { implies: "web" }),
  color: choice(["auto", "never"], "Colors", { conflicts: ["web"] }),
  "long-name-that-needs-a-line": count([1, 3], undefined, "A `number`"),
  ...ABOUT,
} as const satisfies OptionTable;

Deno.test("parseOptions() gives each option its value or its default", async () => {
  const parsed = await parseOptions(OPTIONS, ["a", "--tls", "--cert=x"]);
  assert(typeof parsed === "object");

  // Each of these has the type of its kind, without a cast.
  const number: number = parsed.values.port;
  const path: string | undefined = parsed.values.cert;
  const word: "auto" | "never" = parsed.values.color;
  const isSet: boolean = parsed.values.tls;
  assertEquals([number, path, word, isSet], [9898, "x", "auto", true]);
  assertEquals(parsed.values["web-port"], undefined);
});

Deno.test("parseOptions() sets the flag that an option implies", async () => {
  const parsed = await parseOptions(OPTIONS, ["--web-port", "0"]);

  assert(typeof parsed === "object");
  assertEquals([parsed.values.web, parsed.values["web-port"]], [true, 0]);
});

Deno.test("parseOptions() gives the arguments that belong to no option", async () => {
  const parsed = await parseOptions(OPTIONS, ["a", "--tls", "1", "--", "--b"]);

  assert(typeof parsed === "object");
  assertEquals(parsed.rest, ["a", "1", "--b"]);
});

Deno.test("parseOptions() knows who asks for the help or the version", async () => {
  assertEquals(await parseOptions(OPTIONS, ["-h", "--port", "x"]), "help");
  assertEquals(await parseOptions(OPTIONS, ["--help", "--version"]), "help");
  assertEquals(await parseOptions(OPTIONS, ["--version"]), "version");
});

const MISTAKES: readonly [message: string, ...args: string[]][] = [
  [
    'Cannot use "--prot": no such option. Did you mean --port? See --help.',
    ...["--prot", "1"],
  ],
  ['Cannot use "-x": no such option. See --help.', "-x"],
  ['Cannot use "--tls.much": no such option. See --help.', "--tls.much=1"],
  ['Cannot use "--__proto__": no such option. See --help.', "--__proto__=1"],
  [
    'Cannot use "--constructor": no such option. See --help.',
    "--constructor",
  ],
  ["Cannot use --port without a value: write --port PORT", "--port", "--tls"],
  ["Cannot use --cert without a value: write --cert FILE", "--tls", "--cert="],
  [
    'Cannot use --port "-1": it must be a number from 0 to 65535',
    ...["--port", "-1"],
  ],
  ['Cannot use --color "red": it must be auto or never', "--color", "red"],
  ["Cannot use --cert without --tls", "--cert", "x"],
  ["Cannot use --cert without --tls", "--cert", "x", "--tls=false"],
  [
    "Cannot use --color with --web: leave one of them out",
    ...["--color", "auto", "--web"],
  ],
];

for (const [message, ...args] of MISTAKES) {
  Deno.test(`parseOptions() says what is wrong with ${args.join(" ")}`, async () => {
    const error = await assertRejects(
      () => parseOptions(OPTIONS, args),
      UsageError,
    );

    assertEquals(error.message, message);
  });
}

Deno.test("helpText() has a row for each option, by group", () => {
  assertEquals(
    helpText("Usage: x", OPTIONS),
    `Usage: x

Network:
  --port PORT         Port (default: 9898)
  --tls               Encrypt
  --cert FILE         Certificate
  --web               Serve the web client
  --web-port NUMBER   Port of it
  --color auto|never  Colors (default: auto)
  --long-name-that-needs-a-line NUMBER
                      A number

Help:
  --help, -h          Show this help
  --version           Show the version`,
  );
});

const USAGES: Record<string, string> = {
  server: SERVER_USAGE,
  client: CLIENT_USAGE,
};
const PROGRAMS = { server: SERVER_OPTIONS, client: CLIENT_OPTIONS };

for (const [program, table] of Object.entries<OptionTable>(PROGRAMS)) {
  Deno.test(`the help of the ${program} fits 80 columns`, () => {
    for (const line of helpText(USAGES[program]!, table).split("\n")) {
      assert(line.length <= 80, line);
    }
  });

  Deno.test(`the options of the ${program} agree with each other`, () => {
    for (const [name, option] of Object.entries(table)) {
      assertMatch(name, /^[a-z]+(-[a-z]+)*$/);
      const others = [option.implies, option.requires, option.conflicts];
      for (const other of others.flat()) {
        assert(other === undefined || other in table, `${name}: ${other}`);
      }
      const { default: value } = option;
      if (isFlag(option) || value === undefined) continue;
      assertEquals(option.read(defaultOf(option)), value);
    }
  });

  Deno.test(`docs/${program}.md has the options of the ${program} (deno task docs)`, async () => {
    const path = `docs/${program}.md`;
    const text = await Deno.readTextFile(
      new URL(`../../${path}`, import.meta.url),
    );

    assertEquals(generatedIn(text), TABLES[path]);
  });
}

Deno.test("readDuration() reads a number and a unit, and forever", () => {
  const times = {
    "90s": 90_000,
    "15m": 900_000,
    "2h": 7_200_000,
    "30d": 2_592_000_000,
    "0s": 0,
    "forever": Infinity,
  };
  for (const [word, ms] of Object.entries(times)) {
    assertEquals(readDuration(word), ms);
    if (ms > 0) assertEquals(writeDuration(ms), word);
  }
});

Deno.test("readDuration() reads nothing else", () => {
  const wrong = [
    "",
    "15",
    "m",
    "15 m",
    "-1m",
    "1.5h",
    "1w",
    "1h30m",
    "Forever",
  ];
  for (const text of [...wrong, `${"9".repeat(7)}s`, "15m\n", "toString"]) {
    assertEquals(readDuration(text), undefined, text);
  }
});
