/**
 * The messages about files between a page and the program that opened it
 * (`client.ts --gui`). Types alone: both sides import them.
 *
 * A page can neither listen nor read the disk. The program can, but has no
 * connection to the server. So the program has the direct connections; the page
 * relays frames between the server and the program, and sends the bytes of
 * dropped files on request. The program writes every text that is shown.
 *
 * They use a WebSocket of their own, `/files?name=alice`. Each of its messages is
 * one of these, as JSON in UTF-8. Behind a `piece` a line feed follows, and then
 * the bytes.
 *
 * @module
 */
import type { AnsweredVerb } from "./net/connection.ts";
import type { Headers } from "../protocol.ts";

/** What the page sends. */
export type FromPage =
  /** The server relayed a CALL for files, an ACCEPT or a DECLINE. */
  | {
    readonly type: "frame";
    readonly verb: string;
    readonly args: readonly string[];
    /** Names in lower case, and values. */
    readonly headers: readonly (readonly [string, string])[];
  }
  /** The answer of the server; without a reason it is no error. */
  | {
    readonly type: "answer";
    readonly request: number;
    /** One of the protocol's errors; none if there was no answer. */
    readonly code?: number;
    readonly reason?: string;
  }
  /** Files were dropped on a user. */
  | {
    readonly type: "send";
    /** Counted by the page, from 1. */
    readonly drop: number;
    readonly to: string;
    readonly files: readonly DroppedFile[];
    /** Why some of what was dropped is not among them. */
    readonly leftOut?: readonly string[];
  }
  /** Accept what is offered. */
  | { readonly type: "accept"; readonly transfer: number }
  /** Decline what is offered, or cancel a transfer. */
  | { readonly type: "end"; readonly transfer: number }
  /** The bytes that a `read` asked for; fewer if the browser cannot read them. */
  | { readonly type: "piece"; readonly read: number };

/** A file of a drop, or with `/` at its path's end an empty folder. */
export interface DroppedFile {
  /** Which of the things that were dropped it is, or lies in; from 0. */
  readonly item: number;
  /** Separated by `/`, beginning with the name of what was dropped. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** When it was last changed, in milliseconds since 1970. */
  readonly modified?: number;
}

/** What the program sends. */
export type ToPage =
  /** Ask the server: CALL, ACCEPT or DECLINE. It is answered. */
  | {
    readonly type: "request";
    readonly request: number;
    readonly verb: AnsweredVerb;
    readonly args: readonly string[];
    readonly headers: Headers;
  }
  /** How a transfer is: it is new, or something about it is. */
  | ({ readonly type: "transfer" } & ShownTransfer)
  /** A transfer has ended; a `told` says how. */
  | { readonly type: "over"; readonly transfer: number }
  /** Send bytes of a dropped file, as a `piece`. */
  | {
    readonly type: "read";
    readonly read: number;
    readonly drop: number;
    /** Its place in the list of the drop, from 0. */
    readonly file: number;
    /** The first byte, from 0, and the one behind the last. */
    readonly from: number;
    readonly to: number;
  }
  /** The files of this drop are not needed any more. */
  | { readonly type: "forget"; readonly drop: number }
  /** Something about files, for the conversation with `peer`. */
  | {
    readonly type: "told";
    readonly peer: string;
    readonly text: string;
    /** Whether something went wrong. */
    readonly failed: boolean;
    /** Whether the user should be notified. */
    readonly news: boolean;
  };

/** A transfer as it is to be shown. */
export interface ShownTransfer {
  /** Counted by the program, from 1. */
  readonly transfer: number;
  /** Whether the user sends it. */
  readonly sends: boolean;
  /** The other user. */
  readonly peer: string;
  /** What it is called, from outside: `photo.jpg and 2 more`. */
  readonly title: string;
  /**
   * `offered` to the user, who accepts it or ends it; `waiting` for the other
   * side; `moving`; or `paused` while there is no connection.
   */
  readonly state: "offered" | "waiting" | "moving" | "paused";
  /** How much it is, how far, how fast; or what it waits for. */
  readonly text: string;
  /** How much of it is there, from 0 to 1. */
  readonly part: number;
}
