/** Files that are dropped on the page, or picked: whose they are, and which. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Browser } from "playwright-core";
import type { DroppedFile } from "../../../core/page_talk.ts";
import { MAX_FILES as MAX_OFFERED } from "../../../client/files/records.ts";
import { filesIn, MAX_FILES } from "../../../web/page/model/chosen.ts";
import {
  drag,
  drop,
  hasChromium,
  launchBrowser,
  pageTest,
  Person,
} from "../../tools/browser.ts";
import { type Place, withProgram } from "../../tools/page_program.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import {
  serveWebSockets,
  startTestServer,
} from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

let browser: Browser;
Deno.test.beforeAll(async () => {
  if (hasChromium) browser = await launchBrowser();
});
Deno.test.afterAll(async () => await browser?.close());

/** A test on a page of --gui, with bob in the room, and a folder. */
function dropTest(
  name: string,
  test: (place: Place & { bob: RawClient; folder: string }) => Promise<void>,
): void {
  pageTest(name, () =>
    withProgram(browser, async (place) => {
      using folder = tempFolder();
      using bob = await RawClient.enter(place.server.port, "bob", "#default");
      await place.alice.page.locator(BOB).waitFor();
      await test({ ...place, bob, folder: folder.path });
    }));
}

const BOB = '#people [data-person="bob"]';

/** A file without the time of its last change. */
function untimed({ modified: _, ...file }: DroppedFile) {
  return file;
}

/** A file of this name. */
async function fileIn(folder: string, name: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, name);
  return path;
}

/** Opens the private conversation with bob. */
async function talkToBob({ page }: Person): Promise<void> {
  await page.locator(BOB).getByRole("button").click();
  await page.getByRole("heading", { name: "bob" }).waitFor();
}

dropTest(
  "files dropped on a person are offered, and their bytes handed over",
  async ({ program, alice, folder }) => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    await Deno.writeFile(`${folder}/two.bin`, bytes);
    const one = await fileIn(folder, "one.txt");

    await drop(alice, BOB, [one, `${folder}/two.bin`]);
    const sent = await program.next("send");
    program.tell({
      type: "read",
      read: 7,
      drop: sent.drop,
      file: 1,
      from: 0,
      to: 60_000,
    });
    const read = await program.piece(7);

    const { mtime } = await Deno.stat(one);
    assertEquals(sent.files[0]?.modified, mtime?.getTime());
    assertEquals({ ...sent, files: sent.files.map(untimed) }, {
      type: "send",
      drop: 1,
      to: "bob",
      leftOut: [],
      files: [
        { item: 0, path: "one.txt", size: 7 },
        { item: 1, path: "two.bin", size: 60_000 },
      ],
    });
    assertEquals(read, bytes);
  },
);

dropTest(
  "a folder is offered with all that is in it, empty folders as well",
  async ({ program, alice, folder }) => {
    await Deno.mkdir(`${folder}/photos/deep/deeper`, { recursive: true });
    await Deno.mkdir(`${folder}/photos/empty`);
    await fileIn(folder, "photos/deep/deeper/é.txt");
    const names = Array.from({ length: 250 }, (_, at) => `${at}.txt`);
    for (const name of names) await fileIn(folder, `photos/${name}`);
    const other = await fileIn(folder, "other.txt");

    await drop(alice, BOB, [other, `${folder}/photos`]);
    const { files } = await program.next("send");

    const [first, ...rest] = files.map(untimed);
    assertEquals(first, { item: 0, path: "other.txt", size: 9 });
    assertEquals(
      rest.toSorted((a, b) => a.path < b.path ? -1 : 1),
      [
        { path: "photos/deep/deeper/é.txt", size: 25 },
        { path: "photos/empty/", size: 0 },
        ...names.map((name) => {
          const path = `photos/${name}`;
          return { path, size: path.length };
        }),
      ].map((one) => ({ item: 1, ...one }))
        .toSorted((a, b) => a.path < b.path ? -1 : 1),
    );
  },
);

dropTest(
  "a folder that takes long to look through is no silence",
  async ({ program, alice, folder }) => {
    await alice.page.evaluate(`
      DataTransferItem.prototype.webkitGetAsEntry = () => ({
        name: "slow",
        isDirectory: true,
        createReader: () => ({
          readEntries: (found) => globalThis.lookedThrough = () => found([]),
        }),
      });
    `);

    await drop(alice, BOB, [await fileIn(folder, "one.txt")]);
    await alice.page.getByRole("alert").getByText("Searching the folders")
      .waitFor();
    await alice.page.evaluate("lookedThrough()");
    const { files } = await program.next("send");

    assertEquals(files, [{ item: 0, path: "slow/", size: 0 }]);
  },
);

