/** Who NATS lets in, and what it lets them do: told in words, at the start. */
import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
} from "@nats-io/jwt";
import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { connectNats, type Nats } from "../../../server/cluster/nats.ts";
import { StartError } from "../../../server/journal/start_error.ts";
import { signedCertificate } from "../../tools/net/tls_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { HERE, Process } from "../../tools/server_process.ts";
import { tempFolder } from "../../tools/temp.ts";
import { NatsServers, needsNats } from "../nats_servers.ts";

/** A test whose servers of NATS have settings of their own. */
const natsTest = (name: string, fn: () => Promise<void>) =>
  Deno.test(needsNats({ name, fn }));

type Account = ReturnType<typeof createAccount>;

/** An account that may use all that NATS has, but for JetStream. */
const USER = { subs: -1, data: -1, payload: -1 };
const ACCOUNT = { ...USER, conn: -1, imports: -1, exports: -1, leaf: -1 };
const JETSTREAM = {
  ...{ disk_storage: -1, mem_storage: -1 },
  ...{ streams: -1, consumer: -1 },
};

/** An operator of NATS with accounts, as `nsc` makes them. */
async function operator() {
  const keys = createOperator();
  const [own, other, system] = [1, 2, 3].map(() => createAccount()) as [
    Account,
    Account,
    Account,
  ];
  const tokens = await Promise.all([
    [own, { ...ACCOUNT, ...JETSTREAM }],
    [other, ACCOUNT],
    [system, ACCOUNT],
  ].map(async ([account, limits]) => {
    const token = await encodeAccount(
      "A",
      account as Account,
      {
        limits,
      } as Parameters<typeof encodeAccount>[2],
      { signer: keys },
    );
    return `${(account as Account).getPublicKey()}: ${token}`;
  }));
  const settings = `
    operator: ${await encodeOperator("O", keys)}
    system_account: ${system.getPublicKey()}
    resolver: MEMORY
    resolver_preload: { ${tokens.join(", ")} }
  `;
  return { settings, own, other };
}

/** The text of a file of credentials for a user of an account. */
async function credentials(account: Account, exp?: number): Promise<string> {
  const user = createUser();
  const until = exp === undefined ? {} : { exp };
  const token = await encodeUser("parley", user, account, USER, until);
  return new TextDecoder().decode(fmtCreds(token, user));
}

/** Writes a file, and returns its path. */
function write({ path }: { path: string }, name: string, text: string): string {
  Deno.writeTextFileSync(`${path}/${name}`, text);
  return `${path}/${name}`;
}

/** Why a start with these options of NATS is in vain. */
async function refusal(
  servers: readonly string[],
  more: { credentials?: string; ca?: string },
): Promise<string> {
  const error = await assertRejects(async () => {
    const options = { servers, name: "test", log: () => {}, ...more };
    await using _ = await connectNats(options);
  }, StartError);
  return error.message;
}

natsTest(
  "credentials of NATS are used, and wrong ones are refused by all of its servers",
  async () => {
    const { settings, own, other } = await operator();
    await using scope = new AsyncDisposableStack();
    const folder = scope.use(tempFolder());
    const nats = scope.use(new NatsServers(() => settings));
    for (const server of [0, 1, 2]) nats.run(server);
    const good = await credentials(own);
    const file = write(folder, "good.creds", good.replaceAll("\n", "\r\n"));
    const connected: Nats = scope.use(
      await connectNats({
        ...{ servers: nats.addresses, name: "test", log: () => {} },
        credentials: file,
      }),
    );
    assertMatch(connected.version, /^2\./);

    const refused = {
      foreign: await credentials(createAccount()),
      expired: await credentials(own, 1),
      changed: good.replace("\neyJ", "\neyX"),
    };
    for (const [name, text] of Object.entries(refused)) {
      const credentials = write(folder, name, text);
      const why = await refusal(nats.addresses, { credentials });
      assertStringIncludes(why, "refuses the user or the password", name);
      assertStringIncludes(why, "--nats-creds");
    }
    const unusable = {
      empty: "",
      foreign: "hello\n",
      half: good.slice(0, good.indexOf("------END NATS")),
      seed: good.replace(/^SU\w{9}/m, "SUAAAAAAAAA"),
    };
    for (const [name, text] of Object.entries(unusable)) {
      const credentials = write(folder, name, text);
      const why = await refusal(nats.addresses, { credentials });
      assertStringIncludes(why, "has no credentials of NATS", name);
      assertStringIncludes(why, "nsc generate creds");
    }
    const gone = await refusal(nats.addresses, {
      credentials: `${folder.path}/gone`,
    });
    assertStringIncludes(gone, "of --nats-creds: there is no such file");
    const directory = await refusal(nats.addresses, {
      credentials: folder.path,
    });
    assertStringIncludes(directory, `Cannot read the file ${folder.path}`);

    // An account without JetStream, and the whole server with good credentials.
    const without = write(folder, "other.creds", await credentials(other));
    await using refusedServer = new Process([
      ...[...HERE, "--nats", nats.addresses.join()],
      ...["--server-name", "a", "--nats-creds", without],
    ]);
    assertEquals(await refusedServer.exitCode(), 2);
    assertStringIncludes(
      refusedServer.err.text,
      "of this server's user has none",
    );
    await using server = new Process([
      ...[...HERE, "--nats", nats.addresses.join()],
      ...["--server-name", "a", "--nats-creds", file],
    ]);
    using alice = await RawClient.enter(await server.port(), "alice", "#one");
    await alice.send("SEND #one\nContent-length: 5\n\nhello");
    await alice.next("SENT");
  },
);

