/** Which other servers a client with TLS trusts, because its own has told of them. */
import { assertEquals, assertRejects } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { KnownServers } from "../../../client/trust/known_servers.ts";
import { identityOf, Trust } from "../../../client/trust/trust.ts";
import { Failure } from "../../../client/view/failure.ts";
import { FakeServer } from "../../tools/client_tools.ts";
import { listenHere } from "../../tools/net/test_server.ts";
import {
  newCertificate,
  signedCertificate,
  startTlsServer,
  type TlsTestServer,
} from "../../tools/net/tls_tools.ts";
import { tempFolder } from "../../tools/temp.ts";

const { signal } = new AbortController();

function place({ tlsPort }: Pick<TlsTestServer, "tlsPort">) {
  return { hostname: "127.0.0.1", port: tlsPort };
}

function fingerprintOf({ certificate }: TlsTestServer): string {
  return identityOf(new X509Certificate(certificate.cert)).fingerprint;
}

/** A client that has connected to `home`, whose fingerprint it was given. */
async function cameHome(home: TlsTestServer) {
  const folder = tempFolder();
  const file = `${folder.path}/known_servers`;
  const trust = new Trust({
    fingerprint: fingerprintOf(home),
    caFile: undefined,
    known: new KnownServers(file),
    terminal: undefined,
  });
  (await trust.dial(place(home), signal)).close();
  return {
    trust,
    known: () => Deno.readTextFileSync(file),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

Deno.test("a server has the certificate of which the trusted one has told", async () => {
  await using home = await startTlsServer();
  await using other = await startTlsServer();
  using client = await cameHome(home);
  const before = client.known();

  const told = fingerprintOf(other);
  (await client.trust.dialTold(place(other), told, signal)).close();

  assertEquals(client.known(), before); // nothing is remembered
  assertEquals(client.trust.accepted?.fingerprint, fingerprintOf(home));
});

Deno.test("a server with another certificate than was told is refused, and nothing is sent", async () => {
  await using home = await startTlsServer();
  await using other = await startTlsServer();
  await using third = await startTlsServer();
  using client = await cameHome(home);

  for (const told of [fingerprintOf(third), undefined, "", "c3".repeat(32)]) {
    const refused = await assertRejects(
      () => client.trust.dialTold(place(other), told, signal),
      Failure,
    );

    assertEquals(
      refused.message,
      `Cannot trust 127.0.0.1:${other.tlsPort}: its certificate is not the ` +
        "one of which the server before has told",
    );
    assertEquals(refused.passing, false);
  }
});

Deno.test("a server with the certificate of the trusted one needs no other", async () => {
  const certificate = await newCertificate();
  await using home = await startTlsServer({ certificate });
  await using other = await startTlsServer({ certificate });
  using client = await cameHome(home);

  (await client.trust.dialTold(place(other), undefined, signal)).close();
});

Deno.test("what is told does not replace the trust in the server that told it", async () => {
  await using home = await startTlsServer();
  await using other = await startTlsServer();
  using client = await cameHome(home);

  (await client.trust.dialTold(place(other), fingerprintOf(other), signal))
    .close();

  await assertRejects(() => client.trust.dial(place(other), signal), Failure);
  (await client.trust.dial(place(home), signal)).close();
});

Deno.test("a port without TLS is never a way for a client with TLS", async () => {
  await using home = await startTlsServer();
  using plain = new FakeServer();
  using client = await cameHome(home);
  const dialling = client.trust.dialTold(
    { hostname: "127.0.0.1", port: plain.port },
    fingerprintOf(home),
    signal,
  );
  const failed = assertRejects(() => dialling, Failure);

  using peer = await plain.accept();
  await peer.say("REGISTERED alice\n\n");
  await failed;
});

/** A client whose server has a certificate that an authority signed. */
async function cameHomeSigned() {
  const folder = tempFolder();
  const certificate = await signedCertificate("127.0.0.1");
  const caFile = `${folder.path}/ca.pem`;
  Deno.writeTextFileSync(caFile, certificate.authority);
  const home = await startTlsServer({ certificate });
  const trust = new Trust({
    fingerprint: undefined,
    caFile,
    known: new KnownServers(undefined),
    terminal: undefined,
  });
  (await trust.dial(place(home), signal)).close();
  return {
    trust,
    certificate,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

Deno.test("a server that an authority has signed is trusted if the first one was", async () => {
  await using client = await cameHomeSigned();
  const { certificate, trust } = client;
  await using signed = await startTlsServer({ certificate });
  await using other = await startTlsServer();

  for (const told of [undefined, "c3".repeat(32)]) { // it was renewed since
    (await trust.dialTold(place(signed), told, signal)).close();
    await assertRejects(() => trust.dialTold(place(other), told, signal));
  }
  (await trust.dialTold(place(other), fingerprintOf(other), signal)).close();
});

Deno.test("a server that does not answer costs its time alone", async () => {
  await using home = await startTlsServer();
  using client = await cameHome(home);
  using silent = listenHere();
  const gone = new AbortController();

  const dialling = client.trust.dialTold(
    { hostname: "127.0.0.1", port: silent.addr.port },
    "c3".repeat(32),
    gone.signal,
  );
  gone.abort();

  await assertRejects(() => dialling);
});
