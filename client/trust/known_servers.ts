/**
 * The file of servers whose certificates somebody has accepted.
 *
 *     192.168.1.5:9899 c31ca0…f0155c 7f83b1…d9069    server, certificate, key
 *
 * A line a server; the two are SHA-256 in hexadecimal, of the certificate and of
 * its public key, by which a renewed certificate is known. The key may be
 * missing, for lines written by hand. Of several lines for one server the last
 * counts: so clients only ever append, one after the other, and several at once
 * lose nothing.
 *
 * @module
 */

/** A certificate, as it is remembered. */
export interface Identity {
  /** SHA-256 of the certificate, in hexadecimal, lower case. */
  readonly fingerprint: string;
  /** SHA-256 of its public key; undefined if it is not known. */
  readonly key: string | undefined;
}

/** See the top of the file. */
export class KnownServers {
  /** Where they are; undefined if there is no place for them. */
  readonly path: string | undefined;

  /** Nothing is read yet. */
  constructor(path: string | undefined) {
    this.path = path;
  }

  /** What is remembered of `server`, as {@linkcode serverText} has it. */
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

  /** Remembers `identity`; says whether that was possible. */
  remember(server: string, { fingerprint, key }: Identity): boolean {
    if (this.path === undefined) return false;
    const words = [server, fingerprint, ...(key === undefined ? [] : [key])];
    try {
      Deno.mkdirSync(folderOf(this.path), { recursive: true, mode: 0o700 });
      return appendLine(this.path, words.join(" "));
    } catch {
      return false; // a file system that is full, or not ours to write
    }
  }

  #read(): string {
    try {
      return this.path === undefined ? "" : Deno.readTextFileSync(this.path);
    } catch {
      return ""; // there is none yet, or none that we can read: nobody is known
    }
  }
}

/** A server as the file names it: `host:port`, or `[IPv6]:port`. */
export function serverText(
  { hostname, port }: { readonly hostname: string; readonly port: number },
): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${host.toLowerCase()}:${port}`;
}

/** 64 hexadecimal digits, whatever their case, with colons or without. */
export function readFingerprint(word: string): string | undefined {
  const digits = word.replaceAll(":", "").toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
}

/** Where the file is on this system; undefined if there is no place for it. */
export function knownServersPath(
  os: typeof Deno.build.os = Deno.build.os,
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string | undefined {
  const folder = configFolder(os, env);
  if (folder === undefined) return undefined;
  const slash = os === "windows" ? "\\" : "/";
  return [folder, "parley", "known_servers"].join(slash);
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
 * Adds a line to a file, of which the last one may lack its end.
 *
 * @returns Whether there was room for all of it.
 */
function appendLine(path: string, line: string): boolean {
  using file = Deno.openSync(path, {
    ...{ read: true, append: true, create: true },
    mode: 0o600,
  });
  // Or the end of what another client just writes is taken for one that lacks.
  file.lockSync(true);
  const isWhole = file.seekSync(0, Deno.SeekMode.End) === 0 ||
    lastByteOf(file) === LINE_FEED;
  const bytes = encoder.encode(`${isWhole ? "" : "\n"}${line}\n`);
  return file.writeSync(bytes) === bytes.length;
}

const LINE_FEED = 0x0a;
const encoder = new TextEncoder();

function lastByteOf(file: Deno.FsFile): number | undefined {
  const buffer = new Uint8Array(1);
  file.seekSync(-1, Deno.SeekMode.End);
  file.readSync(buffer);
  return buffer[0];
}

function folderOf(path: string): string {
  return path.replace(/[/\\][^/\\]*$/, "");
}
