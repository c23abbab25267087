/** A chat of the page, without a browser. */
import { SignIn } from "../../core/sign_in.ts";
import { Chat } from "../../web/page/model/chat.ts";
import type { FakeServer } from "../tools/client_tools.ts";

/** A chat of alice, and a way to wait for a change of it. */
export function createChat({ port }: FakeServer) {
  let changed = Promise.withResolvers<void>();
  const told: string[] = [];
  const chat = new Chat({
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    name: "alice",
    signIn: new SignIn(),
    watcher: {
      changed() {
        changed.resolve();
        changed = Promise.withResolvers();
      },
      said: () => {},
      noted: () => {},
      told: (text) => void told.push(text),
      own: () => {},
    },
  });
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await changed.promise;
  };
  return { chat, told, until };
}
