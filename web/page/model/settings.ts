/**
 * The settings that the serving program gives the page. `server.ts --web` serves
 * this file; `client.ts --gui` serves a module of its own in its place.
 *
 * @module
 */

/** See the top of the file. */
export interface Settings {
  /**
   * Whether the page asks for a server: a program on this computer carries its
   * frames there.
   */
  readonly local: boolean;
  /** The user's name, if the command line has it. */
  readonly name?: string | undefined;
  /** The server's address, if the command line has it. */
  readonly server?: string | undefined;
  /** The server's port, if the command line has it. */
  readonly port?: number | undefined;
  /** Whether the program connects to the server with TLS. */
  readonly tls?: boolean;
}

/** The settings of a page that a server serves. */
export const settings: Settings = { local: false };
