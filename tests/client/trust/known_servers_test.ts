/** The file of known servers: what is written there, and what is read. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  KnownServers,
  knownServersPath,
  readFingerprint,
  serverText,
} from "../../../client/trust/known_servers.ts";
import type { Surroundings } from "../../../platform/local_path.ts";
import type { System } from "../../../platform/system.ts";
import { needs } from "../../tools/system/skips.ts";
import { tempFolder } from "../../tools/temp.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);
const C = "c".repeat(64);
const MODULE =
  new URL("../../../client/trust/known_servers.ts", import.meta.url).href;

Deno.test("a server is remembered in a file for its owner alone", () => {
  using folder = tempFolder();
  const path = `${folder.path}/new/parley/known_servers`;

  const written = new KnownServers(path)
    .remember("host:9899", { fingerprint: A, key: B });

  assertEquals(written, "");
  assertEquals(new KnownServers(path).find("host:9899"), {
    fingerprint: A,
    key: B,
  });
  assertEquals(new KnownServers(path).find("host:9898"), undefined);
  if (Deno.build.os !== "windows") {
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    const parent = Deno.statSync(`${folder.path}/new/parley`);
    assertEquals(parent.mode! & 0o777, 0o700);
  }
});

Deno.test("of several lines for one server the last counts", () => {
  using folder = tempFolder();
  const known = new KnownServers(`${folder.path}/known_servers`);

  known.remember("host:1", { fingerprint: A, key: undefined });
  known.remember("other:1", { fingerprint: B, key: undefined });
  known.remember("host:1", { fingerprint: C, key: A });

  assertEquals(known.find("host:1"), { fingerprint: C, key: A });
  assertEquals(known.find("other:1"), { fingerprint: B, key: undefined });
});

Deno.test("lines written by hand are read, and what is no entry is passed over", () => {
  using folder = tempFolder();
  const path = `${folder.path}/known_servers`;
  const colons = A.toUpperCase().replace(/..(?!$)/g, "$&:");
  Deno.writeTextFileSync(
    path,
    `# our servers\n\n  Host:9899   ${colons}\r\nhost:9899 abc\nhost:9899`,
  );
  const known = new KnownServers(path);

  known.remember("other:1", { fingerprint: B, key: C });

  assertEquals(known.find("host:9899"), { fingerprint: A, key: undefined });
  assertEquals(known.find("other:1"), { fingerprint: B, key: C });
});

Deno.test("several clients that remember at once lose nothing", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/known_servers`;
  // A name that is longer than a page of memory: another program may read a part.
  const host = "h".repeat(9_000);
  const script = (client: number) =>
    `import { KnownServers } from ${JSON.stringify(MODULE)};
    const known = new KnownServers(${JSON.stringify(path)});
    for (let i = 0; i < 100; i++) {
      const fingerprint = "${client}".repeat(64);
      known.remember("${host}${client}:" + i, { fingerprint, key: fingerprint });
    }`;

  const clients = [1, 2, 3, 4].map((client) =>
    new Deno.Command(Deno.execPath(), { args: ["eval", script(client)] })
      .output()
  );
  for (const { success } of await Promise.all(clients)) assert(success);

  const lines = Deno.readTextFileSync(path).split("\n").sort();
  const expected = [1, 2, 3, 4].flatMap((client) =>
    Array.from({ length: 100 }, (_, i) => {
      const hash = `${client}`.repeat(64);
      return `${host}${client}:${i} ${hash} ${hash}`;
    })
  );
  assert(
    lines.join() === ["", ...expected.sort()].join(),
    "a line is missing or broken",
  );
});

Deno.test("where nothing can be written, nothing is remembered and nothing breaks", () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  const below = `${folder.path}/file/known_servers`;
  for (
    const [path, why, fault] of [
      [undefined, "there is no home folder", ""],
      [below, `${below}: something of that name is in the way`, ""],
      [
        folder.path,
        `${folder.path}: `, // systems have other reasons for it
        `Cannot read ${folder.path}: it is a folder`,
      ],
    ]
  ) {
    const known = new KnownServers(path);

    const said = known.remember("h:1", { fingerprint: A, key: B });
    assertStringIncludes(said, why!);
    assertEquals(known.find("h:1"), undefined);
    assertEquals(known.fault.slice(0, fault!.length), fault);
    assertEquals(known.fault === "", fault === "");
  }
});

/** A system with these variables and no others. */
function on(system: System, variables: Record<string, string>): Surroundings {
  return { system, variable: (name) => variables[name] };
}

