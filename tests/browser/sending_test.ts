/** Each text that a user of the page types goes where it was meant, and stays. */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { BOX, breakOff, choose, reconnect, scenes, typeKeys } from "./scene.ts";

const sceneTest = scenes();

for (
  const [when, before] of [
    ["before the room was asked for", "dear default, the pass"],
    ["after that", ""],
  ] as const
) {
  sceneTest(
    `a room that opens after a reconnect takes no sentence that was begun ${when}`,
    async (scene) => {
      const alice = await scene.enter("alice");
      const { page } = alice;
      await breakOff(scene, alice);
      await typeKeys(alice, before);
      await page.locator("#room").fill("lab");
      await page.keyboard.press("Enter");
      if (before === "") await typeKeys(alice, "dear default, the pass");
      await reconnect(scene, alice);
      await page.locator("#toasts").getByText("You joined #lab").waitFor();
      await typeKeys(alice, "word is secret");
      await page.keyboard.press("Enter");

      await alice.sees("dear default, the password is secret");
      assertEquals(await page.locator("#title").innerText(), "#default");
    },
  );
}

for (const [how, key] of [["isComposing", 13], ["229 alone", 229]] as const) {
  sceneTest(
    `Enter that confirms an input method, told by ${how}, sends nothing`,
    async ({ enter }) => {
      const alice = await enter("alice");
      await typeKeys(alice, "にほん");
      await alice.page.evaluate(
        `document.querySelector("#text").dispatchEvent(
          Object.defineProperty(new KeyboardEvent("keydown", {
            key: "Enter", isComposing: ${key === 13}, bubbles: true,
          }), "keyCode", { value: ${key} }))`,
      );
      await typeKeys(alice, "ご");
      await alice.page.keyboard.press("Enter");
      await alice.allSent();

      assertEquals(await alice.messages(), ["You: にほんご"]);
    },
  );
}

sceneTest(
  "Enter on a touch screen makes a line, and the button sends",
  async ({ enter }) => {
    const alice = await enter("alice", { hasTouch: true, isMobile: true });
    await typeKeys(alice, "one");
    await alice.page.keyboard.press("Enter");
    await typeKeys(alice, "two");
    await alice.page.getByRole("button", { name: "Send", exact: true }).tap();
    await alice.allSent();

    assertEquals(await alice.messages(), ["You: one\ntwo"]);
  },
);

sceneTest(
  "a message is dimmed until it is answered, and one that was refused can be sent again",
  async (scene) => {
    const alice = await scene.enter("alice");
    const { page } = alice;
    await alice.say("@nobody: a long and important text");
    const refused = page.locator("#messages > .refused");
    await refused.getByText("a long and important text").waitFor();
    const first = await refused.elementHandle();
    await refused.getByRole("button", { name: "Send again" }).click();
    await first!.waitForElementState("hidden");
    await refused.waitFor();
    const nobody = await scene.raw("nobody");
    await refused.getByRole("button", { name: "Send again" }).click();
    assertMatch(await nobody.next("FORWARD"), /a long and important text$/);
    await refused.waitFor({ state: "detached" });

    await breakOff(scene, alice);
    await alice.say("later");
    await page.locator("#messages > .waiting").getByText("later").waitFor();
    const opacity = await page.evaluate(
      `getComputedStyle(document.querySelector(".waiting .text")).opacity`,
    );
    await reconnect(scene, alice);
    await alice.allSent();

    assertLess(Number(opacity), 1);
    assertEquals(await alice.messages(), [
      "You: a long and important text",
      "You: later",
    ]);
  },
);

