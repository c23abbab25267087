/** The server's certificate: made, kept, renewed; and the operator's own. */
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { X509Certificate } from "node:crypto";
import {
  certificateFor,
  RENEWED_BEFORE_DAYS,
  VALID_DAYS,
} from "../../server/certificate.ts";
import { StartError } from "../../server/journal/start_error.ts";
import { tempFolder } from "../tools/temp.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";
import { needs } from "../tools/system/skips.ts";

const DAY_MS = 86_400_000;

/** What each user may do with a file. */
function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

Deno.test("a certificate is made at the first start, for this computer's names", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;

  const { cert, fingerprint } = await certificateFor({ db });

  const made = new X509Certificate(cert);
  assertEquals(fingerprint, made.fingerprint256);
  for (const host of ["localhost", Deno.hostname()]) {
    assertEquals(made.checkHost(host), host);
  }
  const own = Deno.networkInterfaces().find(({ family }) => family === "IPv4");
  for (const address of ["127.0.0.1", own!.address]) {
    assertEquals(made.checkIP(address), address);
  }
});

Deno.test(
  needs("mode that says who may read a file", {
    name: "the key is for its owner alone to read, whatever was there before",
    fn: async () => {
      using folder = tempFolder();
      const path = `${folder.path}/chat.db-tls.pem`;
      Deno.writeTextFileSync(`${path}.new`, "left by a crash", { mode: 0o644 });

      await certificateFor({ db: `${folder.path}/chat.db` });

      assertEquals(modeOf(path), 0o600);
      assertEquals(
        Array.from(Deno.readDirSync(folder.path), ({ name }) => name),
        ["chat.db-tls.pem"],
      );
    },
  }),
);

Deno.test("the next start has the same certificate", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;

  const first = await certificateFor({ db });
  const second = await certificateFor({ db });

  assertEquals(second, { ...first, note: second.note });
  assertStringIncludes(first.note, "created now");
});

Deno.test("a certificate is renewed before its end, with the same key", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const start = Date.now();
  const at = (days: number) =>
    certificateFor({ db, now: start + days * DAY_MS });

  const first = await certificateFor({ db, now: start });
  const inTime = await at(VALID_DAYS - RENEWED_BEFORE_DAYS - 1);
  const renewed = await at(VALID_DAYS - RENEWED_BEFORE_DAYS + 1);
  const again = await at(VALID_DAYS - RENEWED_BEFORE_DAYS + 1);

  assertEquals(inTime.fingerprint, first.fingerprint);
  assertNotEquals(renewed.fingerprint, first.fingerprint);
  assertEquals(again.fingerprint, renewed.fingerprint);
  assertEquals(renewed.key, first.key);
  assertStringIncludes(renewed.note, "renewed with the same key");
  const [before, after] = [first, renewed]
    .map(({ cert }) => new X509Certificate(cert));
  assert(after!.verify(before!.publicKey), "signed by the old key");
  assert(Date.parse(after!.validTo) > start + 2 * (VALID_DAYS - 180) * DAY_MS);
});

Deno.test("a certificate whose end was missed is renewed, too", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const first = await certificateFor({ db });

  const later = await certificateFor({ db, now: Date.now() + 1e4 * DAY_MS });

  assertEquals(later.key, first.key);
  assertNotEquals(later.fingerprint, first.fingerprint);
});

Deno.test("without a database nothing is written, and each start makes another", async () => {
  using folder = tempFolder();
  const cwd = Deno.cwd();

  const first = await newCertificate();
  const second = await newCertificate();

  assertNotEquals(first.fingerprint, second.fingerprint);
  assertStringIncludes(first.note, "not stored");
  assertEquals([...Deno.readDirSync(folder.path)], []);
  assert(![...Deno.readDirSync(cwd)].some(({ name }) => name.endsWith(".pem")));
});

/** What is wrong with the file of our own certificate, and what is said. */
const DAMAGES: Record<string, (path: string, pem: string) => void> = {
  "others can read the key": (path) => Deno.chmodSync(path, 0o640),
  "no certificate": (path) => Deno.truncateSync(path, 300),
  "no private key": (path, pem) =>
    Deno.writeTextFileSync(path, pem.slice(pem.indexOf("-----BEGIN CERT"))),
  "it is a folder": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(path, { mode: 0o700 });
  },
};

