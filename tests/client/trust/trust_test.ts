/** client.ts --tls: whom it trusts, whom it refuses, and what it then says. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { X509Certificate } from "node:crypto";
import { dirname } from "node:path";
import { KnownServers } from "../../../client/trust/known_servers.ts";
import {
  identityOf,
  Trust,
  UnknownCertificate,
} from "../../../client/trust/trust.ts";
import { systemInterfaces, withZone } from "../../../platform/addresses.ts";
import { certificateFor } from "../../../server/certificate.ts";
import { withTls } from "../../../server/net/tls.ts";
import {
  ClientProcess,
  type Result,
  runClient,
} from "../../tools/client_tools.ts";
import { FaultProxy } from "../../tools/net/fault_proxy.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { lastingPort } from "../../tools/net/test_server.ts";
import { settingsPath } from "../../../client/trust/settings_file.ts";
import { SYSTEM } from "../../../platform/system.ts";
import { settingsIn, tempFolder } from "../../tools/temp.ts";
import {
  enterTls,
  Interceptor,
  newCertificate,
  signedCertificate,
  startTlsServer,
} from "../../tools/net/tls_tools.ts";
import { version1Server } from "../../tools/net/version1.ts";

/** Settings of a client that nobody has used yet. */
function newSettings() {
  const folder = tempFolder();
  const env = settingsIn(folder.path);
  const surroundings = {
    system: SYSTEM,
    variable: (name: string) => env[name],
  };
  const file = settingsPath("known_servers", surroundings)!;
  return {
    env,
    /** What is in the file of known servers. */
    known: () => Deno.readTextFileSync(file),
    /** Writes into it. */
    know(line: string) {
      Deno.mkdirSync(dirname(file), { recursive: true });
      Deno.writeTextFileSync(file, `${line}\n`);
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

function fingerprintOf({ cert }: { readonly cert: string }): string {
  return new X509Certificate(cert).fingerprint256;
}

/** Says a line over TLS, as a pipe does. */
function say(
  port: number,
  env: Record<string, string>,
  ...args: string[]
): Promise<Result> {
  const to = ["alice", `127.0.0.1:${port}`, "--tls", ...args];
  return runClient(to, "hello\n", env);
}

Deno.test("a pipe does not trust a server that is not known, and says what to do", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();

  const { code, out, err } = await say(server.tlsPort, settings.env);

  assertEquals([code, out], [6, ""]);
  assertStringIncludes(
    err,
    `Cannot trust 127.0.0.1:${server.tlsPort}: unknown ` +
      "certificate, not signed by a trusted authority\n",
  );
  assertStringIncludes(
    err,
    `--fingerprint ${fingerprintOf(server.certificate)}\n`,
  );
  assert(!server.log.some((line) => line.includes("alice")));
});

Deno.test("--fingerprint lets in, whatever its case and colons, and is remembered", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();
  const fingerprint = fingerprintOf(server.certificate);
  const bare = fingerprint.replaceAll(":", "").toLowerCase();

  const first = await say(
    server.tlsPort,
    settings.env,
    "--fingerprint",
    fingerprint,
  );
  const known = settings.known();
  const bareOne = await say(
    server.tlsPort,
    settings.env,
    "--fingerprint",
    bare,
  );
  const second = await say(server.tlsPort, settings.env);

  assertEquals([first.code, bareOne.code, second.code], [0, 0, 0]);
  assert(known.startsWith(`127.0.0.1:${server.tlsPort} ${bare} `), known);
  assertEquals(settings.known(), known);
});

Deno.test("a server whose certificate has changed is refused, until its fingerprint is given", async () => {
  using settings = newSettings();
  const old = await startTlsServer({ tlsPort: lastingPort() });
  const { tlsPort } = old;
  const accepted = fingerprintOf(old.certificate);
  await say(tlsPort, settings.env, "--fingerprint", accepted);
  await old[Symbol.asyncDispose]();
  await using server = await startTlsServer({ tlsPort });
  const fingerprint = fingerprintOf(server.certificate);

  const refused = await say(tlsPort, settings.env);
  const byOld = await say(tlsPort, settings.env, "--fingerprint", accepted);
  const allowed = await say(
    tlsPort,
    settings.env,
    "--fingerprint",
    fingerprint,
  );
  const after = await say(tlsPort, settings.env);

  assertEquals(
    [refused.code, byOld.code, allowed.code, after.code],
    [6, 6, 0, 0],
  );
  assertStringIncludes(
    refused.err,
    `Cannot trust 127.0.0.1:${tlsPort}: its certificate changed\n` +
      "This may be an attack. Nothing was sent. Ask the operator for the new " +
      "fingerprint.",
  );
  assertStringIncludes(refused.err, `--fingerprint ${fingerprint}\n`);
  assertStringIncludes(
    byOld.err,
    "its certificate is not that of --fingerprint",
  );
});

Deno.test("a certificate that was renewed is no other server", async () => {
  using settings = newSettings();
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const old = await startTlsServer({
    tlsPort: lastingPort(),
    certificate: await certificateFor({ db }),
  });
  const { tlsPort } = old;
  const accepted = fingerprintOf(old.certificate);
  await say(tlsPort, settings.env, "--fingerprint", accepted);
  await old[Symbol.asyncDispose]();
  const now = Date.now() + 800 * 86_400_000;
  const certificate = await certificateFor({ db, now });
  await using _server = await startTlsServer({ tlsPort, certificate });

  const { code, err } = await say(tlsPort, settings.env);

  assertEquals([code, err], [0, ""]);
  const renewed = certificate.fingerprint.replaceAll(":", "").toLowerCase();
  assert(certificate.fingerprint !== accepted);
  assertStringIncludes(settings.known(), `:${tlsPort} ${renewed} `);
});

Deno.test("--ca lets in whom its authority vouches for, under that name alone", async () => {
  using settings = newSettings();
  using folder = tempFolder();
  const certificate = await signedCertificate("127.0.0.1");
  const other = await signedCertificate("other.example");
  await using server = await startTlsServer({ certificate });
  await using elsewhere = await startTlsServer({ certificate: other });
  const ca = `${folder.path}/ca.pem`;
  Deno.writeTextFileSync(ca, certificate.authority);
  const otherCa = `${folder.path}/other.pem`;
  Deno.writeTextFileSync(otherCa, other.authority);

  const vouched = await say(server.tlsPort, settings.env, "--ca", ca);
  const foreign = await say(server.tlsPort, settings.env, "--ca", otherCa);
  const misnamed = await say(elsewhere.tlsPort, settings.env, "--ca", otherCa);

  assertEquals([vouched.code, vouched.err], [0, ""]);
  assertEquals([foreign.code, misnamed.code], [6, 6]);
  assertStringIncludes(foreign.err, "Nothing was sent");
  assertStringIncludes(foreign.err, "is not signed by a trusted authority");
  assertStringIncludes(misnamed.err, 'not valid for name "127.0.0.1"');
  assert(!elsewhere.log.some((line) => line.includes("alice")));
});

Deno.test("whom an authority of this computer vouches for just works", async () => {
  using settings = newSettings();
  using folder = tempFolder();
  const certificate = await signedCertificate("127.0.0.1");
  await using server = await startTlsServer({ certificate });
  const ca = `${folder.path}/ca.pem`;
  Deno.writeTextFileSync(ca, certificate.authority);

  const { code, err } = await say(server.tlsPort, {
    ...settings.env,
    DENO_CERT: ca, // one more that Deno knows
  });

  assertEquals([code, err], [0, ""]);
});

Deno.test("an attacker in the middle is refused, and is told nothing", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();
  await using middle = await Interceptor.before(server);
  const real = fingerprintOf(server.certificate);
  const false_ = middle.certificate.fingerprint;

  const byFingerprint = await say(
    middle.port,
    settings.env,
    "--fingerprint",
    real,
  );
  settings.know(`127.0.0.1:${middle.port} ${real}`);
  const asKnown = await say(middle.port, settings.env);
  const heard = middle.heard;
  const fooled = await say(middle.port, settings.env, "--fingerprint", false_);

  assertEquals([byFingerprint.code, asKnown.code, heard], [6, 6, 0]);
  assertEquals(fooled.code, 0, "the middle passes on what it hears");
  assert(middle.heard > 0);
  assert(server.log.some((line) => line.startsWith("alice registered")));
});

