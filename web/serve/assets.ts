/**
 * The files of the page, ready to be sent.
 *
 * All of them are part of the program, so that a bundle or a binary has them.
 * TypeScript is sent without its types. A path is that of the source below
 * web/page/, or /core/… for what the terminal client runs too: a relative import
 * that would leave the page's root stays at it, so the same import finds the
 * same file in Deno and in a browser.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { stripTypeScriptTypes } from "node:module";
import { gzipSync } from "node:zlib";
import commands from "../../core/commands.ts" with { type: "text" };
import frames from "../../core/frames.ts" with { type: "text" };
import backoff from "../../core/net/backoff.ts" with { type: "text" };
import connection from "../../core/net/connection.ts" with { type: "text" };
import connectionError from "../../core/net/connection_error.ts" with {
  type: "text",
};
import keepalive from "../../core/net/keepalive.ts" with { type: "text" };
import reconnecting from "../../core/net/reconnecting.ts" with { type: "text" };
import stream from "../../core/net/stream.ts" with { type: "text" };
import order from "../../core/order.ts" with { type: "text" };
import requests from "../../core/requests.ts" with { type: "text" };
import resume from "../../core/resume.ts" with { type: "text" };
import scram from "../../core/scram.ts" with { type: "text" };
import session from "../../core/session.ts" with { type: "text" };
import signIn from "../../core/sign_in.ts" with { type: "text" };
import marks from "../../core/text/marks.ts" with { type: "text" };
import nearest from "../../core/text/nearest.ts" with { type: "text" };
import sanitize from "../../core/text/sanitize.ts" with { type: "text" };
import sentences from "../../core/text/sentences.ts" with { type: "text" };
import typedLine from "../../core/text/typed_line.ts" with { type: "text" };
import protocol from "../../protocol.ts" with { type: "text" };
import icon from "../page/icon.svg" with { type: "text" };
import index from "../page/index.html" with { type: "text" };
import chat from "../page/model/chat.ts" with { type: "text" };
import chosen from "../page/model/chosen.ts" with { type: "text" };
import conversation from "../page/model/conversation.ts" with { type: "text" };
import type { Settings } from "../page/model/settings.ts";
import settings from "../page/model/settings.ts" with { type: "text" };
import typed from "../page/model/typed.ts" with { type: "text" };
import calls from "../page/net/calls.ts" with { type: "text" };
import socket from "../page/net/socket.ts" with { type: "text" };
import chatStyle from "../page/style/chat.css" with { type: "text" };
import filesStyle from "../page/style/files.css" with { type: "text" };
import messagesStyle from "../page/style/messages.css" with { type: "text" };
import style from "../page/style/style.css" with { type: "text" };
import widths from "../page/style/widths.css" with { type: "text" };
import chatPage from "../page/ui/chat_page.ts" with { type: "text" };
import dom from "../page/ui/dom.ts" with { type: "text" };
import drop from "../page/ui/drop.ts" with { type: "text" };
import files from "../page/ui/files.ts" with { type: "text" };
import form from "../page/ui/form.ts" with { type: "text" };
import messages from "../page/ui/messages.ts" with { type: "text" };
import news from "../page/ui/news.ts" with { type: "text" };
import page from "../page/ui/page.ts" with { type: "text" };
import sidebar from "../page/ui/sidebar.ts" with { type: "text" };
import transfers from "../page/ui/transfers.ts" with { type: "text" };

export type { Settings };

/** Comments that have lines of their own, a third of what would be sent. */
const COMMENTS = /^[ \t]*(?:\/\*[^]*?\*\/[ \t]*|\/\/.*)$/gm;

/** Space around lines, which types leave behind. No string spans lines. */
const SPACE = /^\s+|[ \t]+$/gm;

/** A file as it is sent. */
export interface Asset {
  /** The media type. */
  readonly type: string;
  /** The content. */
  readonly bytes: Uint8Array;
  /** The content for a client that takes gzip, as all browsers do. */
  readonly gzipped: Uint8Array;
  /** Changes when the file does. */
  readonly etag: string;
}

/** All files by their paths; with `told` in place of web/page/model/settings.ts. */
export function assetsWith(told?: Settings): ReadonlyMap<string, Asset> {
  const module = `export const settings = ${JSON.stringify(told)};\n`;
  return new Map(FILES.map(([path, text]) => {
    const own = told && path === "/model/settings.ts" ? module : text;
    return [path, asset(path, own)];
  }));
}

/** Files of a folder, by their names without the ending. */
function inFolder(
  folder: string,
  ending: string,
  texts: Readonly<Record<string, string>>,
): [path: string, text: string][] {
  return Object.entries(texts)
    .map(([name, text]) => [`${folder}/${name}.${ending}`, text]);
}

/** Paths as the sources name each other. */
const FILES: readonly (readonly [path: string, text: string])[] = [
  ["/", index],
  ["/icon.svg", icon],
  ...inFolder("", "ts", { protocol }),
  ...inFolder("/core", "ts", { commands, frames, order, requests, resume }),
  ...inFolder("/core", "ts", { scram, session, sign_in: signIn }),
  ...inFolder("/core/net", "ts", { backoff, connection, keepalive }),
  ...inFolder("/core/net", "ts", { connection_error: connectionError }),
  ...inFolder("/core/net", "ts", { reconnecting, stream }),
  ...inFolder("/core/text", "ts", { marks, nearest, sanitize, sentences }),
  ...inFolder("/core/text", "ts", { typed_line: typedLine }),
  ...inFolder("/model", "ts", { chat, chosen, conversation, settings, typed }),
  ...inFolder("/net", "ts", { calls, socket }),
  ...inFolder("/style", "css", { chat: chatStyle, files: filesStyle, style }),
  ...inFolder("/style", "css", { messages: messagesStyle, widths }),
  ...inFolder("/ui", "ts", { chat_page: chatPage, dom, drop, files, form }),
  ...inFolder("/ui", "ts", { messages, news, page, sidebar, transfers }),
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
  const content = kind === ""
    ? text
    : script.replaceAll(COMMENTS, "").replaceAll(SPACE, "");
  const bytes = new TextEncoder().encode(content);
  const hash = createHash("sha256").update(bytes).digest("base64url");
  return {
    type: `${TYPES[kind] ?? "text/html"}; charset=utf-8`,
    bytes,
    gzipped: gzipSync(bytes),
    etag: `"${hash}"`,
  };
}
