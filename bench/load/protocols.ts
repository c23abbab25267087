/**
 * The bytes of each protocol, as the load generator needs them.
 *
 * Texts are templates: `{name}`, `{room}` (four digits) and `{body}` are filled in
 * by the generator, `{bytes}` (the length of a body) by {@linkcode forBody}. To
 * compare like with like, every protocol registers, waits for the answer, joins,
 * waits for the answer; no sender receives its own messages.
 *
 * @module
 */

/** What may carry a protocol; see `load_transport.h`. */
export type Transport = "tls" | "websocket";

/** How one protocol is spoken; see `load.c`. */
export interface Protocol {
  /** What carries the bytes; TCP alone if absent. */
  readonly transport?: Transport;
  /** First bytes of a connection; none if empty. */
  readonly hello: string;
  /** What the answer to `hello` contains. */
  readonly welcome: string;
  readonly join: string;
  /** What the answer to `join` contains at its end. */
  readonly joined: string;
  readonly send: string;
  /** What the server sends to check that the client is there, and the answer. */
  readonly ping?: string;
  readonly pong?: string;
  /** What only a refusal of a message contains. */
  readonly refusal?: string;
  /** The longest body that fits; unlimited (64 KiB and more) if absent. */
  readonly maxBodyBytes?: number;
}

export const PARLEY: Protocol = {
  hello: "REGISTER {name}\n\n",
  welcome: "REGISTERED ",
  join: "JOIN #room{room}\n\n",
  joined: "JOINED ",
  send: "SEND #room{room}\nContent-length: {bytes}\n\n{body}",
  ping: "PING\n\n",
  pong: "PONG\n\n",
  refusal: "ERROR ",
};

export const NATS: Protocol = {
  hello: 'CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\nPING\r\n',
  welcome: "PONG\r\n",
  join: "SUB room{room} 1\r\nPING\r\n",
  joined: "PONG\r\n",
  send: "PUB room{room} {bytes}\r\n{body}\r\n",
  ping: "PING\r\n",
  pong: "PONG\r\n",
  refusal: "-ERR",
};

/** A line of IRC has 512 bytes, in which the receiver also gets the sender. */
export const IRC: Protocol = {
  hello: "NICK {name}\r\nUSER {name} 0 * :{name}\r\n",
  welcome: " 001 ",
  join: "JOIN #room{room}\r\n",
  joined: " 366 ",
  send: "PRIVMSG #room{room} :{body}\r\n",
  ping: "PING ",
  pong: "PONG bench\r\n",
  refusal: " 404 ",
  maxBodyBytes: 400,
};

/**
 * The relays carry what Parley's receivers get, head included, so that the limit
 * they show is one for the same bytes.
 */
export const RELAY: Protocol = {
  hello: "",
  welcome: "",
  join: "room{room}",
  joined: "JOINED\n",
  send: "FORWARD {name}\nTo: #room{room}\nId: 1000000\n" +
    "Time: 2026-11-21T07:32:56.120Z\nContent-length: {bytes}\n\n{body}",
};

/** The protocol with the length of its bodies filled in. */
export function forBody(protocol: Protocol, bodyBytes: number): Protocol {
  const send = protocol.send.replace("{bytes}", String(bodyBytes));
  return { ...protocol, send };
}
