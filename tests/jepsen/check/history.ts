/**
 * What a run leaves behind: what each client asked for, was answered and was
 * shown, and what the servers have in the end. The checker reads nothing else.
 *
 * Times are in milliseconds since the beginning of the run, by the one monotonic
 * clock of the program that plays all clients. They never come from a server.
 *
 * @module
 */

/** What a client knows of something that it asked for. */
export type Outcome =
  /** It was done, and the answer came `at`. */
  | { readonly kind: "done"; readonly at: number; readonly id?: number }
  /** It was refused with this error, so it was surely not done. */
  | { readonly kind: "refused"; readonly at: number; readonly code: number }
  /** The connection was lost before an answer, or nothing follows from it. */
  | { readonly kind: "unknown" };

/** A message that a client wanted to send. */
export interface Send {
  /** The session that sent it, as {@linkcode Session.key}. */
  readonly session: string;
  /** Under which name. */
  readonly name: string;
  readonly to: string;
  /** No other message of the run has this text. */
  readonly text: string;
  readonly at: number;
  outcome: Outcome;
}

/** A message as a server stores it, or as a client was shown it. */
export interface Message {
  readonly id: number;
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

/** A message that was shown to a client. */
export interface Receipt extends Pick<Message, "from" | "text"> {
  /** Undefined for a two-socket client, which is told neither this nor `to`. */
  readonly id: number | undefined;
  readonly to: string | undefined;
  readonly at: number;
  /** It came while its account was away, and is shown before all others. */
  readonly stored: boolean;
}

/** A stay in a room. Ids say from when to when: times of clients do not. */
export interface Stay {
  readonly room: string;
  /** Messages with greater ids are for this client. */
  readonly after: number;
  /** Up to here it surely was in the room. */
  upTo: number;
}

/** A client from its first registration to its end, on any connections. */
export interface Session {
  /** The client and a number, such as `talker3.2`. */
  readonly key: string;
  readonly name: string;
  readonly kind: "terminal" | "page" | "classic";
  /** Whether the name was an account of this client when it began. */
  readonly owned: boolean;
  /** The newest message when it registered; of a two-socket client nobody knows. */
  readonly after: number;
  /** Up to here it must have been shown what was for it. */
  upTo: number;
  /** In the order in which they were shown. */
  readonly receipts: Receipt[];
  readonly stays: Stay[];
  /**
   * Rooms that it asked to join. The answer can be lost, or a refusal because it
   * cannot be stored; until then it is sent their messages.
   */
  readonly asked: string[];
  /**
   * Whether it was there at the end of the run, and so should have been shown
   * everything.
   */
  stayed: boolean;
  /** When the server had forgotten its resumable session. */
  readonly forgotten: number[];
  /** When it asked to log out, which ends that session. */
  leftAt?: number;
  /** What became of its connections and its rooms; only told, never checked. */
  readonly notes: (readonly [at: number, text: string])[];
}

/** Somebody who had a name, as far as answers prove it. */
export interface Claim {
  readonly holder: string;
  readonly name: string;
  /** When the answer to its registration came. */
  readonly from: number;
  /** When it asked for the last thing that was answered on this connection. */
  until: number;
}

/** A wish to create an account. */
export interface SignUp {
  readonly client: string;
  readonly name: string;
  readonly at: number;
  outcome: Outcome;
}

/** A sign-in to an account with its right password. */
export interface SignIn {
  readonly client: string;
  readonly name: string;
  readonly at: number;
  readonly outcome: Outcome;
}

/** A ban or a mute that the operator set, or removed. */
export interface Measure {
  readonly what: "ban" | "mute";
  readonly name: string;
  readonly wanted: boolean;
  readonly at: number;
  readonly server: string;
  outcome: Outcome;
}

/** A registration under a name that the operator bans now and then. */
export interface Entry {
  readonly client: string;
  readonly name: string;
  readonly server: string;
  /** Whether it was another server that has told of this one. */
  readonly isTold: boolean;
  /** When it asked, and when it was registered. */
  readonly at: number;
  readonly done: number;
}

/** What a server has in the end. */
export interface ServerState {
  readonly name: string;
  /** Everything that it stores, by id: rooms, private messages, those to all. */
  readonly messages: readonly Message[];
  /** What HISTORY gives, of each room. */
  readonly rooms: ReadonlyMap<string, readonly Message[]>;
  readonly accounts: readonly string[];
  readonly bans: readonly string[];
  readonly mutes: readonly string[];
  /** The hash of the log up to its end, if there are several servers. */
  readonly hash?: string | undefined;
}

/** Something that went wrong outside of all messages, in words. */
export interface Trouble {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** What the nemesis did. */
export interface FaultEvent {
  readonly at: number;
  readonly what: string;
}

/** See the top of the file. */
export interface History {
  readonly sends: Send[];
  readonly sessions: Session[];
  readonly claims: Claim[];
  readonly signUps: SignUp[];
  readonly signIns: SignIn[];
  readonly measures: Measure[];
  readonly entries: Entry[];
  readonly servers: ServerState[];
  readonly troubles: Trouble[];
  readonly faults: FaultEvent[];
}

/** A history in which nothing has happened yet. */
export function emptyHistory(): History {
  return {
    sends: [],
    sessions: [],
    claims: [],
    signUps: [],
    signIns: [],
    measures: [],
    entries: [],
    servers: [],
    troubles: [],
    faults: [],
  };
}

/** A rule that a history breaks. */
export interface Violation {
  /** The rule, as a few words. */
  readonly rule: string;
  /** What happened, as a sentence. */
  readonly what: string;
  /** What it follows from: lines with times. The fewer, the better. */
  readonly story: readonly (readonly [at: number, text: string])[];
}
