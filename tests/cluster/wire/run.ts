/**
 * Runs tests that start servers, as tests/wire/ has them, with servers that are each
 * one of a cluster; without arguments all of tests/wire/:
 *
 *     deno task test:cluster tests/wire/send_test.ts
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { hasNats, NatsServers } from "../nats_servers.ts";

const PRELOAD = fileURLToPath(new URL("as_member.ts", import.meta.url));

const WIRE = new URL("../../wire/", import.meta.url);

/** What is run without arguments. */
const ALL: readonly string[] = [
  fileURLToPath(WIRE),
  // It plays the other server of its chat itself.
  `--ignore=${fileURLToPath(new URL("sessions/elsewhere_test.ts", WIRE))}`,
];

async function main(args: readonly string[]): Promise<number> {
  if (!hasNats) {
    console.error("Cannot start NATS: see tests/cluster/nats-server");
    return 2;
  }
  await using nats = await NatsServers.start();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "-A", "--no-check", "--preload", PRELOAD],
      ...args.length > 0 ? args : ALL,
    ],
    env: { PARLEY_TEST_NATS: nats.addresses.join() },
  }).spawn();
  return (await child.status).code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
