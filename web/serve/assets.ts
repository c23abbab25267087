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
import commonPasswords from "../../core/common_passwords.ts" with {
  type: "text",
};
import commandClient from "../../core/command_client.ts" with {
  type: "text",
};
import commands from "../../core/commands.ts" with { type: "text" };
import frames from "../../core/frames.ts" with { type: "text" };
import alternates from "../../core/net/alternates.ts" with { type: "text" };
import attempts from "../../core/net/attempts.ts" with { type: "text" };
import backoff from "../../core/net/backoff.ts" with { type: "text" };
import connection from "../../core/net/connection.ts" with { type: "text" };
import connectionError from "../../core/net/connection_error.ts" with {
  type: "text",
};
import keepalive from "../../core/net/keepalive.ts" with { type: "text" };
import postponed from "../../core/net/postponed.ts" with { type: "text" };
import reconnecting from "../../core/net/reconnecting.ts" with { type: "text" };
import route from "../../core/net/route.ts" with { type: "text" };
import stream from "../../core/net/stream.ts" with { type: "text" };
import newPassword from "../../core/new_password.ts" with { type: "text" };
import nicks from "../../core/text/nicks.ts" with { type: "text" };
import order from "../../core/order.ts" with { type: "text" };
import privateCommands from "../../core/rooms/private_commands.ts" with {
  type: "text",
};
import privateRooms from "../../core/rooms/private_rooms.ts" with {
  type: "text",
};
import devicesCommand from "../../core/session/devices_command.ts" with {
  type: "text",
};
import rejoin from "../../core/session/rejoin.ts" with { type: "text" };
import requests from "../../core/requests.ts" with { type: "text" };
import resumable from "../../core/session/resumable.ts" with { type: "text" };
import roomSettings from "../../core/rooms/room_settings.ts" with {
  type: "text",
};
import settingsText from "../../core/rooms/settings_text.ts" with {
  type: "text",
};
import readMarks from "../../core/session/read_marks.ts" with { type: "text" };
import scram from "../../core/scram.ts" with { type: "text" };
import session from "../../core/session.ts" with { type: "text" };
import signIn from "../../core/sign_in.ts" with { type: "text" };
import addresses from "../../core/text/addresses.ts" with { type: "text" };
import marks from "../../core/text/marks.ts" with { type: "text" };
import nearest from "../../core/text/nearest.ts" with { type: "text" };
import sanitize from "../../core/text/sanitize.ts" with { type: "text" };
import sentences from "../../core/text/sentences.ts" with { type: "text" };
import help from "../../core/text/help.ts" with { type: "text" };
import typedLine from "../../core/text/typed_line.ts" with { type: "text" };
import protocol from "../../protocol.ts" with { type: "text" };
import icon from "../page/icon.svg" with { type: "text" };
import index from "../page/index.html" with { type: "text" };
import calls from "../page/model/calls.ts" with { type: "text" };
import chat from "../page/model/chat.ts" with { type: "text" };
import chosen from "../page/model/chosen.ts" with { type: "text" };
import conversation from "../page/model/conversation.ts" with { type: "text" };
import conversations from "../page/model/conversations.ts" with {
  type: "text",
};
import received from "../page/model/received.ts" with { type: "text" };
import sending from "../page/model/sending.ts" with { type: "text" };
import type { Settings } from "../page/model/settings.ts";
import settings from "../page/model/settings.ts" with { type: "text" };
import storage from "../page/model/storage.ts" with { type: "text" };
import stored from "../page/model/stored.ts" with { type: "text" };
import typed from "../page/model/typed.ts" with { type: "text" };
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
import nick from "../page/ui/nick.ts" with { type: "text" };
import own from "../page/ui/own.ts" with { type: "text" };
import page from "../page/ui/page.ts" with { type: "text" };
import drawnSettings from "../page/ui/room_settings.ts" with { type: "text" };
import sidebar from "../page/ui/sidebar.ts" with { type: "text" };
import transfers from "../page/ui/transfers.ts" with { type: "text" };

export type { Settings };

/** Comments on lines of their own or at their ends, a third of what would be sent. */
const COMMENTS = /^[ \t]*(?:\/\*[^]*?\*\/[ \t]*|\/\/.*)$| +\/\/ .*$/gm;

/** Space around lines, which types leave behind. No string spans lines. */
const SPACE = /^\s+|[ \t]+$/gm;

