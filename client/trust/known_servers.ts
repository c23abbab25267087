/**
 * The file of servers whose certificates the user has accepted.
 *
 *     192.168.1.5:9899 c31ca0…f0155c 7f83b1…d9069    server, certificate, key
 *
 * One line per server, with two SHA-256 in hexadecimal: of the certificate, and
 * of its public key, by which a renewed certificate is recognised. A line written
 * by hand may leave the key out. Of several lines for one server the last counts.
 *
 * @module
 */
import type { Surroundings } from "../../platform/local_path.ts";
import { type Endpoint, endpointText } from "./address.ts";
import { SettingsFile, settingsPath } from "./settings_file.ts";

/** What identifies a certificate. */
export interface Identity {
  /** SHA-256 of the certificate, in hexadecimal, lower case. */
  readonly fingerprint: string;
  /** SHA-256 of its public key, in the same form. */
  readonly key: string | undefined;
}

/** One file of known servers. */
export class KnownServers {
  readonly #file: SettingsFile;

  constructor(path: string | undefined) {
    this.#file = new SettingsFile(path);
  }

  /** The certificate of `server`, which {@linkcode serverText} has written. */
  find(server: string): Identity | undefined {
    for (const line of this.#file.read().reverse()) {
      const [name, fingerprint, key] = line.split(/\s+/);
      if (name?.toLowerCase() !== server || !fingerprint) continue;
      const read = readFingerprint(fingerprint);
      if (read) return { fingerprint: read, key: readFingerprint(key ?? "") };
    }
    return undefined;
  }

  /** Why the file cannot be read, as a sentence; or nothing. */
  get fault(): string {
    return this.#file.fault;
  }

  /** Appends a line. @returns Why it could not be written; or nothing. */
  remember(server: string, { fingerprint, key }: Identity): string {
    const words = [server, fingerprint, ...(key === undefined ? [] : [key])];
    return this.#file.append(words.join(" "));
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
  surroundings?: Surroundings,
): string | undefined {
  return settingsPath("known_servers", surroundings);
}
