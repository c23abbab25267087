/** What a client makes of JOINED and NOTICE set of a room. */
import { assertEquals } from "@std/assert";
import type { Frame } from "../../../protocol.ts";
import {
  maySend,
  maySet,
  type RoomSettings,
  settingsAfter,
  settingsChangeOf,
  settingsOf,
} from "../../../core/rooms/room_settings.ts";
import {
  changeLines,
  quietText,
  settingsLines,
} from "../../../core/rooms/settings_text.ts";
import { bytes } from "../../tools/net/raw_client.ts";

/** A frame of the server, with a body if it is given. */
function frame(
  verb: string,
  headers: readonly (readonly [string, string])[],
  body?: string,
): Frame {
  const length = [["content-length", `${body?.length}`]] as const;
  return {
    verb,
    args: [],
    headers: body === undefined ? headers : [...headers, ...length],
    body: bytes(body ?? ""),
  };
}

const NOTHING: RoomSettings = {
  owner: undefined,
  quiet: false,
  voices: [],
  topic: "",
};

Deno.test("settingsOf() reads a JOINED with all settings, and one with none", () => {
  const all = frame("JOINED", [
    ["owner", "alice"],
    ["quiet", "yes"],
    ["voice", "bob"],
    ["voice", "carol"],
  ], "Tea");

  assertEquals(settingsOf(all), {
    owner: "alice",
    quiet: true,
    voices: ["bob", "carol"],
    topic: "Tea",
  });
  assertEquals(settingsOf(frame("JOINED", [])), NOTHING);
  assertEquals(settingsOf(frame("JOINED", [["quiet", "no"]])), NOTHING);
});

Deno.test("a NOTICE set changes what it names, and nothing else", () => {
  const change = (
    headers: readonly (readonly [string, string])[],
    body?: string,
  ) => settingsChangeOf(frame("NOTICE", [["room", "#r"], ...headers], body))!;
  let settings: RoomSettings = { ...NOTHING, owner: "alice", topic: "Tea" };
  const take = (...of: Parameters<typeof change>) =>
    settings = settingsAfter(settings, change(...of));

  assertEquals(take([["quiet", "yes"]]).quiet, true);
  assertEquals(take([["voice", "bob"]]).voices, ["bob"]);
  assertEquals(take([["voice", "bob"]]).voices, ["bob"]);
  assertEquals(take([["voice", "carol"]]).voices, ["bob", "carol"]);
  assertEquals(take([["unvoice", "bob"]]).voices, ["carol"]);
  assertEquals(take([["unvoice", "nobody"]]).topic, "Tea");
  assertEquals(take([], "").topic, "");
  assertEquals(settings, {
    owner: "alice",
    quiet: true,
    voices: ["carol"],
    topic: "",
  });
  assertEquals(settingsChangeOf(frame("NOTICE", [["user", "bob"]])), undefined);
});

Deno.test("the owner, moderators and users with voice send in a quiet room", () => {
  const settings = { ...NOTHING, owner: "alice", quiet: true, voices: ["b1"] };
  const self = (name: string, isModerator = false) => ({ name, isModerator });
  const may = (name: string, isModerator?: boolean) =>
    [maySet, maySend].map((one) => one(settings, self(name, isModerator)));

  assertEquals(may("alice"), [true, true]);
  assertEquals(may("mia", true), [true, true]);
  assertEquals(may("b1"), [false, true]);
  assertEquals(may("bl"), [false, true]); // it looks like b1, and so is it
  assertEquals(may("eve"), [false, false]);
  assertEquals(maySend(NOTHING, self("eve")), true);
  assertEquals(maySet(NOTHING, self("eve")), false);
  assertEquals(
    quietText(settings, self("alice")),
    "This room is quiet. You can send.",
  );
});

Deno.test("settings are told in sentences, and what others wrote is sanitized", () => {
  const lines = (parts: object, me = "bob") =>
    changeLines({
      room: "#lab",
      by: "alice",
      voice: undefined,
      unvoice: undefined,
      ...parts,
    }, me);

  assertEquals(lines({ quiet: true }), [
    "alice made #lab quiet: its owner, moderators and users with voice send",
  ]);
  assertEquals(lines({ quiet: false, by: undefined, topic: "" }), [
    "The server ended the quiet in #lab: all users in it can send",
    "The server removed the topic of #lab",
  ]);
  assertEquals(lines({ voice: "bob" }), ["alice gave you voice in #lab"]);
  assertEquals(lines({ unvoice: "bob" }, "alice"), [
    "You took bob's voice in #lab",
  ]);
  assertEquals(lines({ topic: "a\x1b[2J" }), [
    "alice set the topic of #lab: a␛[2J",
  ]);
  assertEquals(lines({}), []);
  assertEquals(
    settingsLines({ ...NOTHING, topic: "\x07", quiet: true }, {
      name: "bob",
      isModerator: false,
    }),
    [
      "Topic: ␇",
      "This room is quiet: its owner, moderators and users with voice send.",
    ],
  );
});
