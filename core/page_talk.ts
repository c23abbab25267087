/**
 * What a page and the program that has opened it (`client.ts --gui`) tell each
 * other about files. Types alone: both sides import them.
 *
 * A page cannot listen, nor read what lies on the disk; the program can, and
 * has no connection to the server. So the program has the direct connections,
 * the page passes on what the server and the program have to tell each other,
 * and hands over the bytes of the files that were dropped on it when they are
 * needed. Whatever is shown is said in words by the program.
 *
 * On a WebSocket of their own, `/files?name=alice`, each message is a line of
 * JSON in UTF-8; where a message of the WebSocket begins and ends means nothing.
 * Bytes of a file are the body of a `POST /files/READ`, a piece each.
 *
 * @module
 */
import type { Headers, RequestVerb } from "../protocol.ts";

/** What the page tells. */
export type FromPage =
  /** The server has passed on a CALL for files, an ACCEPT or a DECLINE. */
  | {
    readonly type: "frame";
    readonly verb: string;
    readonly args: readonly string[];
    /** Names in lower case, and values. */
    readonly headers: readonly (readonly [string, string])[];
  }
  /** What the server has answered; without a reason it was no error. */
  | {
    readonly type: "answer";
    readonly request: number;
    /** Of the protocol's errors; none if there was no answer. */
    readonly code?: number;
    readonly reason?: string;
  }
  /** Files were dropped on somebody. */
  | {
    readonly type: "send";
    /** Counted by the page, from 1. */
    readonly drop: number;
    readonly to: string;
    readonly files: readonly DroppedFile[];
  }
  /** Take what is offered. */
  | { readonly type: "accept"; readonly transfer: number }
  /** Decline what is offered, or end what is on its way. */
  | { readonly type: "end"; readonly transfer: number }
  /** What was asked for cannot be read. */
  | { readonly type: "unreadable"; readonly read: number };

/** A file of a drop, or with `/` at its path's end an empty folder. */
export interface DroppedFile {
  /** Which of the things that were dropped it is, or lies in; from 0. */
  readonly item: number;
  /** Parted by `/`, beginning with the name of what was dropped. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** What the program tells. */
export type ToPage =
  /** Ask the server: CALL, ACCEPT or DECLINE. It is answered. */
  | {
    readonly type: "request";
    readonly request: number;
    readonly verb: RequestVerb;
    readonly args: readonly string[];
    readonly headers: Headers;
  }
  /** How a transfer is: it is new, or something about it is. */
  | ({ readonly type: "transfer" } & ShownTransfer)
  /** A transfer is over; what became of it is told besides. */
  | { readonly type: "over"; readonly transfer: number }
  /** Hand over bytes of a dropped file, as the body of `POST /files/READ`. */
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
  /** The files of this drop are needed no more. */
  | { readonly type: "forget"; readonly drop: number }
  /** Something about files, for the conversation with `peer`. */
  | {
    readonly type: "told";
    readonly peer: string;
    readonly text: string;
    /** Whether something went wrong. */
    readonly failed: boolean;
    /** Whether the person should hear of it now. */
    readonly news: boolean;
  };

/** A transfer as it is to be shown. */
export interface ShownTransfer {
  /** Counted by the program, from 1. */
  readonly transfer: number;
  /** Whether it is ours to send. */
  readonly sends: boolean;
  /** The other one. */
  readonly peer: string;
  /** What it is called, from outside: `photo.jpg and 2 more`. */
  readonly title: string;
  /**
   * `offered` to the person, who accepts it or ends it; `waiting` for the other
   * side; `moving`; or `paused` while there is no connection.
   */
  readonly state: "offered" | "waiting" | "moving" | "paused";
  /** How much it is, how far, how fast; or what it waits for. */
  readonly text: string;
  /** How much of it is there, from 0 to 1. */
  readonly part: number;
}
