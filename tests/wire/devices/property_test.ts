/**
 * Random sends of three users with up to three devices each, which are lost and come
 * back: what each device was sent, and had answered, is what the journal has for it.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { logIn, signedUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";

const NAMES = ["alice", "bob", "carol"] as const;
const TARGETS = ["#lab", "ALL", ...NAMES] as const;

/** What happens next, to the device of a user. */
type Step =
  | { readonly type: "send"; user: number; device: number; to: number }
  | { readonly type: "lose" | "come"; user: number; device: number };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constant("send" as const),
    user: fc.nat(2),
    device: fc.nat(2),
    to: fc.nat(TARGETS.length - 1),
  }),
  fc.record({
    type: fc.constantFrom("lose" as const, "come" as const),
    user: fc.nat(2),
    device: fc.nat(2),
  }),
);

/** One device: its connection, and the ids that it has. */
interface Device {
  readonly name: string;
  client: RawClient | undefined;
  token: string;
  last: number;
  /** The newest message when it first signed in. */
  readonly since: number;
  readonly seen: number[];
}

/** Reads up to the PONG of a PING that is sent now. */
async function read(device: Device): Promise<void> {
  const { client } = device;
  if (!client) return;
  await client.send("PING\n\n");
  for (;;) {
    const frame = await client.frame();
    if (frame === "PONG\n\n") return;
    if (!/^(FORWARD|SENT) /.test(frame)) continue;
    const id = Number(headerOf(frame, "Id"));
    // A message to oneself comes as a FORWARD, and is answered as well.
    if (device.seen.includes(id)) continue;
    device.seen.push(id);
    device.last = Math.max(device.last, id);
  }
}

/** Whether a device must have a message. */
function isFor(
  { name, since }: Device,
  [id, from, to]: readonly [number, string, string],
): boolean {
  if (id <= since) return false;
  return from === name || to === name || to === "ALL" || to === "#lab";
}

async function play(steps: readonly Step[], db?: string): Promise<void> {
  await using server = startTestServer(db === undefined ? {} : { db });
  const { port } = server;
  const sent: (readonly [number, string, string])[] = [];
  const users = await Promise.all(NAMES.map(async (name) => {
    const client = await signedUp(port, name);
    await client.ask("JOIN #lab\n\n");
    const token = "";
    return [{ name, client, token, last: 0, since: 0, seen: [] }] as Device[];
  }));
  const all = () => users.flat();
  const more = [0, 1, 2].flatMap((user) =>
    [1, 2].map((device) => ({ type: "come" as const, user, device }))
  );
  for (const step of [...more, ...steps]) {
    const devices = users[step.user]!;
    const device = devices[step.device];
    const name = NAMES[step.user]!;
    if (step.type === "send" && device?.client) {
      const to = TARGETS[step.to]!;
      await device.client.say(to, "x");
      await read(device);
      sent.push([device.seen.at(-1)!, name, to]);
    } else if (step.type === "lose" && step.device > 0 && device?.client) {
      await read(device);
      device.client.close();
      device.client = undefined;
      while (
        server.context.resumables.all(name)
          .filter(({ goneAt }) => goneAt === Infinity).length >
          devices.filter(({ client }) => client).length
      ) await new Promise((done) => setImmediate(done));
    } else if (step.type === "come" && !device?.client) {
      const { lastId } = server.context.journal;
      const headers = device
        ? `Token: ${device.token}\nAfter: ${device.last}\n`
        : `After: ${lastId}\n`;
      const { client, answer } = await logIn(port, name, { headers });
      const token = headerOf(answer, "Token");
      if (device) Object.assign(device, { client, token });
      else {
        const known = { last: lastId, since: lastId, seen: [] };
        devices.push({ name, client, token, ...known });
      }
      await read(device ?? devices.at(-1)!);
    }
  }
  for (const device of all()) {
    await read(device);
    if (!device.client) continue;
    const expected = sent.filter((one) => isFor(device, one)).map(([id]) => id);
    assertEquals(
      device.seen.toSorted((a, b) => a - b),
      expected,
      `${device.name}, device ${users.flat().indexOf(device)}`,
    );
  }
  for (const { client } of all()) client?.close();
}

for (const db of [undefined, ":memory:"]) {
  Deno.test(`each device has what the journal has for it, ${db ?? "in memory"}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(STEP, { minLength: 5, maxLength: 25 }),
        (steps) => play(steps, db),
      ),
      { numRuns: 30, endOnFailure: true },
    );
  });
}