/**
 * Line breaks where no statement ends, or where one needs no semicolon or comma;
 * and the spaces before a brace at the end of a line.
 */
const BREAKS = / (?=\{\n)|(?<=[{,([])\n|,?\n(?=[})\]])/g;

/** The same in styles, with the spaces there. A selector has none behind a colon. */
const STYLE_BREAKS = /(?<=[:,;{}])\s+|\s+(?=[{}])|;(?=\s*\})/g;

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

/** One file: it is a quarter smaller than four. The last one wins. */
const CHAT_STYLES = [chatStyle, filesStyle, messagesStyle, widths];

/** Paths as the sources name each other. */
const FILES: readonly (readonly [path: string, text: string])[] = [
  ["/", index],
  ["/icon.svg", icon],
  ...inFolder("", "ts", { protocol }),
  ...inFolder("/core", "ts", { commands, frames, order, requests }),
  ...inFolder("/core", "ts", { scram, session }),
  ...inFolder("/core/rooms", "ts", { room_settings: roomSettings }),
  ...inFolder("/core/rooms", "ts", { settings_text: settingsText }),
  ...inFolder("/core", "ts", { sign_in: signIn }),
  ...inFolder("/core", "ts", { command_client: commandClient }),
  ...inFolder("/core/rooms", "ts", { private_rooms: privateRooms }),
  ...inFolder("/core/rooms", "ts", { private_commands: privateCommands }),
  ...inFolder("/core", "ts", { common_passwords: commonPasswords }),
  ...inFolder("/core", "ts", { new_password: newPassword }),
  ...inFolder("/core/net", "ts", { alternates, attempts, backoff, connection }),
  ...inFolder("/core/net", "ts", { connection_error: connectionError }),
  ...inFolder("/core/net", "ts", { keepalive, postponed, reconnecting }),
  ...inFolder("/core/net", "ts", { route, stream }),
  ...inFolder("/core/session", "ts", { devices_command: devicesCommand }),
  ...inFolder("/core/session", "ts", { read_marks: readMarks }),
  ...inFolder("/core/session", "ts", { rejoin, resumable }),
  ...inFolder("/core/text", "ts", {
    marks,
    nearest,
    nicks,
    sanitize,
    sentences,
  }),
  ...inFolder("/core/text", "ts", { addresses, help, typed_line: typedLine }),
  ...inFolder("/model", "ts", {
    calls,
    chat,
    chosen,
    conversation,
    conversations,
  }),
  ...inFolder("/model", "ts", { received }),
  ...inFolder("/model", "ts", { sending, settings, storage, stored, typed }),
  ...inFolder("/net", "ts", { socket }),
  ...inFolder("/style", "css", { chat: CHAT_STYLES.join("\n"), style }),
  ...inFolder("/ui", "ts", { chat_page: chatPage, dom, drop, files, form }),
  ...inFolder("/ui", "ts", { room_settings: drawnSettings }),
  ...inFolder("/ui", "ts", { messages, news, nick, own, page }),
  ...inFolder("/ui", "ts", { sidebar, transfers }),
];

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css",
  js: "text/javascript",
  svg: "image/svg+xml",
  ts: "text/javascript",
};

/** A script without its types, and without the spaces that they leave behind. */
function withoutTypes(text: string): string {
  const script = stripTypeScriptTypes(text);
  return script.replaceAll(
    / {2,}/g,
    (run, at) => text.startsWith(run, at) ? run : " ",
  );
}

/** A file of this ending without what only its readers need. */
function shortened(text: string, kind: string): string {
  if (kind === "") {
    return text.replaceAll(/<!--[^]*?-->/g, "").replaceAll(SPACE, "");
  }
  const script = kind === "ts" ? withoutTypes(text) : text;
  return script.replaceAll(COMMENTS, "").replaceAll(SPACE, "")
    .replaceAll(kind === "css" ? STYLE_BREAKS : BREAKS, "");
}

function asset(path: string, text: string): Asset {
  const [, kind = ""] = path.split(".");
  const bytes = new TextEncoder().encode(shortened(text, kind));
  const hash = createHash("sha256").update(bytes).digest("base64url");
  return {
    type: `${TYPES[kind] ?? "text/html"}; charset=utf-8`,
    bytes,
    gzipped: gzipSync(bytes, { level: 9 }),
    etag: `"${hash}"`,
  };
}