dropTest(
  "where files can be dropped is shown while they are dragged",
  async ({ alice, folder }) => {
    const file = await fileIn(folder, "one.txt");
    const marked = () =>
      alice.page.locator("[data-drop]").evaluateAll((all) =>
        all.map((one) => `${one.localName}: ${one.getAttribute("data-drop")}`)
      );

    const hint = await alice.page.locator("#people-panel .hint").innerText();
    await drag(alice, BOB, [file], ["dragEnter", "dragOver"]);
    const onBob = await marked();
    await drag(alice, "#scroller", [file], ["dragOver", "dragOver"]);
    const inRoom = await marked();
    await talkToBob(alice);
    await drag(alice, "#text", [file], ["dragOver", "dragOver"]);
    const inPrivate = await marked();
    await drag(alice, "#text", [file], ["drop"]);

    assertEquals(
      hint,
      "Choose a name to send a private message. Drop files on a name to send them.",
    );
    assertEquals(onBob, ["li: Drop to send to bob"]);
    assertEquals(inRoom, []);
    assertEquals(inPrivate, ["main: Drop to send to bob"]);
    assertEquals(await marked(), []);
  },
);

dropTest(
  "in a private conversation files can be dropped anywhere on it",
  async ({ program, alice, folder }) => {
    const file = await fileIn(folder, "one.txt");
    await talkToBob(alice);

    const sent = [];
    for (
      const place of ["#scroller", "#text", '#private [data-person="bob"]']
    ) {
      await drop(alice, place, [file]);
      const { to, drop: number } = await program.next("send");
      sent.push([to, number]);
    }

    assertEquals(sent, [["bob", 1], ["bob", 2], ["bob", 3]]);
    assertEquals(await alice.page.locator("#text").inputValue(), "");
  },
);

dropTest(
  "files dropped elsewhere, or on oneself, go nowhere, and a word says why",
  async ({ alice, folder }) => {
    const file = await fileIn(folder, "one.txt");
    const { page } = alice;
    const address = page.url();
    const alert = page.getByRole("alert");

    for (const place of ["#scroller", "#rooms", "#my-avatar"]) {
      await drop(alice, place, [file]);
      await alert.getByText(
        "Drop files on a name, or in a private conversation",
      ).waitFor();
      await alice.click("Close");
    }
    await drop(alice, '#people [data-person="alice"]', [file]);
    await alert.getByText("Cannot send to yourself").waitFor();
    await alice.click("Create an account");
    await drop(alice, "#own-form", [file]);
    await alice.click("Cancel");
    await alice.say("still here");
    await alice.allSent();

    assertEquals(page.url(), address);
  },
);

dropTest("text can be dragged to where one writes", async ({ alice }) => {
  const refused = await alice.page.locator("#text").evaluate((field) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.setData("text/plain", "hello");
    const options = { dataTransfer, bubbles: true, cancelable: true };
    return ["dragover", "drop"].map((type) =>
      !field.dispatchEvent(new DragEvent(type, options))
    );
  });

  assertEquals(refused, [false, false]);
  assertEquals(await alice.page.locator(".toast").count(), 0);
});

dropTest(
  "files are picked with a button as well, for whom it was pressed",
  async ({ program, alice, bob, folder }) => {
    const { page } = alice;
    const button = page.getByRole("button", { name: "Send files" });
    const inRoom = await button.isVisible();
    await talkToBob(alice);
    const chooser = page.waitForEvent("filechooser");
    await button.press("Enter");
    await page.keyboard.press("Alt+ArrowUp"); // to another conversation
    await (await chooser).setFiles([
      await fileIn(folder, "one.txt"),
      await fileIn(folder, "two.txt"),
    ]);
    const sent = await program.next("send");
    await page.locator('#people [data-person="alice"] button').click();
    await page.getByRole("heading", { name: "alice" }).waitFor();

    assertEquals([inRoom, await button.isVisible()], [false, false]);
    assertEquals([sent.to, sent.files.map(untimed)], ["bob", [
      { item: 0, path: "one.txt", size: 7 },
      { item: 1, path: "two.txt", size: 7 },
    ]]);
    assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
  },
);