Deno.test("an attacker who gets in the middle of a reconnect is refused, too", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();
  await using middle = await Interceptor.before(server);
  await using proxy = await FaultProxy.open({ target: server.tlsPort });
  const real = fingerprintOf(server.certificate);
  await using alice = new ClientProcess([
    ...["alice", `127.0.0.1:${proxy.port}`, "--tls"],
    ...["--fingerprint", real],
  ], settings.env);
  await alice.until("you joined #default");

  proxy.target = middle.port;
  proxy.cutAll();
  await alice.untilError("is not that of --fingerprint"); // it ends by itself
  const { code, err } = await alice.end();

  assertEquals([code, middle.heard], [6, 0]);
  assert(middle.connections > 0);
  assertStringIncludes(err, "is not that of --fingerprint");
});

Deno.test("a connection that was lost comes back over TLS, and nothing is lost", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();
  await using proxy = await FaultProxy.open({ target: server.tlsPort });
  using bob = await enterTls(server, "bob", "#default");
  const real = fingerprintOf(server.certificate);
  await using alice = new ClientProcess([
    ...["alice", `127.0.0.1:${proxy.port}`, "--tls", "--plain"],
    ...["--fingerprint", real],
  ], settings.env);
  await alice.until("you joined #default");

  proxy.refuses = true;
  proxy.cutAll();
  await server.logged("alice disconnected");
  await alice.type("while away\n");
  await bob.say("#default", "to somebody who is away");
  proxy.refuses = false;

  await alice.until("to somebody who is away");
  await bob.next("FORWARD alice");
  assertEquals((await alice.end()).code, 0);
});

