/**
 * Some of the tests of the wire, with servers that are each one of a cluster; the
 * others run with `deno task test:cluster`.
 */
import { useMembers } from "../../tools/net/test_server.ts";
import { Members } from "./members.ts";
import { hasNats, NatsServers, natsTest } from "../nats_servers.ts";

if (hasNats) {
  let nats: NatsServers;
  let members: Members;
  Deno.test.beforeAll(async () => {
    nats = await NatsServers.start();
    members = new Members(nats.addresses);
    useMembers(members);
  });
  Deno.test.beforeEach(() => members.fill());
  Deno.test.afterAll(async () => {
    await members[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
  });
  await import("../../wire/bans_test.ts");
  await import("../../wire/private/owner_test.ts");
  await import("../../wire/private/rooms_test.ts");
  await import("../../wire/repeated_sends_test.ts");
  await import("../../wire/resume_test.ts");
  await import("../../wire/sessions/kept_names_test.ts");
} else natsTest("tests of the wire pass with several servers", async () => {});
