/** Accounts, as far as no wire is needed to see it. */
import { assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { Accounts } from "../../../server/accounts/accounts.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/database_file.ts";
import { verifierFor } from "../../tools/account_tools.ts";

Deno.test("there can be so many accounts, and the next is refused for want of room", async () => {
  using database = new Database(IN_MEMORY);
  const accounts = new Accounts(database, 0, 2);
  const verifier = await verifierFor("pencil");
  const create = (name: string) =>
    accounts.create({ name, verifier, since: 0, keyScope: name });

  await create("alice");
  await create("bob");
  const error = await assertRejects(() => create("carol"), ChatError);

  assertEquals([error.code, error.headers], [119, { Limit: 2 }]);
  assertEquals(accounts.all().map(({ name }) => name), ["alice", "bob"]);
});