for (const [why, damage] of Object.entries(DAMAGES)) {
  const test = {
    name: `a kept certificate is not used: ${why}`,
    fn: async () => {
      using folder = tempFolder();
      const db = `${folder.path}/chat.db`;
      const { cert, key } = await certificateFor({ db });
      damage(`${db}-tls.pem`, key + cert);

      const error = await assertRejects(
        () => certificateFor({ db }),
        StartError,
      );

      assertStringIncludes(error.message, why);
      assertStringIncludes(error.message, "-tls.pem");
    },
  };
  const isOfMode = why.startsWith("others");
  Deno.test(
    isOfMode ? needs("mode that says who may read a file", test) : test,
  );
}

Deno.test(needs("mode that says who may read a file", {
  name: "on a disk without modes the next start uses the key, and says it",
  fn: async () => {
    using folder = tempFolder();
    const db = `${folder.path}/chat.db`;
    const { fingerprint } = await certificateFor({ db });
    Deno.chmodSync(`${db}-tls.pem`, 0o777); // such a disk has nothing else

    const next = await certificateFor({ db, keeps: () => false });

    assertEquals(next.fingerprint, fingerprint);
    assertStringIncludes(next.note, "other users of this computer can read");
  },
}));

Deno.test("a certificate that cannot be kept is said", async () => {
  const db = "/no/such/folder/chat.db";

  const error = await assertRejects(() => certificateFor({ db }), StartError);

  assertStringIncludes(error.message, "it cannot be written");
});

/** What is wrong with --cert and --key, and what is said. */
const MISTAKES: readonly [
  why: string,
  files: (folder: string) => { cert: string; key: string },
  now?: number,
][] = [
  ["there is no such file", (folder) => ({
    cert: `${folder}/none`,
    key: `${folder}/key.pem`,
  })],
  ["it is a folder", (folder) => ({
    cert: `${folder}/cert.pem`,
    key: folder,
  })],
  ["there is no certificate in it", (folder) => ({
    cert: `${folder}/key.pem`,
    key: `${folder}/key.pem`,
  })],
  ["there is no private key in it", (folder) => ({
    cert: `${folder}/cert.pem`,
    key: `${folder}/cert.pem`,
  })],
  ["is of another certificate", (folder) => ({
    cert: `${folder}/cert.pem`,
    key: `${folder}/other.pem`,
  })],
  ["it expired on", ownFiles, Date.now() + 1e4 * DAY_MS],
  ["is the clock of this computer right?", ownFiles, 0],
];

function ownFiles(folder: string) {
  return { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
}

/** A folder with a certificate, its key, and another key. */
async function folderOfFiles(): Promise<ReturnType<typeof tempFolder>> {
  const folder = tempFolder();
  const [own, other] = [await newCertificate(), await newCertificate()];
  Deno.writeTextFileSync(`${folder.path}/cert.pem`, own.cert);
  Deno.writeTextFileSync(`${folder.path}/key.pem`, own.key);
  Deno.writeTextFileSync(`${folder.path}/other.pem`, other.key);
  return folder;
}

for (const [why, files, now] of MISTAKES) {
  Deno.test(`--cert and --key are not used: ${why}`, async () => {
    using folder = await folderOfFiles();
    const options = { db: ":memory:", files: files(folder.path) };

    const error = await assertRejects(
      () =>
        certificateFor({ ...options, ...(now === undefined ? {} : { now }) }),
      StartError,
    );

    assertStringIncludes(error.message, why);
  });
}

Deno.test("the operator's certificate is used as it is", async () => {
  using folder = await folderOfFiles();
  const { cert, key } = ownFiles(folder.path);

  const given = await certificateFor({ db: "none.db", files: { cert, key } });

  assertEquals(given.cert, Deno.readTextFileSync(cert));
  assertEquals(given.key, Deno.readTextFileSync(key));
  assertStringIncludes(given.note, cert);
});

Deno.test("the file that 16bfe57 made is used as it is, and stays unchanged", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/parley.db-tls.pem`;
  const fixture = new URL(
    "../fixtures/16bfe57/parley.db-tls.pem",
    import.meta.url,
  );
  const before = Deno.readTextFileSync(fixture);
  Deno.writeTextFileSync(path, before, { mode: 0o600 });

  const { cert, key, fingerprint } = await certificateFor({
    db: `${folder.path}/parley.db`,
    now: Date.parse("2026-12-24"),
  });

  assertEquals(key + cert, before);
  assertEquals(
    fingerprint,
    "E8:5F:17:23:85:AF:4A:BE:A8:1F:6D:82:85:7E:29:84:" +
      "78:08:F2:13:23:A4:63:74:33:41:26:73:B3:67:4F:4D",
  );
  assertEquals(Deno.readTextFileSync(path), before);
});
