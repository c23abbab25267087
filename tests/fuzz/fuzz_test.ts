/**
 * A small part of `deno task fuzz`, the same in every run: hostile frames and
 * noise against the server, the client, and the client as a process.
 */
import { assert, assertEquals } from "@std/assert";
import { stormClient } from "./client.ts";
import { meetHostileServer } from "./process.ts";
import { stormServer } from "./server.ts";
import { Chance, hostileRequest } from "./hostile_frames.ts";
import { checkShown } from "../tools/shown.ts";
import { join } from "../tools/net/raw_client.ts";
import { enough } from "../tools/system/amounts.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { NO_RATES } from "../../server/limits/rates.ts";

const STORMS = [
  { kind: "frames", count: enough(enough(5_000)) },
  { kind: "noise", count: enough(50_000) },
] as const;

for (const { kind, count } of STORMS) {
  const storm = { kind, count, seed: 1, deadline: Infinity };

  Deno.test(`the server lives through a storm of ${kind}`, async () => {
    await using server = startTestServer({ rates: NO_RATES });

    const outcome = await stormServer({ ...storm, port: server.port });

    assert(outcome.count >= count, "it was a storm");
    for (const line of server.log) checkShown(line.replaceAll("\n", "\0"));
  });

  Deno.test(`the client lives through a storm of ${kind}`, async () => {
    const outcome = await stormClient(storm);

    assert(outcome.count >= count, "it was a storm");
  });
}

for (const seed of [1, 2]) {
  Deno.test(`a client process ends well whose server is hostile, seed ${seed}`, async () => {
    const code = await meetHostileServer(seed);

    assert([1, 4, 5, 6].includes(code), `exit code ${code}`);
  });
}

Deno.test("hostile frames are the same for the same seed, and others for another", () => {
  const made = (seed: number) => {
    const chance = new Chance(seed);
    return join(...Array.from({ length: 200 }, () => hostileRequest(chance)));
  };

  assertEquals(made(7), made(7));
  assert(made(7).length !== made(8).length, "they differ");
});
