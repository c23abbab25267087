/**
 * Names of a cluster and of its servers, and the subjects that begin with them.
 *
 * @module
 */
import { StartError } from "../journal/start_error.ts";

/** A name that is a word of a subject, and a part of a file's name. */
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/**
 * Does nothing if `value` of an option can be a name.
 *
 * @throws {StartError} If not.
 */
export function checkName(option: string, value: string): void {
  if (NAME.test(value)) return;
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
    here: `${cluster}.here`,
  };
}
