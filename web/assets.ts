/**
 * What the page consists of: its files, ready to be sent.
 *
 * All of them are part of the program, so that a bundle or a binary carries
 * them. The TypeScript among them is what the terminal's client runs as well;
 * it is pure code, and only its types are taken off.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { stripTypeScriptTypes } from "node:module";
import { gzipSync } from "node:zlib";
import clean from "../client/clean.ts" with { type: "text" };
import pause from "../client/pause.ts" with { type: "text" };
import reading from "../client/reading.ts" with { type: "text" };
import scram from "../client/scram.ts" with { type: "text" };
import watch from "../client/watch.ts" with { type: "text" };
import protocol from "../protocol.ts" with { type: "text" };
import account from "./account.js" with { type: "text" };
import arrival from "./arrival.js" with { type: "text" };
import calls from "./calls.js" with { type: "text" };
import chatStyle from "./chat.css" with { type: "text" };
import chat from "./chat.js" with { type: "text" };
import chosen from "./chosen.js" with { type: "text" };
import connection from "./connection.js" with { type: "text" };
import conversation from "./conversation.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import drop from "./drop.js" with { type: "text" };
import files from "./files.js" with { type: "text" };
import filesStyle from "./files.css" with { type: "text" };
import form from "./form.js" with { type: "text" };
import history from "./history.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import index from "./index.html" with { type: "text" };
import line from "./line.js" with { type: "text" };
import messagesStyle from "./messages.css" with { type: "text" };
import messages from "./messages.js" with { type: "text" };
import news from "./news.js" with { type: "text" };
import page from "./page.js" with { type: "text" };
import presence from "./presence.js" with { type: "text" };
import program from "./program.js" with { type: "text" };
import settings from "./settings.js" with { type: "text" };
import sidebar from "./sidebar.js" with { type: "text" };
import style from "./style.css" with { type: "text" };
import text from "./text.js" with { type: "text" };
import transfers from "./transfers.js" with { type: "text" };
import widthsStyle from "./widths.css" with { type: "text" };

/** Half of what would be sent: comments that have lines of their own. */
const DOCUMENTATION = /^[ \t]*\/\*\*[^]*?\*\/[ \t]*\n/gm;

/** A file as it is sent. */
export interface Asset {
  /** Its media type. */
  readonly type: string;
  /** As it is. */
  readonly bytes: Uint8Array;
  /** For whoever takes gzip, which is everybody. */
  readonly gzipped: Uint8Array;
  /** Changes when the file does. */
  readonly etag: string;
}

/** What `client.ts --gui` tells the page; see web/settings.js. */
export interface Settings {
  /** Whether the page asks for a server. */
  readonly local: boolean;
  /** Whom to be. */
  readonly name?: string;
  /** Where to. */
  readonly server?: string;
  /** On which port. */
  readonly port?: number;
  /** Whether the program talks TLS with it. */
  readonly tls?: boolean;
}

/** All files by their paths; with `told` in place of web/settings.js. */
export function assetsWith(told?: Settings): ReadonlyMap<string, Asset> {
  const module = `export const settings = ${JSON.stringify(told)};\n`;
  return new Map(FILES.map(([path, text]) => {
    const own = told && path === "/settings.js" ? module : text;
    return [path, asset(path, own)];
  }));
}

/** Paths as the sources name each other. */
const FILES: readonly (readonly [path: string, text: string])[] = [
  ["/", index],
  ["/style.css", style],
  ["/chat.css", chatStyle],
  ["/files.css", filesStyle],
  ["/messages.css", messagesStyle],
  ["/widths.css", widthsStyle],
  ["/icon.svg", icon],
  ["/account.js", account],
  ["/arrival.js", arrival],
  ["/calls.js", calls],
  ["/chat.js", chat],
  ["/chosen.js", chosen],
  ["/connection.js", connection],
  ["/conversation.js", conversation],
  ["/dom.js", dom],
  ["/drop.js", drop],
  ["/files.js", files],
  ["/form.js", form],
  ["/history.js", history],
  ["/line.js", line],
  ["/messages.js", messages],
  ["/news.js", news],
  ["/page.js", page],
  ["/presence.js", presence],
  ["/program.js", program],
  ["/settings.js", settings],
  ["/sidebar.js", sidebar],
  ["/text.js", text],
  ["/transfers.js", transfers],
  ["/protocol.ts", protocol],
  ["/client/clean.ts", clean],
  ["/client/pause.ts", pause],
  ["/client/reading.ts", reading],
  ["/client/scram.ts", scram],
  ["/client/watch.ts", watch],
];

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css",
  js: "text/javascript",
  svg: "image/svg+xml",
  ts: "text/javascript",
};

function asset(path: string, text: string): Asset {
  const [, kind = ""] = path.split(".");
  const script = kind === "ts" ? stripTypeScriptTypes(text) : text;
  const content = script.replaceAll(DOCUMENTATION, "");
  const bytes = new TextEncoder().encode(content);
  const hash = createHash("sha256").update(bytes).digest("base64url");
  return {
    type: `${TYPES[kind] ?? "text/html"}; charset=utf-8`,
    bytes,
    gzipped: gzipSync(bytes),
    etag: `"${hash}"`,
  };
}
