/**
 * The file of servers whose certificates the user has accepted.
 *
 *     192.168.1.5:9899 c31ca0…f0155c 7f83b1…d9069    server, certificate, key
 *
 * One line per server, with two SHA-256 in hexadecimal: of the certificate, and
 * of its public key, by which a renewed certificate is recognised. A line written
 * by hand may leave the key out. Of several lines for one server the last counts,
 * and clients only append: so clients that write at the same time lose nothing.
 *
 * @module
 */
import { dirname, posix, win32 } from "node:path";
import { type Endpoint, endpointText } from "./address.ts";

/** What identifies a certificate. */
export interface Identity {
  /** SHA-256 of the certificate, in hexadecimal, lower case. */
  readonly fingerprint: string;
  /** SHA-256 of its public key, in the same form. */
  readonly key: string | undefined;
}

/** One file of known servers. */
export class KnownServers {
  /** Undefined if the system has no folder for it. */
  readonly path: string | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** The certificate of `server`, which {@linkcode serverText} has written. */
  find(server: string): Identity | undefined {
    const lines = this.#read().split("\n").reverse();
    for (const line of lines) {
      const [name, fingerprint, key] = line.trim().split(/\s+/);
      if (name?.toLowerCase() !== server || !fingerprint) continue;
      const read = readFingerprint(fingerprint);
      if (read) return { fingerprint: read, key: readFingerprint(key ?? "") };
    }
    return undefined;
  }

  /** Appends a line. @returns Whether it could be written. */
  remember(server: string, { fingerprint, key }: Identity): boolean {
    if (this.path === undefined) return false;
    const words = [server, fingerprint, ...(key === undefined ? [] : [key])];
    try {
      Deno.mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      return appendLine(this.path, words.join(" "));
    } catch {
      return false; // the disk is full, or the user may not write there
    }
  }

  #read(): string {
    try {
      return this.path === undefined ? "" : Deno.readTextFileSync(this.path);
    } catch {
      return ""; // there is no file yet, or it cannot be read
    }
  }
}

/** A server as the file writes it. */
export function serverText(server: Endpoint): string {
  return endpointText(server).toLowerCase();
}

/** 64 hexadecimal digits, whatever their case, with colons or without. */
export function readFingerprint(word: string): string | undefined {
  const digits = word.replaceAll(":", "").toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
}

/** The path on this system; undefined without a home folder. */
export function knownServersPath(
  os: typeof Deno.build.os = Deno.build.os,
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string | undefined {
  const folder = configFolder(os, env);
  if (folder === undefined) return undefined;
  const { join } = os === "windows" ? win32 : posix;
  return join(folder, "parley", "known_servers");
}

function configFolder(
  os: typeof Deno.build.os,
  env: (name: string) => string | undefined,
): string | undefined {
  if (os === "windows") return env("APPDATA");
  const home = env("HOME");
  if (os === "darwin") return home && `${home}/Library/Application Support`;
  return env("XDG_CONFIG_HOME") || (home && `${home}/.config`);
}

/**
 * Appends a line to a file whose last line may have no line break.
 *
 * @returns Whether all of it was written.
 */
function appendLine(path: string, line: string): boolean {
  using file = Deno.openSync(path, {
    read: true,
    append: true,
    create: true,
    mode: 0o600,
  });
  // Another client may be in the middle of its line.
  file.lockSync(true);
  const last = Uint8Array.of(LINE_FEED); // unless the file is empty
  if (file.seekSync(0, Deno.SeekMode.End) > 0) {
    file.seekSync(-1, Deno.SeekMode.End);
    file.readSync(last);
  }
  const before = last[0] === LINE_FEED ? "" : "\n";
  const bytes = new TextEncoder().encode(`${before}${line}\n`);
  return file.writeSync(bytes) === bytes.length;
}

const LINE_FEED = 0x0a;
