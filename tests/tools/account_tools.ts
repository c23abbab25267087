/**
 * Verifiers and proofs for the wire tests of accounts, made with few iterations,
 * so that the tests are fast.
 *
 * @module
 */
import { assertMatch } from "@std/assert";
import {
  deriveKeys,
  ITERATIONS as FULL_ITERATIONS,
  Login,
  parseChallenge,
  verifierOf,
} from "../../core/scram.ts";
import { bytes, RawClient } from "./net/raw_client.ts";
import type { TestServer } from "./net/test_server.ts";

/** The fewest iterations that the server accepts. */
const ITERATIONS = 4_096;
const SALT = "c2FsdHNhbHRzYWx0c2FsdA==";

/** A request with a body, as bytes on the wire. */
export function request(line: string, body: string, headers = ""): string {
  const { length } = bytes(body);
  return `${line}\n${headers}Content-length: ${length}\n\n${body}`;
}

/** The verifier that the server stores for `password`. */
export async function verifierFor(
  password: string,
  iterations = ITERATIONS,
): Promise<string> {
  return await verifierOf(await deriveKeys(password, SALT, iterations));
}

/** A SIGNUP, as bytes on the wire. */
export async function signUp(name: string, password = "pencil") {
  return request(`SIGNUP ${name}`, await verifierFor(password));
}

/** A connection that has signed up. */
export async function signedUp(
  port: number,
  name: string,
  password?: string,
): Promise<RawClient> {
  const client = await RawClient.connect(port);
  assertMatch(await client.ask(await signUp(name, password)), /^REGISTERED /);
  return client;
}

/** Makes an account with as many iterations as a real client requires. */
export async function makeAccount(
  port: number,
  name: string,
  password = "pencil",
): Promise<void> {
  const verifier = await verifierFor(password, FULL_ITERATIONS);
  using client = await RawClient.connect(port);
  const answer = await client.ask(request(`SIGNUP ${name}`, verifier));
  assertMatch(answer, /^REGISTERED /);
}

/** A sign-in that was begun: its PROVE, and how the server's answer is checked. */
export interface Begun {
  readonly prove: string;
  readonly login: Login;
}

/** Sends LOGIN, and makes the PROVE for `password`. */
export async function begin(
  client: RawClient,
  name: string,
  { password = "pencil", headers = "" } = {},
): Promise<Begun> {
  const login = new Login(name);
  const answer = await client.ask(
    request(`LOGIN ${name}`, login.first, /^Token:.*\n/.exec(headers)?.[0]),
  );
  assertMatch(answer, new RegExp(`^CHALLENGE ${name}\n`));
  const challenge = bodyOf(answer);
  const { salt } = parseChallenge(challenge);
  const keys = await deriveKeys(password, salt, ITERATIONS);
  const proof = await login.prove(challenge, keys);
  return { prove: request(`PROVE ${name}`, proof, headers), login };
}

/** Signs in on a new connection; returns the answer to PROVE too. */
export async function logIn(
  port: number,
  name: string,
  options: { password?: string; headers?: string } = {},
): Promise<{ client: RawClient; answer: string } & Disposable> {
  const client = await RawClient.connect(port);
  const { prove } = await begin(client, name, options);
  const answer = await client.ask(prove);
  return { client, answer, [Symbol.dispose]: () => client.close() };
}

/** The body of a frame. */
export function bodyOf(frame: string): string {
  return frame.slice(frame.indexOf("\n\n") + 2);
}

/** An ERROR as it is expected. */
export function error(
  code: string,
  line: string,
  reason: string,
  headers = "",
): string {
  return `ERROR ${code}\nFor: ${line}\nReason: ${reason}\n${headers}\n`;
}

/** What the server answers to a line that `client` gives as a moderator. */
export async function moderate(
  client: RawClient,
  line: string,
): Promise<string> {
  await client.send(request("MODERATE", line));
  for (;;) {
    const frame = await client.frame();
    if (/^(MODERATED|ERROR)/.test(frame)) return frame;
  }
}

/** Signs up at `port`, and is made a moderator. */
export async function newModerator(
  { console }: Pick<TestServer, "console">,
  name: string,
  port: number,
): Promise<RawClient> {
  const client = await signedUp(port, name);
  await console.run(`op ${name}`);
  await client.next(`NOTICE set\nUser: ${name}\nRole: moderator`);
  return client;
}