Deno.test("a certificate whose key nobody checks is no proof of anything", async () => {
  using settings = newSettings();
  const victim = await newCertificate();
  const key = keyOf(victim.cert);
  await using thief = await version1Server(victim.cert);
  const { port, cert } = thief;

  settings.know(`127.0.0.1:${port} ${"0".repeat(64)} ${key}`);
  const withKey = await say(port, settings.env);
  const pinned = await say(
    port,
    settings.env,
    "--fingerprint",
    fingerprintOf({ cert }),
  );

  for (const { code, err } of [withKey, pinned]) {
    assertEquals(code, 6);
    assertStringIncludes(err, "its certificate is not of version 3");
  }
  assertEquals(thief.heard, 0);
});

Deno.test("a certificate with the same key that was not signed with it is another one", async () => {
  using settings = newSettings();
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const own = await certificateFor({ db });
  const foreign = await signedCertificate("127.0.0.1", own.key);
  await using server = await startTlsServer({ certificate: foreign });

  settings.know(
    `127.0.0.1:${server.tlsPort} ${"0".repeat(64)} ${keyOf(own.cert)}`,
  );
  const { code, err } = await say(server.tlsPort, settings.env);

  assertEquals(code, 6);
  assertStringIncludes(err, "its certificate changed");
});

/** SHA-256 of the public key of a certificate. */
function keyOf(cert: string): string {
  return identityOf(new X509Certificate(cert)).key!;
}

Deno.test("a user who takes the wrong one of the two ports is told so", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();
  const fingerprint = fingerprintOf(server.certificate);

  const tls = await say(server.port, settings.env);
  const pinned = await say(
    server.port,
    settings.env,
    "--fingerprint",
    fingerprint,
  );
  const plain = await runClient(["alice", `127.0.0.1:${server.tlsPort}`]);

  for (const { code, err } of [tls, pinned]) {
    assertEquals(code, 6);
    assertStringIncludes(
      err,
      "Cannot use TLS with the server: this port does not",
    );
    assertStringIncludes(err, "Leave out --tls");
  }
  assertEquals(plain.code, 4);
  assertStringIncludes(plain.err, "this port is for TLS alone");
  assertStringIncludes(plain.err, "Add --tls");
});

