/**
 * Names of a cluster and of its servers, and the subjects that begin with them.
 *
 * @module
 */
import { StartError } from "../journal/start_error.ts";

/** A name that is a word of a subject, and a part of a file's name. */
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/** Whether that can be a name. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}

/**
 * Does nothing if `value` of an option can be a name.
 *
 * @throws {StartError} If not.
 */
export function checkName(option: string, value: string): void {
  if (isName(value)) return;
  throw new StartError(
    `Cannot use ${option} "${value}": a name is 1 to 32 letters, digits, _ and -`,
  );
}

/** The stream and the subjects of a cluster. */
export interface Subjects {
  /** The name of the stream. */
  readonly stream: string;
  /** Behind it, a server's name: its entries. */
  readonly log: string;
  /** Behind it, a server's name: its entries again, when they are stored. */
  readonly stored: string;
  /** Behind it, a server's name: its heartbeats. */
  readonly heartbeat: string;
  /** Behind it, a server's name: the server that uses it answers. */
  readonly name: string;
  /**
   * Servers are asked there for snapshots; behind it and a dot, a server's name:
   * that one.
   */
  readonly snapshot: string;
  /** Behind it, a server's name: others ask it there for something. */
  readonly request: string;
  /** Servers tell each other there which users they have. */
  readonly here: string;
}

/** The subjects of the cluster of that name. */
export function subjectsOf(cluster: string): Subjects {
  return {
    stream: `PARLEY_${cluster}`,
    log: `${cluster}.log.`,
    stored: `${cluster}.rep.`,
    heartbeat: `${cluster}.hb.`,
    name: `${cluster}.name.`,
    snapshot: `${cluster}.snap`,
    request: `${cluster}.ask.`,
    here: `${cluster}.here`,
  };
}
