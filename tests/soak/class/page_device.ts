/**
 * The page without a browser.
 *
 * @module
 */
import type { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Stream } from "../../../core/net/stream.ts";
import { SignIn } from "../../../core/sign_in.ts";
import type { Frame } from "../../../protocol.ts";
import { Chat } from "../../../web/page/model/chat.ts";
import { Device, type DeviceOptions, type Shown } from "./device.ts";

/** See the top of the file. */
export class PageDevice extends Device {
  readonly signIn: SignIn = new SignIn();
  readonly chat: Chat;
  #changed = Promise.withResolvers<void>();

  constructor(options: DeviceOptions) {
    super(options, "p");
    const { signIn } = this;
    signIn.use("login", options.password);
    this.chat = new Chat({
      dial: (signal) =>
        this.dial(({ webPort }) => openWebSocket(webPort, signal)),
      home: undefined,
      name: options.user,
      signIn,
      watcher: {
        changed: () => {
          this.#changed.resolve();
          this.#changed = Promise.withResolvers();
        },
        said: () => {},
        noted: () => {},
        told: () => {},
        own: () => {},
      },
    });
  }

  get server(): ReconnectingConnection {
    return this.chat.server;
  }

  /** Each conversation from its first message to its last. */
  get shown(): Shown[] {
    return this.chat.conversations.list.flatMap(({ entries }) =>
      entries.filter(({ kind, why }) => kind === "message" && !why)
        .map(({ text }) => ({ text, isOld: true }))
    );
  }

  protected run(): Promise<void> {
    return this.chat.run();
  }

  protected async registered(): Promise<void> {
    while (this.chat.state !== "connected") await this.#changed.promise;
  }

  protected async enter(room: string): Promise<void> {
    await this.chat.join(room, { quietly: true });
  }

  protected isIn(room: string): boolean {
    return this.chat.conversations.find("room", room) !== undefined;
  }

  protected async exit(room: string): Promise<void> {
    const conversation = this.chat.conversations.find("room", room);
    if (conversation) await this.chat.leave(conversation);
  }

  async older(of: string): Promise<undefined> {
    const kind = of.startsWith("#") ? "room" : "user";
    const conversation = this.chat.conversations.find(kind, of);
    if (conversation) await this.chat.earlier(conversation);
  }

  protected async post(to: string, text: string): Promise<Frame> {
    const { conversations, server } = this.chat;
    const conversation = to === "ALL"
      ? conversations.all
      : conversations.open(to.startsWith("#") ? "room" : "user", to);
    // The chat makes the request, and takes the answer; so does this.
    const { request } = server;
    const answers: Promise<Frame>[] = [];
    const own = {
      request(...args: Parameters<typeof request>) {
        const answer = request(...args);
        answers.push(answer);
        return answer;
      },
    };
    Object.assign(server, own);
    this.chat.send(text, conversation);
    Object.assign(server, { request });
    return await answers[0]!;
  }
}

/** The page's own; it looks for words in the address of its page. */
async function openWebSocket(
  port: number,
  signal: AbortSignal,
): Promise<Stream> {
  globalThis.location ??= { hash: "" } as Location;
  const { openSocket } = await import("../../../web/page/net/socket.ts");
  return await openSocket(new URL(`ws://127.0.0.1:${port}/ws`), signal);
}
