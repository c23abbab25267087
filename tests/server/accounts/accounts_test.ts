/** Accounts, as far as no wire is needed to see it. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  type AccountOptions,
  Accounts,
} from "../../../server/accounts/accounts.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import { deriveKeys, Login, parseChallenge } from "../../../core/scram.ts";
import { verifierFor } from "../../tools/account_tools.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const VERIFIER = await verifierFor("pencil");

/** The accounts of a database, and what creates one from a network. */
function open(database: Database, options: AccountOptions = {}) {
  const accounts = new Accounts(database, 0, options);
  const create = (name: string, network = "10.0.0.1") =>
    accounts.create({
      ...{ name, verifier: VERIFIER, since: 0, keyScope: name, network },
    });
  const refused = async (name: string, network?: string) => {
    const error = await assertRejects(() => create(name, network), ChatError);
    const { code, headers, message } = error;
    return { code, headers, message };
  };
  return { accounts, create, refused };
}

Deno.test("there can be so many accounts, and the next is refused for want of room", async () => {
  using database = new Database(IN_MEMORY);
  const { accounts, create, refused } = open(database, { maxAccounts: 2 });

  await create("alice");
  await create("bob");
  const { code, headers } = await refused("carol");

  assertEquals([code, headers], [119, { Limit: 2 }]);
  assertEquals(accounts.all().map(({ name }) => name), ["alice", "bob"]);
});

Deno.test("of ten changes of one password at once the first wins, and the others are told", async () => {
  using database = new Database(IN_MEMORY);
  const { accounts, create } = open(database);
  const account = await create("alice");
  const verifiers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => verifierFor(`crayon ${i}`)),
  );

  const done = await Promise.allSettled(
    verifiers.map((verifier) =>
      accounts.credentials.change(account, { before: VERIFIER, verifier })
    ),
  );

  const codes = done.map((one) =>
    one.status === "rejected" ? one.reason.code : "done"
  );
  assertEquals(codes, ["done", ...Array(9).fill(111)]);
  assertEquals(accounts.has("alice", verifiers[0]!), true);
});

Deno.test("a password that was changed is none of the next account of the name", async () => {
  using database = new Database(IN_MEMORY);
  let now = 1;
  const { accounts, create } = open(database, { now: () => now++ });
  const old = await create("alice");
  await accounts.delete(old);
  await create("Alice");

  const error = await assertRejects(
    () => accounts.credentials.change(old, { before: VERIFIER, verifier: "x" }),
    ChatError,
  );

  assertEquals(error.code, 121);
  assertEquals(accounts.has("alice", VERIFIER), true);
});

Deno.test("one address has so many accounts that nobody uses, and others have theirs", async () => {
  using database = new Database(IN_MEMORY);
  const { create, refused } = open(database, { maxUnusedPerAddress: 2 });

  await create("alice");
  await create("bob");
  const { code, headers, message } = await refused("carol");
  await create("carol", "10.0.0.2");

  assertEquals([code, headers], [119, { Limit: 2 }]);
  assertMatch(
    message,
    /^Cannot create .+ your address: 2 accounts .+ operator/,
  );
});

Deno.test("an account that is used after its first day does not count, also after a restart", async () => {
  using database = new Database(IN_MEMORY);
  const clock = { now: 1_000_000_000_000 };
  const options = { maxUnusedPerAddress: 2, now: () => clock.now };
  const { accounts, create, refused } = open(database, options);
  const alice = await create("alice");
  const bob = await create("bob");

  await accounts.used(alice); // on its first day, as everybody does
  const { code } = await refused("carol");
  clock.now += DAY_MS + 1;
  await accounts.used(alice);
  await accounts.used(alice);
  await create("carol");
  const again = open(database, options);
  const restarted = await again.refused("dave");
  await again.accounts.used(again.accounts.named("bob")!);
  await again.create("dave");

  assertEquals([code, restarted.code], [119, 119]);
  assertEquals([bob.isUsed, accounts.named("alice")?.isUsed], [false, true]);
});

Deno.test("an account that is deleted is gone, and its name and its share are free", async () => {
  using database = new Database(IN_MEMORY);
  const { accounts, create } = open(database, { maxUnusedPerAddress: 1 });
  const alice = await create("alice");

  await accounts.delete(alice);
  await accounts.delete(alice);

  assertEquals(accounts.named("a1ice"), undefined);
  assertEquals((await create("A1ice")).name, "A1ice");
  assertEquals(accounts.all().map(({ name }) => name), ["A1ice"]);
});

for (const password of ["pencil", "wrong"]) {
  for (const isThereAgain of [false, true]) {
    const next = isThereAgain ? ", and has another owner" : "";
    Deno.test(`a sign-in with "${password}" that began before its account was deleted${next} fails, and is not counted`, async () => {
      using database = new Database(IN_MEMORY);
      const accounts = new Accounts(database, Infinity);
      const account = { name: "alice", since: 0, network: "" };
      const old = { ...account, verifier: VERIFIER, keyScope: "1" };
      await accounts.create(old);
      const login = new Login("alice");
      const pending = accounts.begin("alice", "10.0.0.1", login.first);
      const challenge = pending.challenge.message;
      const { salt, iterations } = parseChallenge(challenge);
      const keys = await deriveKeys(password, salt, iterations);
      const proof = await login.prove(challenge, keys);

      await accounts.delete(accounts.named("alice")!);
      if (isThereAgain) await accounts.create({ ...old, keyScope: "2" });

      for (let i = 0; i < 3; i++) {
        const { code } = await assertRejects(
          () => accounts.prove(pending, proof),
          ChatError,
        );
        assertEquals(code, 121);
      }
      assertEquals(accounts.locks(), []);
      const rows = database.prepare("SELECT * FROM lockouts").all();
      assertEquals(rows, []);
    });
  }
}

Deno.test("a lock of an account ends by the clock that accounts have", async () => {
  using database = new Database(IN_MEMORY);
  const clock = { now: 1_000_000_000_000 };
  const options = { now: () => clock.now };
  const accounts = new Accounts(database, 60_000, options);
  await accounts.create({
    ...{ name: "alice", verifier: VERIFIER, since: 0, keyScope: "1" },
    network: "",
  });
  for (const code of [111, 111, 112]) {
    const login = new Login("alice");
    const pending = accounts.begin("alice", "10.0.0.1", login.first);
    const [nonce] = pending.challenge.message.split(",");
    const wrong = `c=biws,${nonce},p=${"A".repeat(43)}=`;
    const error = await assertRejects(
      () => accounts.prove(pending, wrong),
      ChatError,
    );
    assertEquals(error.code, code);
  }
  assertEquals(accounts.locks().length, 1);

  clock.now += 60_000;

  assertEquals(accounts.locks(), []);
});

Deno.test("one address has so many accounts, used or not, also after a restart", async () => {
  using database = new Database(IN_MEMORY);
  const clock = { now: 1_000_000_000_000 };
  const options = { maxPerAddress: 2, now: () => clock.now };
  const { accounts, create } = open(database, options);
  const alice = await create("alice");
  await create("bob");
  clock.now += DAY_MS + 1;
  await accounts.used(alice);

  const again = open(database, options);
  const { code, headers, message } = await again.refused("carol");
  await again.create("carol", "10.0.0.2");
  await again.accounts.delete(alice);
  await again.create("dave");

  assertEquals([code, headers], [119, { Limit: 2 }]);
  assertMatch(message, /your address: 2 accounts; ask the operator/);
});