for (const fingerprint of [undefined, "0".repeat(64)]) {
  const how = fingerprint ? "of a known server" : "of any server";
  Deno.test(`a handshake ${how} that stalls can be given up`, async () => {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const trust = new Trust({
      fingerprint,
      caFile: undefined,
      known: new KnownServers(undefined),
      terminal: undefined,
    });
    const enough = new AbortController();

    const to = { hostname: "127.0.0.1", port: silent.addr.port };
    const dialling = trust.dial(to, enough.signal);
    using conn = await silent.accept();
    await conn.read(new Uint8Array(10)); // the handshake has begun
    enough.abort(new Error("enough"));

    await assertRejects(() => dialling, Error, "enough");
  });
}

/** An interface with such an address; those of containers come and go. */
function linkLocal() {
  return systemInterfaces().find(({ address }) => address.startsWith("fe80:"));
}

for (const isKnown of [true, false]) {
  const what = isKnown ? "reached" : "shown to the user";
  Deno.test({
    name: `a server at a link-local address is ${what} over TLS${
      linkLocal() ? "" : " (skipped: this computer has no such address)"
    }`,
    ignore: !linkLocal(),
    async fn() {
      const certificate = await newCertificate();
      const tcp = Deno.listen({ hostname: "::", port: 0 });
      const listener = withTls(tcp, certificate);
      const fingerprint = fingerprintOf(certificate).replaceAll(":", "")
        .toLowerCase();
      const trust = new Trust({
        fingerprint: isKnown ? fingerprint : undefined,
        caFile: undefined,
        known: new KnownServers(undefined),
        terminal: undefined,
      });
      const serving = (async () => {
        for (let count = isKnown ? 1 : 2; count > 0; count--) {
          const conn = await listener.accept();
          await conn.read(new Uint8Array(10)).catch(() => {}); // refused, perhaps
          conn.close();
        }
      })();

      const to = { hostname: withZone(linkLocal()!), port: listener.port };
      const dialling = trust.dial(to, new AbortController().signal);

      if (isKnown) (await dialling).close();
      else {
        const error = await assertRejects(() => dialling, UnknownCertificate);
        assertEquals(error.identity.fingerprint, fingerprint);
      }
      await serving;
      listener.close();
    },
  });
}

Deno.test("the client says what is wrong with --fingerprint and --ca", async () => {
  const mistakes: Record<string, string[]> = {
    'Cannot use --fingerprint "abc"': ["--tls", "--fingerprint", "abc"],
    "Cannot use --fingerprint without --tls": ["--fingerprint", "abc"],
    "Cannot use --ca without --tls": ["--ca", "file"],
    "Cannot use --ca without a value": ["--tls", "--ca="],
    "Cannot use --ca /no/such: there is no such file": [
      "--tls",
      "--ca",
      "/no/such",
    ],
    "Cannot use --fingerprint with --ca": [
      ...["--tls", "--ca", "f", "--fingerprint", "0".repeat(64)],
    ],
  };
  for (const [message, args] of Object.entries(mistakes)) {
    const { code, out, err } = await runClient([
      "alice",
      "127.0.0.1:1",
      ...args,
    ]);

    assertEquals([code, out], [2, ""], err);
    assert(err.startsWith(message), err);
  }
});

Deno.test("a long book goes over TLS, both ways, line by line", async () => {
  using settings = newSettings();
  await using server = await startTlsServer();
  using bob = await RawClient.enter(server.port, "bob", "#default");
  const lines = Array.from(
    { length: 3_000 },
    (_, i) => `${i} ${"x".repeat(900)}`,
  );
  const fingerprint = fingerprintOf(server.certificate);

  const running = runClient(
    [
      "alice",
      `127.0.0.1:${server.tlsPort}`,
      "--tls",
      "--fingerprint",
      fingerprint,
    ],
    lines.join("\n"),
    settings.env,
  );
  for (const line of lines) {
    const frame = await bob.next("FORWARD");
    assert(frame.endsWith(`\n\n${line}`), frame);
  }

  assertEquals((await running).code, 0);
});
