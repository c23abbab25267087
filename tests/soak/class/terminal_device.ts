/**
 * The terminal client without its screen.
 *
 * @module
 */
import { Access } from "../../../client/chat/access.ts";
import { Session } from "../../../client/chat/session.ts";
import { type Item, View } from "../../../client/view/view.ts";
import { CLOCK, type Clock } from "../../../core/net/backoff.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { SignIn } from "../../../core/sign_in.ts";
import { ChatError, type Frame } from "../../../protocol.ts";
import { recordingTerminal } from "../../tools/client_tools.ts";
import { Device, type DeviceOptions, type Shown } from "./device.ts";

/** Pauses are shorter than for people by this factor. */
const HURRY = 4;

const HURRIED: Clock = {
  ...CLOCK,
  sleep: (ms, signal) => CLOCK.sleep(ms / HURRY, signal),
};

/** See the top of the file. */
export class TerminalDevice extends Device {
  readonly server: ReconnectingConnection;
  readonly signIn: SignIn;
  readonly shown: Shown[] = [];
  readonly #session: Session;

  constructor(options: DeviceOptions) {
    super(options, "t");
    this.server = new ReconnectingConnection({
      dial: () =>
        this.dial(({ port }) => Deno.connect({ hostname: "127.0.0.1", port })),
      clock: HURRIED,
    });
    const access = new Access({
      way: "login",
      passwordFile: undefined,
      terminal: undefined,
    });
    this.signIn = access.signIn;
    this.signIn.use("login", options.password);
    this.#session = new Session({
      server: this.server,
      terminal: recordingTerminal(() => {}),
      view: new RecordingView((item) => this.#take(item)),
      name: options.user,
      access,
    });
  }

  protected run(): Promise<void> {
    return this.#session.run();
  }

  protected registered(): Promise<void> {
    return this.#session.present;
  }

  protected async enter(room: string): Promise<void> {
    try {
      await this.#session.join(room);
    } catch (error) {
      const isEnd = error instanceof ConnectionError;
      if (!isEnd && !(error instanceof ChatError)) throw error;
    }
  }

  protected isIn(room: string): boolean {
    return this.#session.chat.find(room) !== undefined;
  }

  protected async exit(room: string): Promise<void> {
    await this.ask("LEAVE", [room]);
  }

  protected async post(to: string, text: string): Promise<Frame> {
    return await this.server.request("SEND", [to], {}, text);
  }

  /** What came while the user was away is shown then. */
  override arrived(): void {
    this.#session.messages.showHeld();
  }

  async older(of: string, most: number): Promise<string[] | undefined> {
    let texts: string[] | undefined;
    try {
      await this.#session.chat.older(of, { most }, (old) => {
        texts = old.map(({ text }) => text);
      });
    } catch (error) {
      if (!(error instanceof ChatError || error instanceof ConnectionError)) {
        throw error;
      }
    }
    return texts;
  }

  #take(item: Item): void {
    if (item.kind !== "message") return;
    this.shown.push({ text: item.text, isOld: item.old === true });
  }
}

/** Gives what is shown to the test, and formats it as the program does. */
class RecordingView extends View {
  readonly #take: (item: Item) => void;

  constructor(take: (item: Item) => void) {
    super({ plain: true, colors: false, columns: () => Infinity });
    this.#take = take;
  }

  override format(item: Item): string {
    this.#take(item);
    return super.format(item);
  }
}