Deno.test("the file is where each system keeps settings", () => {
  const home = { HOME: "/home/a" };

  assertEquals(
    knownServersPath(on("linux", home)),
    "/home/a/.config/parley/known_servers",
  );
  assertEquals(
    knownServersPath(on("linux", { HOME: "/h", XDG_CONFIG_HOME: "/x" })),
    "/x/parley/known_servers",
  );
  assertEquals(
    knownServersPath(on("darwin", home)),
    "/home/a/Library/Application Support/parley/known_servers",
  );
  assertEquals(
    knownServersPath(on("windows", { APPDATA: "C:\\Users\\a\\Roaming" })),
    "C:\\Users\\a\\Roaming\\parley\\known_servers",
  );
  assertEquals(
    knownServersPath(on("windows", { USERPROFILE: "C:\\Users\\a" })),
    "C:\\Users\\a\\AppData\\Roaming\\parley\\known_servers",
  );
});

Deno.test("the file is in no folder that is empty or relative", () => {
  for (const system of ["linux", "darwin", "windows"] as const) {
    for (const none of [undefined, "", ".", "here", "~", "C:here"]) {
      const surroundings = { system, variable: () => none };
      assertEquals(knownServersPath(surroundings), undefined, none);
    }
  }
  assertEquals(
    knownServersPath(on("linux", { HOME: "/h", XDG_CONFIG_HOME: "x" })),
    "/h/.config/parley/known_servers",
  );
  assertEquals(
    knownServersPath(on("windows", { APPDATA: "x", USERPROFILE: "C:\\a" })),
    "C:\\a\\AppData\\Roaming\\parley\\known_servers",
  );
});

Deno.test("serverText() and readFingerprint() take what people write", () => {
  assertEquals(serverText({ hostname: "Host", port: 1 }), "host:1");
  assertEquals(serverText({ hostname: "FD00::2", port: 1 }), "[fd00::2]:1");
  assertEquals(readFingerprint(A.toUpperCase()), A);
  for (const wrong of ["", "abc", `${A}a`, A.replace("a", "g")]) {
    assertEquals(readFingerprint(wrong), undefined);
  }
});

Deno.test("the file that 16bfe57 wrote is read, and only ever appended to", () => {
  using folder = tempFolder();
  const path = `${folder.path}/known_servers`;
  const fixture = new URL(
    "../../fixtures/16bfe57/known_servers",
    import.meta.url,
  );
  const before = Deno.readTextFileSync(fixture);
  Deno.writeTextFileSync(path, before);
  const known = new KnownServers(path);
  const expected = {
    fingerprint:
      "e85f172385af4abea81f6d82857e29847808f21323a4637433412673b3674f4d",
    key: "94b0bcdb371d6f12e9e85a9da4e54eeaeb15a323e900c687dfa857f9d3877fd1",
  };

  assertEquals(known.find("192.0.2.1:9899"), expected);
  assertEquals(known.find("[2001:db8::1]:9899"), expected);
  assertEquals(Deno.readTextFileSync(path), before);
  known.remember("other:1", { fingerprint: A, key: undefined });

  assertEquals(Deno.readTextFileSync(path), `${before}other:1 ${A}\n`);
});

Deno.test(needs("program that keeps a file from all others", {
  name: "a server is remembered when the program ends that holds the file",
  async fn() {
    using folder = tempFolder();
    const path = `${folder.path}\\known_servers`;
    const command = `ping -n 2 127.0.0.1 > ${path}`; // writes for a second
    const holder = new Deno.Command("cmd", { args: ["/c", command] }).spawn();
    const isHeld = () => {
      try {
        Deno.openSync(path, { write: true }).close();
        return false;
      } catch (error) {
        return error instanceof Error && "code" in error &&
          error.code === "EBUSY";
      }
    };
    while (!isHeld()) await new Promise((resolve) => setTimeout(resolve));

    const written = new KnownServers(path)
      .remember("host:1", { fingerprint: A, key: B });

    assertEquals(written, "");
    assertEquals((await holder.status).success, true);
    assertEquals(new KnownServers(path).find("host:1"), {
      fingerprint: A,
      key: B,
    });
  },
}));
