/**
 * Nothing secret in what anybody else can see: a password, what is made of it,
 * and the token of a visit are looked for wherever programs leave something.
 */
import { assert, assertEquals } from "@std/assert";
import { deriveKeys } from "../../core/scram.ts";
import {
  ClientProcess,
  FakeServer,
  type Result,
} from "../tools/client_tools.ts";
import { bytes, headerOf, RawClient } from "../tools/net/raw_client.ts";
import { needs } from "../tools/system/skips.ts";
import { tempFolder } from "../tools/temp.ts";
import { WatchedServer } from "../tools/watched_server.ts";

const PASSWORD = "Tr0ub4dor&3 \u00fcber-secret";
const WRONG = "quite~another~secret";

/** A secret, in the forms in which it might be written down. */
function formsOf(secret: string | Uint8Array): string[] {
  const raw = typeof secret === "string" ? bytes(secret) : secret;
  const text = typeof secret === "string"
    ? [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]
    : [];
  const base64 = Uint8Array.from(raw).toBase64().replace(/=+$/, "");
  return [...text, base64, Uint8Array.from(raw).toHex()];
}

/** Fails if one of `secrets` is in `text`, in any form. */
function checkHidden(
  where: string,
  text: string,
  secrets: readonly (string | Uint8Array)[],
): void {
  for (const form of secrets.flatMap(formsOf)) {
    assert(!text.includes(form), `"${form}" is in ${where}: ${text}`);
  }
}

/** A file as text, each byte a character: also what is no UTF-8 is found. */
async function contentOf(path: string): Promise<string> {
  const found = await Deno.readFile(path).catch(() => new Uint8Array());
  return Array.from(found, (byte) => String.fromCharCode(byte)).join("");
}

/** A password in bytes, as {@linkcode contentOf} gives them. */
function asBytes(secret: string): string {
  return String.fromCharCode(...bytes(secret));
}

Deno.test("passwords are nowhere but in their file: not in outputs or the database", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const files = {
    right: `${folder.path}/right`,
    wrong: `${folder.path}/wrong`,
  };
  const mode = { mode: 0o600 };
  await Deno.writeTextFile(files.right, `${PASSWORD}\n`, mode);
  await Deno.writeTextFile(files.wrong, `${WRONG}\n`, mode);
  await using server = await WatchedServer.start(["--db", db]);
  const visit = (way: string, file: string) =>
    run(server.port, [way, "--password-file", file]);

  const visits = [
    await visit("--signup", files.right),
    await visit("--login", files.right),
    await visit("--login", files.wrong),
    await visit("--signup", files.wrong),
  ];
  const accounts = await server.ask("accounts");
  const log = server.all;
  await server.stop();
  const stored = await contentOf(db) + await contentOf(`${db}-wal`);

  assertEquals(visits.map(({ code }) => code), [0, 0, 4, 4]);
  const [, salt = "", storedKey = "", serverKey = ""] =
    /SCRAM-SHA-256\$600000:(\S+?)\$([\w+/=]{44}):([\w+/=]{44})/.exec(stored) ??
      [];
  const { clientKey } = await deriveKeys(PASSWORD, salt, 600_000);
  const secrets = [PASSWORD, WRONG, clientKey];
  checkHidden("the database", stored, [asBytes(PASSWORD), ...secrets]);
  const verifier = [storedKey, serverKey];
  const said = { log, accounts: accounts.join(""), errors: server.errors };
  for (const [where, text] of Object.entries(said)) {
    assert(where === "errors" || text.includes("alice"), `${where}: ${text}`);
    checkHidden(where, text, [...secrets, ...verifier]);
  }
  for (const { out, err } of visits) {
    checkHidden("a client", out + err, [
      asBytes(PASSWORD),
      ...secrets,
      ...verifier,
    ]);
  }
});

/** Runs a client to its end. */
async function run(port: number, args: readonly string[]): Promise<Result> {
  await using client = new ClientProcess([
    "alice",
    `127.0.0.1:${port}`,
    ...args,
  ]);
  await client.type("hello\n").catch(() => {}); // it may have ended
  return await client.end();
}

/** What others on the computer can see of a process. */
async function visibleOf(pid: number): Promise<string> {
  const files = ["cmdline", "comm", "environ"];
  const parts = await Promise.all(
    files.map((file) => contentOf(`/proc/${pid}/${file}`)),
  );
  assert(parts[0] !== "", "the process runs");
  return parts.join("\n");
}

/** A client that signs in with the password of a file in `folder`. */
async function signingIn(folder: string, port: number): Promise<ClientProcess> {
  const file = `${folder}/password`;
  await Deno.writeTextFile(file, PASSWORD, { mode: 0o600 });
  return new ClientProcess([
    ...["alice", `127.0.0.1:${port}`, "--login"],
    ...["--password-file", file],
  ]);
}

Deno.test(needs("/proc", {
  name: "a password is not among what a process shows to other users",
  async fn() {
    using folder = tempFolder();
    using server = new FakeServer();
    await using client = await signingIn(folder.path, server.port);

    using peer = await server.accept();
    await peer.request(); // it has read the password

    const visible = await visibleOf(client.pid);
    checkHidden("the process", visible, [asBytes(PASSWORD), PASSWORD]);
  },
}));

/** What a server may say to a LOGIN, so that a client fails. */
const BAD_CHALLENGES = [
  "CHALLENGE alice\n\n",
  "CHALLENGE alice\nContent-length: 5\n\n\u{1f600}x",
  "ERROR 111 Wrong password\nReason: no\n\n",
  "ERROR 103 Header Incomplete\n\n",
  "nonsense\n\n\n",
];

for (const [i, answer] of BAD_CHALLENGES.entries()) {
  Deno.test(`a client that fails says no password, whatever made it fail, no. ${i + 1}`, async () => {
    using folder = tempFolder();
    using server = new FakeServer();
    await using client = await signingIn(folder.path, server.port);
    using peer = await server.accept();
    const asked = await peer.request();
    await peer.say(answer);
    peer.hangUp();
    const { code, out, err } = await client.end();

    assert([4, 6].includes(code), `exit code ${code}`);
    checkHidden("LOGIN", asked, [PASSWORD]);
    checkHidden("its outputs", `${out}${err}`, [PASSWORD]);
    assert(err !== "", "it says why");
  });
}

Deno.test("the token of a visit is for its user alone", async () => {
  await using server = await WatchedServer.start(["--db", ":memory:"]);
  using alice = await RawClient.connect(server.port);
  const token = headerOf(await alice.ask("REGISTER alice\n\n"), "Token");
  using bob = await RawClient.enter(server.port, "bob", "#default");
  await alice.send("JOIN #default\n\n");
  const notice = await bob.next("NOTICE joined");
  const listed = [
    await bob.ask("WHO ALL\n\n"),
    await bob.ask(`REGISTER alice\nToken: ${token.slice(0, -1)}\n\n`),
  ];
  const answers = [await server.ask("users"), await server.ask("rooms")];

  assert(/^[0-9a-f]{32}$/.test(token), token);
  const others = [notice, ...listed, ...answers.flat(), server.all];
  checkHidden("what others see", others.join("\n"), [token]);
});