dropTest(
  "a file that changes after it was dropped is not handed over",
  async ({ program, alice, folder }) => {
    const file = await fileIn(folder, "one.txt");
    await drop(alice, BOB, [file]);
    const { drop: number } = await program.next("send");
    await Deno.remove(file);

    program.tell({
      type: "read",
      read: 1,
      drop: number,
      file: 0,
      from: 0,
      to: 1,
    });
    const gone = await program.next("piece");
    program.tell({ type: "forget", drop: number });
    program.tell({
      type: "read",
      read: 2,
      drop: number,
      file: 0,
      from: 0,
      to: 1,
    });
    const forgotten = await program.next("piece");

    assertEquals([gone.read, forgotten.read], [1, 2]);
    assertEquals(await program.piece(1), new Uint8Array());
    assertEquals(await program.piece(2), new Uint8Array());
    alice.complaints.length = 0; // the browser's own, about the first
  },
);

pageTest("a page of a server says where files go from", async () => {
  await using server = startTestServer();
  using web = serveWebSockets(server);
  using folder = tempFolder();
  using _bob = await RawClient.enter(server.port, "bob", "#default");
  const url = `http://127.0.0.1:${web.port}/`;
  await using alice = await Person.enter(browser, url, "alice");
  const { page } = alice;
  const loaded = await page.evaluate(
    `performance.getEntriesByType("resource").map(({ name }) => name)`,
  ) as string[];
  const file = await fileIn(folder.path, "one.txt");
  const hint = await page.locator("#people-panel .hint").innerText();

  await page.locator(BOB).waitFor();
  await drag(alice, BOB, [file], ["dragEnter", "dragOver"]);
  const marked = await page.locator("[data-drop]").count();
  await drop(alice, BOB, [file]);
  await page.getByRole("alert").getByText(
    "Cannot send or receive files: this page has no program for it. " +
      "Start Parley's client with --gui on this computer",
  ).waitFor();
  await talkToBob(alice);

  assertEquals(
    hint,
    "Choose a name to send a private message. " +
      "To send files, start Parley's client with --gui on your computer.",
  );
  assertEquals(marked, 0);
  assertEquals(loaded.filter((name) => name.endsWith("/ui/files.ts")), []);
  assertEquals(await page.locator("#send-files").isVisible(), false);
  assertEquals(alice.complaints, []);
});

/** A folder of this many files, a hundred at a time, as a browser gives it. */
function folderOf(count: number): FileSystemEntry {
  const file = new File([], "x");
  const entry = {
    name: "x",
    isDirectory: false,
    file: (found: (file: File) => void) => found(file),
  };
  let left = count;
  const reader = {
    readEntries(found: (entries: unknown[]) => void) {
      const some = Math.min(100, left);
      left -= some;
      found(Array(some).fill(entry));
    },
  };
  const folder = {
    name: "folder",
    isDirectory: true,
    createReader: () => reader,
  };
  return folder as unknown as FileSystemEntry; // as much of it as is used
}

Deno.test("so many files can be sent at a time, and not one more", async () => {
  const { files } = await filesIn([folderOf(MAX_FILES)]);

  assertEquals(MAX_FILES, MAX_OFFERED);
  assertEquals(files.length, MAX_FILES);
  await assertRejects(
    () => filesIn([new File([], "one.txt"), folderOf(MAX_FILES)]),
    Error,
    "Cannot send more than 100,000 files at a time",
  );
});

Deno.test("a folder and a file that cannot be read are named, and the others are sent", async () => {
  const failing = (_: unknown, failed: (why: unknown) => void) =>
    failed(new DOMException("it is not allowed"));
  const secret = {
    name: "secret",
    isDirectory: true,
    createReader: () => ({ readEntries: failing }),
  };
  const locked = { name: "locked.txt", isDirectory: false, file: failing };
  const inside = [[secret, locked, new File(["x"], "a.txt")], []];
  const folder = {
    name: "folder",
    isDirectory: true,
    createReader: () => ({
      readEntries: (found: (entries: unknown) => void) => found(inside.shift()),
    }),
  };

  // The cast: as much of it as is used.
  const found = await filesIn([folder as unknown as FileSystemEntry]);

  assertEquals(found.files.map(({ path, size }) => [path, size]), [
    ["folder/a.txt", 1],
  ]);
  assertEquals([...found.leftOut].sort(), [
    'Cannot read "folder/locked.txt": it is not allowed',
    'Cannot read "folder/secret": it is not allowed',
  ]);
});
