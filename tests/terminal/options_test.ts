/** Command lines that are read by a table of options, and what comes from it. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  OPTIONS as CLIENT_OPTIONS,
  readOptions as readClientOptions,
  usage as clientUsage,
} from "../../client/options.ts";
import {
  OPTIONS as SERVER_OPTIONS,
  usage as serverUsage,
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
  readSize,
  several,
  text,
  UsageError,
  writeDuration,
  writeSize,
} from "../../terminal/options.ts";
import { defaultOf, helpText } from "../../terminal/usage.ts";
import type { System } from "../../platform/system.ts";
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

Deno.test("parseOptions() reads a quoted folder as shells of Windows complete it", async () => {
  const args = ["--tls", '--cert=C:\\my files"', 'D:\\a b"', '"x"', 'say "x"'];
  const read = async (system: System) => {
    const parsed = await parseOptions(OPTIONS, args, system);
    assert(typeof parsed === "object");
    return [parsed.values.cert, ...parsed.rest];
  };

  assertEquals(await read("windows"), [
    ...["C:\\my files\\", "D:\\a b\\", '"x"', 'say "x"'],
  ]);
  assertEquals(await read("linux"), [
    ...['C:\\my files"', 'D:\\a b"', '"x"', 'say "x"'],
  ]);
});

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

const NAMES = {
  web: flag("Serve the web client"),
  name: several(text("NAME", undefined, "A name of it", { implies: "web" })),
} as const satisfies OptionTable;

for (
  const [names, web, ...args] of [
    [[], false],
    [["a"], true, "--name", "a"],
    [["b", "12", "b"], true, "--name=b", "--name", "12", "--name", "b"],
  ] as const
) {
  Deno.test(`parseOptions() gives ${names.length} values for ${names.length} times --name`, async () => {
    const parsed = await parseOptions(NAMES, args);
    assert(typeof parsed === "object");

    const list: readonly string[] = parsed.values.name;
    assertEquals(list, names);
    assertEquals(parsed.values.web, web);
  });
}

Deno.test("parseOptions() takes no empty value among several", async () => {
  await assertRejects(
    () => parseOptions(NAMES, ["--name", "a", "--name="]),
    UsageError,
    "Cannot use --name without a value: write --name NAME",
  );
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
  ['Cannot use "-1": no such option. See --help.', "--web", "-1"],
  [
    'Cannot use --port "70000": it must be a number from 0 to 65535',
    ...["--port", "70000"],
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

const WHERE: readonly [
  typed: string,
  name: string | undefined,
  hostname: string | undefined,
  port: number | undefined,
  others: string,
][] = [
  ["", undefined, undefined, undefined, ""],
  ["alice", "alice", undefined, undefined, ""],
  ["alice lab1 --plain", "alice", "lab1", undefined, "--plain"],
  ["127.0.0.1", undefined, "127.0.0.1", undefined, ""],
  ["localhost --tls", undefined, "localhost", undefined, "--tls"],
  ["10.0.0.5:9000", undefined, "10.0.0.5", 9000, ""],
  ["[::1]:9000", undefined, "::1", 9000, ""],
  ["fe80::1%eth0", undefined, "fe80::1%eth0", undefined, ""],
  ["127.0.0.1 9898", undefined, "127.0.0.1", 9898, ""],
  ["alice 127.0.0.1 9898", "alice", "127.0.0.1", 9898, ""],
  ["alice 127.0.0.1 --room lab 1", "alice", "127.0.0.1", 1, "--room lab"],
  ["alice 9898", "alice", undefined, 9898, ""],
  ["10.0.0.5 alice 9000", "alice", "10.0.0.5", 9000, ""],
  ["NAME 10.0.0.5 --port 7", undefined, "10.0.0.5", 7, "--port 7"],
  [
    "bob 10.0.0.5 --receive --from bob",
    ...["bob", "10.0.0.5"] as const,
    undefined,
    "--receive --from bob",
  ],
  [
    "bob 10.0.0.5 9898 --send al",
    "bob",
    "10.0.0.5",
    undefined,
    "9898 --send al",
  ],
];

for (const [typed, name, hostname, port, others] of WHERE) {
  Deno.test(`client.ts ${typed} is understood`, async () => {
    const options = await readClientOptions(typed.split(" ").filter(Boolean));

    assert(typeof options === "object");
    assertEquals(
      [options.name, options.hostname, options.port, options.others.join(" ")],
      [name, hostname, port, others],
    );
  });
}

for (
  const [table, typed, meant] of [
    [CLIENT_OPTIONS, "--rom", "--room"],
    [CLIENT_OPTIONS, "--ROOM", "--room"],
    [CLIENT_OPTIONS, "--password", "--password-file"],
    [CLIENT_OPTIONS, "--form", "--from"],
    [SERVER_OPTIONS, "--hist", "--history"],
    [SERVER_OPTIONS, "--no-lim", "--no-limits"],
    [SERVER_OPTIONS, "--hots", "--host"],
  ] as const
) {
  Deno.test(`${typed} suggests ${meant}`, async () => {
    const error = await assertRejects(() => parseOptions(table, [typed, "x"]));

    assert(error instanceof UsageError);
    assertStringIncludes(error.message, `Did you mean ${meant}? See --help.`);
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
  server: serverUsage("deno run -A server.ts"),
  client: clientUsage("deno run -A client.ts"),
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
      if (isFlag(option) || value === undefined || option.repeats) continue;
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

Deno.test("readSize() reads a number and a unit, and unlimited", () => {
  const sizes = {
    "10kB": 10_000,
    "500MB": 500_000_000,
    "2GB": 2_000_000_000,
    "2GiB": 2_147_483_648,
    "64MiB": 67_108_864,
    "3TB": 3_000_000_000_000,
    "unlimited": Infinity,
  };
  for (const [word, bytes] of Object.entries(sizes)) {
    assertEquals(readSize(word), bytes);
    assertEquals(writeSize(bytes), word);
  }
  assertEquals(readSize("2gb"), 2_000_000_000);
});

Deno.test("readSize() reads nothing else", () => {
  for (const word of ["", "2", "GB", "2 GB", "-1GB", "1.5GB", "2G", "2GB\n"]) {
    assertEquals(readSize(word), undefined, word);
  }
});

Deno.test("--keep-bytes says what it takes", async () => {
  const must =
    "it must be a size such as 500MB, 2GB or 2GiB, at least 10MB, or unlimited";
  for (const word of ["5", "9MB", "much"]) {
    await assertRejects(
      () => parseOptions(SERVER_OPTIONS, ["--keep-bytes", word]),
      UsageError,
      `Cannot use --keep-bytes "${word}": ${must}`,
    );
  }
});
