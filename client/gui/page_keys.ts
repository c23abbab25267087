/**
 * Only the browser that its user opened may have the page of `client.ts --gui`.
 * Other users of this computer can connect too, and can listen on other ports.
 *
 * The address of the page works once. It gives the browser two things:
 *
 * - a cookie, without which no file is served. Browsers send it to every port of
 *   this computer, so a page that another user serves there may learn it.
 * - two words behind the `#` of the page's address, which browsers send nowhere
 *   and show to no page of another port. With the first word the page opens its
 *   WebSockets. With the second begins the first message of the program, which
 *   has the reason behind it if the program cannot connect. So if this program
 *   has ended and another one has its port, the page knows, and tells that
 *   program nothing.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import type { Guard, Reply } from "../../web/serve/serve.ts";

/** The address on which the page is served. */
export const HOST = "127.0.0.1";

/** Checks requests for the page, and has its secrets. */
export interface PageKeys {
  /** Is in the page's address, and works once. */
  readonly key: string;
  /** Shows the page that this is the program that has served it. */
  readonly proof: Uint8Array;
  /** Refuses all requests but those of the user's page. */
  readonly guard: Guard;
  /** Resolves when the key was used. */
  readonly opened: Promise<void>;
}

/** New secrets for a page on a port of {@linkcode HOST}. */
export function pageKeys(port: () => number): PageKeys {
  const [key, pass] = [randomWord(), randomWord()];
  const [word, proof] = [randomWord(), randomWord()];
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  let spent = false;
  const guard: Guard = ({ headers }, { pathname, searchParams }) => {
    // Cookies are shared by all ports, so the port is in its name.
    const cookie = `parley-${port()}=${pass}`;
    if (headers.host !== `${HOST}:${port()}`) return REFUSED;
    const known = (headers.cookie ?? "").split("; ")
      .some((one) => isSame(one, cookie));
    const given = searchParams.get("key");
    if (pathname !== "/" || given === null) {
      const isSocket = SOCKETS.includes(pathname);
      const passes = known && (!isSocket || isSame(given ?? "", word));
      return passes ? undefined : REFUSED;
    }
    const fits = isSame(given, key) && !spent;
    if (!known && !fits) return REFUSED;
    if (fits) open();
    spent ||= fits;
    return {
      status: 303,
      text: "",
      headers: {
        // The cookie may be known to others, so it does not give the words.
        "Location": fits ? `/#${word}${proof}` : "/",
        // Lax, since a file leads to the address; see browser.ts.
        "Set-Cookie": `${cookie}; HttpOnly; SameSite=Lax; Path=/`,
        // Another user may have had this port before, and have left scripts in
        // the browser that would run in the page.
        ...(fits ? { "Clear-Site-Data": '"cache"' } : {}),
      },
    };
  };
  return { key, proof: new TextEncoder().encode(proof), guard, opened };
}

/** The paths of the WebSockets: to a server, and about files. */
export const SOCKETS: readonly string[] = ["/ws", "/files"];

/** Compares in constant time. */
function isSame(given: string, secret: string): boolean {
  const encoder = new TextEncoder();
  const [a, b] = [encoder.encode(given), encoder.encode(secret)];
  // The length is not secret.
  return a.length === b.length && timingSafeEqual(a, b);
}

/** 128 random bits. */
function randomWord(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

const REFUSED: Reply = {
  status: 403,
  text: "Only the user who started this program can open the page, and its " +
    "address works once. Start the client with --gui again\n",
};
