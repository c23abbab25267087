/** A server that cannot read what the others store decides nothing without it. */
import { assertEquals, assertMatch } from "@std/assert";
import { logIn, signUp } from "../tools/account_tools.ts";
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import { headerOf, RawClient } from "../tools/net/raw_client.ts";
import { HERE, Process } from "../tools/server_process.ts";
import { type NatsServers, natsTest } from "./nats_servers.ts";

/** Two servers; the second one reaches NATS through a proxy alone. */
async function startTwo(nats: NatsServers, scope: AsyncDisposableStack) {
  const [address = ""] = nats.addresses;
  const target = Number(new URL(address).port);
  const link = scope.use(await FaultProxy.open({ target }));
  const places = [nats.addresses.join(), `nats://127.0.0.1:${link.port}`];
  const ports = await Promise.all(places.map((place, number) => {
    const name = ["--server-name", `s${number}`];
    const server = new Process([...HERE, "--nats", place, ...name]);
    return scope.use(server).port();
  }));
  return { link, ports: ports as [number, number] };
}

/** Waits until the server of that port has read what it was sent before. */
async function answers(port: number): Promise<void> {
  using other = await RawClient.connect(port);
  await other.ask("PING\n\n");
}

natsTest(
  "a session goes on at a server that had not read that it began",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const { link, ports: [first, second] } = await startTwo(nats, scope);

    link.stall();
    const bob = await RawClient.connect(first);
    const token = headerOf(await bob.ask("REGISTER bob\n\n"), "Token");
    bob[Symbol.dispose]();
    using again = await RawClient.connect(second);
    await again.send(`REGISTER bob\nToken: ${token}\n\n`);
    await answers(second);
    link.flow();

    assertEquals(headerOf(await again.next("REGISTERED"), "Token"), token);
  },
);

natsTest(
  "a server that had not read of an account lets nobody in without the password",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const { link, ports: [first, second] } = await startTwo(nats, scope);

    link.stall();
    const bob = await RawClient.connect(first);
    assertMatch(await bob.ask(await signUp("bob")), /^REGISTERED/);
    bob[Symbol.dispose]();
    using eve = await RawClient.connect(second);
    await eve.send("REGISTER bob\n\n");
    const signing = logIn(second, "bob");
    await answers(second);
    link.flow();

    assertMatch(await eve.next("ERROR"), /^ERROR 110 /);
    using signedIn = await signing;
    assertMatch(signedIn.answer, /^REGISTERED/);
  },
);
