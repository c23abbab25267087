/// <reference lib="dom" />
/**
 * The settings of the room that is shown: its topic above the messages, a word at
 * the input if the room is quiet, and buttons for those who may change that.
 *
 * @module
 */
import { maySend, maySet } from "../../../core/rooms/room_settings.ts";
import { quietText } from "../../../core/rooms/settings_text.ts";
import { sanitize } from "../../../core/text/sanitize.ts";
import type { Chat } from "../model/chat.ts";
import { byId } from "./dom.ts";

/** Shows what is set of the room that is shown. */
export function drawSettings({ isModerator, me, settings }: Chat): void {
  const self = { name: me, isModerator };
  const isOurs = settings !== undefined && maySet(settings, self);
  const topic = sanitize(settings?.topic ?? "");
  byId("about-room").hidden = topic === "" && !isOurs;
  byId("topic").textContent = byId("topic").title = topic;
  byId("set-topic").hidden = byId("set-quiet").hidden = !isOurs;
  byId("set-quiet").textContent = settings?.quiet ? "End quiet" : "Make quiet";
  const quiet = byId("quiet");
  quiet.hidden = !settings?.quiet;
  if (!settings?.quiet) return;
  quiet.textContent = quietText(settings, self);
  quiet.classList.toggle("closed", !maySend(settings, self));
}