sceneTest(
  "a reload goes on with the session, its private messages and what was typed",
  async ({ enter, raw, server }) => {
    const alice = await enter("alice");
    const { page } = alice;
    using bob = await raw("bob", "#default");
    await page.locator("#room").fill("lab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "#lab" }).waitFor();
    await typeKeys(alice, "a text for the lab");
    await bob.say("alice", "the exam code is 4711");
    await choose(alice, "#private", /bob/);
    await alice.sees("the exam code is 4711");
    await typeKeys(alice, "thank you, I");
    await bob.say("alice", "not seen yet");
    await alice.sees("not seen yet");

    await page.reload();
    await page.getByRole("heading", { name: "bob" }).waitFor();
    await alice.sees("the exam code is 4711");
    const draft = await page.locator(BOX).inputValue();
    await bob.say("alice", "after the reload");
    await alice.sees("after the reload");
    const messages = await alice.messages();
    await choose(alice, "#rooms", /^#lab/);
    await page.getByRole("heading", { name: "#lab" }).waitFor();

    assertEquals(draft, "thank you, I");
    assertEquals(messages, [
      "bob: the exam code is 4711",
      "bob: not seen yet",
      "bob: after the reload",
    ]);
    assertEquals(await page.locator(BOX).inputValue(), "a text for the lab");
    assertEquals(
      server.log.filter((l) => /alice registered/.test(l)).length,
      2,
    );
    await alice.click("Disconnect");
    await page.getByRole("button", { name: "Join", exact: true }).waitFor();
    assertEquals(await page.evaluate("sessionStorage.length"), 0);
    await page.reload();
    await page.getByRole("button", { name: "Join", exact: true }).waitFor();
    assertEquals(await page.evaluate("sessionStorage.length"), 0);
  },
);

sceneTest(
  "a page that is hidden before Disconnect is answered leaves nothing in its tab",
  async ({ enter, raw }) => {
    using bob = await raw("bob");
    const { page } = await enter("alice");
    await bob.say("alice", "the exam code is 4711");
    await page.getByText("bob").first().waitFor();

    const stored = await page.evaluate(`
      document.getElementById("disconnect").click();
      dispatchEvent(new Event("pagehide"));
      sessionStorage.length`);
    await page.getByRole("button", { name: "Join", exact: true }).waitFor();

    assertEquals(stored, 1); // the page could be reloaded now
    assertEquals(await page.evaluate("sessionStorage.length"), 0);
  },
);

sceneTest(
  "a message that was refused stays behind the history after a reload",
  async ({ enter, raw, server }) => {
    using bob = await raw("bob", "#default");
    await bob.say("#default", "before it");
    const alice = await enter("alice");
    await alice.sees("before it");
    await server.console.run("mute alice");
    await alice.say("what the server refuses");
    const refused = alice.page.locator("#messages > .refused");
    await refused.waitFor();
    await bob.say("#default", "after it");
    await alice.sees("after it");

    await alice.page.reload();
    await refused.waitFor();
    await alice.sees("after it");

    assertEquals(await alice.messages(), [
      "bob: before it",
      "You: what the server refuses",
      "bob: after it",
    ]);
  },
);

sceneTest(
  "a reload of an account asks for the password, and then goes on",
  async ({ enter, raw }) => {
    const alice = await enter("alice");
    const { page } = alice;
    using bob = await raw("bob", "#default");
    await alice.click("Create an account");
    for (const id of ["#own-password", "#own-repeat"]) {
      await page.locator(id).fill("correct horse");
    }
    await alice.click("Create account");
    await page.locator("#standing").getByText("account").waitFor();
    await bob.say("alice", "the exam code is 4711");
    await choose(alice, "#private", /bob/);
    await alice.sees("the exam code is 4711");
    await typeKeys(alice, "thank you");
    await page.reload();
    await page.getByText("alice has an account").waitFor();
    await page.locator("#password").fill("correct horse");
    await alice.click("Join");
    await alice.sees("the exam code is 4711");

    assertEquals(await page.locator(BOX).inputValue(), "thank you");
    assertEquals(await alice.messages(), ["bob: the exam code is 4711"]);
  },
);

sceneTest(
  "what was being written when the operator disconnected the user is there after joining again",
  async ({ enter, server }) => {
    const alice = await enter("alice");
    const { page } = alice;
    await alice.say("@alice: for me");
    await alice.allSent();
    await choose(alice, "#rooms", /^#default/);
    await page.getByRole("heading", { name: "#default" }).waitFor();
    await typeKeys(alice, "three paragraphs of text");
    await server.console.run("kick alice");
    await page.getByRole("button", { name: "Back to the start" }).waitFor();
    const offline = await page.title();
    await alice.click("Back to the start");
    const stored = await page.evaluate("JSON.stringify(sessionStorage)");
    await alice.comeIn("alice");

    assertEquals(
      await page.locator(BOX).inputValue(),
      "three paragraphs of text",
    );
    assertEquals(offline, "Offline – Parley");
    assert(!`${stored}`.includes("for me"), "a private message is stored");
  },
);

for (
  const pasted of [
    "/quit\nis a command",
    "  @Override\n\tpublic void run()",
    "// main.c\nint main()\n",
  ]
) {
  sceneTest(
    `a paste of lines is text: ${JSON.stringify(pasted)}`,
    async ({ enter, raw }) => {
      using eve = await raw("eve", "#default");
      const permissions = ["clipboard-read", "clipboard-write"];
      const alice = await enter("alice", { permissions });
      const { page } = alice;
      await page.evaluate(
        `navigator.clipboard.writeText(${JSON.stringify(pasted)})`,
      );
      await typeKeys(alice, "/jo");
      await page.keyboard.press("Control+A");
      await page.keyboard.press("Control+V");
      await page.keyboard.press("Enter");
      const message = await eve.next("FORWARD");
      await typeKeys(alice, "@eve: ");
      await page.keyboard.press("Control+V");
      await page.keyboard.press("Enter");
      const next = await eve.next("FORWARD");

      assert(message.endsWith(`\n\n${pasted}`), message);
      assert(/\nTo: #default\n/.test(message), message);
      assert(/\nTo: eve\n/.test(next), next);
    },
  );
}

sceneTest("a picture that is pasted is answered", async ({ enter }) => {
  const alice = await enter("alice");
  const { page } = alice;
  await page.evaluate(`{
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File(["x"], "image.png"));
    document.querySelector("#text").dispatchEvent(
      new ClipboardEvent("paste", { clipboardData, bubbles: true }));
  }`);

  await page.locator("#toasts").getByText("Cannot send or receive files")
    .waitFor();
});

sceneTest(
  "a message that the server limits says how long it waits, or that it is not sent",
  async ({ enter }) => {
    const waits = new Map([["held", 21], ["over", 3_600]]);
    const alice = await enter("alice", {
      prepare: (page) =>
        page.routeWebSocket(/./, (socket) => {
          const server = socket.connectToServer();
          socket.onMessage((sent) => {
            const word = `${sent}`.match(/^SEND [^]*\b(held|over)$/)?.[1];
            if (word === undefined) return server.send(sent);
            const answer =
              "ERROR 108 Slow down\nReason: Cannot send: a limit\n" +
              `Retry-after: ${waits.get(word)}\n\n`;
            socket.send(Buffer.from(answer));
          });
        }),
    });
    const { page } = alice;
    await alice.say("over");
    const refused = page.locator("#messages > .refused");
    await refused.getByText("a limit. Try again in 1 hour.").waitFor();
    await refused.getByRole("button", { name: "Send again" }).waitFor();
    await alice.say("held");
    await page.locator("#messages")
      .getByText("Cannot send: a limit. Trying again in 21 seconds.").waitFor();
    await page.locator("#messages > .waiting").getByText("held").waitFor();
    await page.locator("#disconnect").click();

    await page.locator("#entrance-form").waitFor(); // at once
  },
);
