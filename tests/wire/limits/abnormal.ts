/**
 * Every abnormal way to come and go.
 *
 * @module
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { deriveKeys, Login, verifierOf } from "../../../core/scram.ts";
import { bodyOf, request } from "../../tools/account_tools.ts";
import { RawClient } from "../../tools/net/raw_client.ts";

const OWNER = "owner";
const SALT = "c2FsdHNhbHRzYWx0c2FsdA==";
const KEYS = await deriveKeys("pencil", SALT, 4_096);

/** Makes the account that logs in. */
export async function makeOwner(port: number): Promise<void> {
  using client = await RawClient.connect(port);
  await client.ask(request(`SIGNUP ${OWNER}`, await verifierOf(KEYS)));
}

/** A socket that has sent `text`, and can be reset. */
async function sending(port: number, text: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  socket.on("error", () => {}); // the server may be quicker
  await once(socket, "connect");
  if (text !== "") {
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  }
  return socket;
}

/** Sends, and is reset at once, whatever is on its way. */
export async function resetAfter(port: number, text: string): Promise<void> {
  const socket = await sending(port, text);
  const closed = once(socket, "close");
  socket.resetAndDestroy();
  await closed;
}

/** Says LOGIN, and what proves it. */
async function prove(client: RawClient): Promise<void> {
  const login = new Login(OWNER);
  const answer = await client.ask(request(`LOGIN ${OWNER}`, login.first));
  const proof = await login.prove(bodyOf(answer), KEYS);
  await client.send(request(`PROVE ${OWNER}`, proof));
}

const SEND = "SEND #default\nContent-length: 5\n\nhello";

/** How somebody called `name` comes and goes. */
export const WAYS: readonly [
  what: string,
  act: (port: number, name: string) => Promise<void>,
][] = [
  ["is reset after connecting", (port) => resetAfter(port, "")],
  [
    "is reset while registering",
    (port, name) => resetAfter(port, `REGISTER ${name}\n\n`),
  ],
  [
    "is reset while joining",
    (port, name) => resetAfter(port, `REGISTER ${name}\n\nJOIN #gone\n\n`),
  ],
  ["half-closes after a SEND", async (port, name) => {
    using client = await RawClient.connect(port);
    await client.send(`REGISTER ${name}\n\nJOIN #gone\n\n${SEND}`);
    await client.closeWrite();
    await client.rest();
  }],
  ["registers twice in one moment", async (port, name) => {
    using one = await RawClient.connect(port);
    using two = await RawClient.connect(port);
    await Promise.all(
      [one, two].map((client) =>
        client.send(`REGISTER ${name}\n\nJOIN #gone\n\n`)
      ),
    );
  }],
  ["closes while it proves who it is", async (port) => {
    using client = await RawClient.connect(port);
    await prove(client);
  }],
  [
    "is reset in the middle of a body",
    (port, name) =>
      resetAfter(
        port,
        `REGISTER ${name}\n\nJOIN #gone\n\n${SEND.slice(0, -2)}`,
      ),
  ],
  [
    "is half a classic user",
    (port, name) => resetAfter(port, `REGISTER TOSEND ${name}\n\n`),
  ],
  ["is a classic user that takes no message", async (port, name) => {
    using user = await RawClient.classic(port, name);
    await user.out.send(SEND.replace("#default", "ALL"));
  }],
];
