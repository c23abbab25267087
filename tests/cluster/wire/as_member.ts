/**
 * Loaded before the tests of a file: their servers are each one of a cluster. See
 * members.ts.
 */
import { useMembers } from "../../tools/net/test_server.ts";
import { Members } from "./members.ts";

const members = new Members(Deno.env.get("PARLEY_TEST_NATS")!.split(","));
useMembers(members);
Deno.test.beforeEach(() => members.fill());