natsTest("credentials that are renewed in their file are used", async () => {
  const { settings, own } = await operator();
  await using scope = new AsyncDisposableStack();
  const folder = scope.use(tempFolder());
  const nats = scope.use(new NatsServers(() => settings));
  nats.run(0);
  const soon = Math.floor(Date.now() / 1_000) + 3;
  const file = write(folder, "own.creds", await credentials(own, soon));
  const lost = Promise.withResolvers<void>();
  const back = Promise.withResolvers<void>();
  scope.use(
    await connectNats({
      ...{ servers: nats.addresses.slice(0, 1), name: "test" },
      credentials: file,
      log: (line) => {
        if (/is lost$/.test(line)) lost.resolve();
        if (/is back/.test(line)) back.resolve();
      },
    }),
  );
  await lost.promise; // when they have expired

  write(folder, "own.creds", await credentials(own));
  await back.promise;
});

/** What the user of NATS must not, and what the operator is told. */
const DENIED: readonly [what: "publish" | "subscribe", subject: string][] = [
  ["publish", "parley.log.>"],
  ["publish", "parley.hb.>"],
  ["publish", "parley.name.>"],
  ["publish", "parley.here"],
  ["publish", "$JS.API.>"],
  ["subscribe", "parley.rep.>"],
  ["subscribe", "parley.hb.>"],
  ["subscribe", "parley.name.>"],
  ["subscribe", "parley.here"],
  ["subscribe", "_INBOX.>"],
];

natsTest(
  "a user of NATS that lacks a permission is told which one, and the server does not start",
  async () => {
    const users = DENIED.map(([what, subject], n) =>
      `{ user: u${n}, password: p, permissions: {
        publish: { allow: ">" ${
        what === "publish" ? `, deny: ["${subject}"]` : ""
      } }
        subscribe: { allow: ">" ${
        what === "subscribe" ? `, deny: ["${subject}"]` : ""
      } }
      } }`
    );
    await using nats = new NatsServers(() =>
      `authorization { users: [ { user: all, password: p }, ${users.join()} ] }`
    );
    for (const server of [0, 1, 2]) nats.run(server);
    const start = (user: string) =>
      new Process([
        ...[...HERE, "--server-name", user, "--nats"],
        nats.addresses.map((one) => one.replace("//", `//${user}:p@`)).join(),
      ]);
    await using first = start("all"); // it makes the stream
    await first.port();

    for (const [n, [what, subject]] of DENIED.entries()) {
      await using server = start(`u${n}`);

      assertEquals(await server.exitCode(), 2, `${what} ${subject}`);
      const words = `${what} to ${subject.replace(">", "")}`;
      assertStringIncludes(server.err.text, words);
      assertStringIncludes(server.err.text, "docs/cluster.md");
    }
  },
);

natsTest(
  "a wrong authority, and a certificate of another host, are told in words",
  async () => {
    await using scope = new AsyncDisposableStack();
    const folder = scope.use(tempFolder());
    const right = await signedCertificate("other.example");
    const wrong = await signedCertificate("localhost");
    const ca = write(folder, "ca.pem", right.authority);
    const cert = write(folder, "cert.pem", right.cert);
    const key = write(folder, "key.pem", right.key);
    const nats = scope.use(
      new NatsServers(() => `tls { cert_file: "${cert}", key_file: "${key}" }`),
    );
    nats.run(0);
    const address = nats.addresses[0]!.replace("127.0.0.1", "localhost");

    const otherHost = await refusal([address], { ca });
    assertStringIncludes(otherHost, "certificate is not trusted");
    assertStringIncludes(otherHost, "localhost"); // the name that it lacks
    const files = {
      "wrong.pem": wrong.authority,
      "empty.pem": "",
      "garbled.pem": "hello\n",
    };
    for (const [name, text] of Object.entries(files)) {
      const why = await refusal([address], { ca: write(folder, name, text) });
      assertStringIncludes(why, "--nats-ca", name);
    }
  },
);
