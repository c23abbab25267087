/** What others learn of a direct session: who is on the way, and who lies. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Channel } from "../../../client/direct/channel.ts";
import {
  Agreement,
  commitmentTo,
  newKeyPair,
} from "../../../client/direct/handshake.ts";
import { Rendezvous } from "../../../client/direct/rendezvous.ts";
import { endpointText } from "../../../client/trust/address.ts";
import { type ClientProcess, quietServer } from "../../tools/client_tools.ts";
import { connectDirectly, directClient } from "../../tools/direct_tools.ts";
import { RecordingProxy } from "../../tools/net/recording_proxy.ts";

const HERE = { hostname: "127.0.0.1" };

/** Says something both ways, and waits until both have heard it. */
async function talk(alice: ClientProcess, bob: ClientProcess): Promise<void> {
  await alice.type("/direct the password is swordfish\n");
  await bob.until("(direct): the password is swordfish");
  await bob.type("/direct mine is marlin\n");
  await alice.until("(direct): mine is marlin");
}

Deno.test("nothing that is said directly passes the server", async () => {
  await using server = quietServer();
  await using proxy = new RecordingProxy({ target: server.port });
  await using alice = directClient("alice", proxy.port);
  await using bob = directClient("bob", proxy.port);
  await connectDirectly(alice, bob);
  await talk(alice, bob);
  await alice.type("this goes to the room\n");
  await bob.until("alice: this goes to the room");

  assert(await proxy.has("this goes to the room"));
  assert(await proxy.has("CALL bob"));
  for (const secret of ["swordfish", "password", "marlin"]) {
    assertEquals(await proxy.has(secret), false, secret);
  }
});

/** Puts something else into the headers of a frame. */
function exchange(text: string, headers: Record<string, string>): string {
  return Object.entries(headers).reduce(
    (all, [name, value]) =>
      all.replaceAll(new RegExp(`^${name}: .*$`, "gm"), `${name}: ${value}`),
    text,
  );
}

function headerOf(text: string, name: string): Uint8Array<ArrayBuffer> {
  const value = new RegExp(`^${name}: ([0-9a-f]+)$`, "m").exec(text)?.[1];
  return Uint8Array.fromHex(value ?? "");
}

Deno.test("nothing can be read on the direct connection itself", async () => {
  await using server = quietServer();
  const wires: RecordingProxy[] = [];
  await using lead = new RecordingProxy({
    target: server.port,
    change(text, to) { // all connections go over wires that we hear
      return text.replaceAll(/^Address: 127.0.0.1:(\d+)$/gm, (line, port) => {
        if (to === "client") return line; // changed on its way to the server
        wires.push(new RecordingProxy({ target: Number(port) }));
        return `Address: 127.0.0.1:${wires.at(-1)!.port}`;
      });
    },
  });
  await using alice = directClient("alice", lead.port);
  await using bob = directClient("bob", lead.port);
  const digits = await connectDirectly(alice, bob);
  await talk(alice, bob);

  assertEquals(digits[0], digits[1]);
  const sizes = wires.map(({ passed }) =>
    passed.reduce((sum, { length }) => sum + length, 0)
  );
  assert(Math.max(...sizes) > 300, `${sizes} bytes were heard`);
  for (const wire of wires) {
    for (const secret of ["swordfish", "password", "marlin"]) {
      assertEquals(await wire.has(secret), false, secret);
    }
    await wire[Symbol.asyncDispose]();
  }
});

Deno.test("a server that exchanges the keys and sits between is told by the digits", async () => {
  await using server = quietServer();
  await using toAlice = new Rendezvous(HERE);
  await using toBob = new Rendezvous(HERE);
  const [forAlice, forBob] = [await newKeyPair(), await newKeyPair()];
  const commit = (await commitmentTo(forBob.publicKey)).toHex();
  let hers = new Uint8Array();
  await using liar = new RecordingProxy({
    target: server.port,
    change(text, to) {
      if (to === "server" && text.includes("CALL bob")) {
        hers = headerOf(text, "Commit");
        const Address = toBob.candidates.map(endpointText).join();
        return exchange(text, { Commit: commit, Address });
      }
      if (to === "server" || !text.includes("ACCEPT bob")) return text;
      const session = headerOf(text, "Session");
      const his = headerOf(text, "Key");
      const both = { session };
      toBob.agree(
        new Agreement({ ...both, role: "caller", pair: forBob, theirs: his }),
        [],
      );
      toAlice.agree(
        new Agreement({
          ...both,
          role: "called",
          pair: forAlice,
          theirs: hers,
        }),
        [],
      );
      return exchange(text, {
        Key: forAlice.publicKey.toHex(),
        Address: toAlice.candidates.map(endpointText).join(),
      });
    },
  });
  await using alice = directClient("alice", liar.port);
  await using bob = directClient("bob", server.port);
  const between = Promise.all([toAlice.connect(), toBob.connect()]);
  const digits = await connectDirectly(alice, bob);
  const [a, b] = await between;
  const overheard: string[] = [];
  const passing = [passOn(a, b, overheard), passOn(b, a, overheard)];
  await talk(alice, bob);

  assert(overheard.some((text) => text.includes("swordfish")), "it works");
  assertNotEquals(digits[0], digits[1]);
  await alice.type("/hangup\n");
  await Promise.all(passing);
});

async function passOn(
  from: Channel,
  to: Channel,
  overheard: string[],
): Promise<void> {
  for await (const record of from) {
    overheard.push(new TextDecoder().decode(record));
    await to.send(record);
  }
  await to[Symbol.asyncDispose]();
}

Deno.test("a server that exchanges the keys and does not sit between gets nobody to talk, and they learn why", async () => {
  await using server = quietServer();
  const { publicKey } = await newKeyPair();
  await using liar = new RecordingProxy({
    target: server.port,
    change: (text, to) =>
      to === "client" && text.includes("ACCEPT bob")
        ? exchange(text, { Key: publicKey.toHex() })
        : text,
  });
  await using alice = directClient("alice", liar.port);
  await using bob = directClient("bob", server.port);
  await Promise.all([alice, bob].map((one) => one.until("you joined")));

  await alice.type("/call bob\n");
  await bob.until("alice calls you");
  await bob.type("/accept\n");

  await alice.until("Cannot reach bob directly. What was tried:");
  await alice.until("the peer's key is not the one that the server sent");
  assert(!alice.out.includes("Compare this"));
});
