/**
 * The page of `client.ts --gui`, and other users of the same computer, who serve
 * pages on other ports and see the cookies that browsers send there.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { pageTest, Person } from "../tools/browser.ts";
import { quietServer } from "../tools/client_tools.ts";
import {
  openAddress,
  openPageSocket,
  servePage,
} from "../tools/page_player.ts";
import { within } from "../tools/net/within.ts";
import { fileBrowser } from "./scene.ts";

const browser = fileBrowser();

/** A page of another user on this computer, and the cookies that it gets. */
async function otherPage(): Promise<
  { url: string; cookies: string[] } & Disposable
> {
  const cookies: string[] = [];
  const server = createServer(({ headers }, response) => {
    cookies.push(headers.cookie ?? "");
    response.setHeader("Content-Type", "text/html");
    response.end("<title>Another page</title>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it is on a port
  return {
    url: `http://127.0.0.1:${port}/`,
    cookies,
    [Symbol.dispose]: () => void server.close().closeAllConnections(),
  };
}

/** Whether a WebSocket opens; if not, with which status it is refused. */
async function opens(socket: WebSocket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.onopen = () => resolve("open");
  socket.onerror = (event) =>
    resolve("message" in event ? `${event.message}` : "refused");
  const answer = await within(promise, () => "an answer");
  socket.close();
  return answer;
}

/** Fills in the form, and joins. */
async function join(person: Person, port: number): Promise<void> {
  const { page } = person;
  await page.getByRole("textbox", { name: "Server" }).fill("127.0.0.1");
  await page.getByRole("textbox", { name: "Port" }).fill(`${port}`);
  await person.comeIn("alice");
}

pageTest(
  "a page on another port gets the cookie, and nothing by it",
  async () => {
    await using server = quietServer();
    await using local = servePage();
    using other = await otherPage();
    await using alice = await Person.open(browser(), local.address);
    await join(alice, server.port);

    await alice.page.goto(other.url);
    const cookie = other.cookies.find(Boolean) ?? "";
    const scripted = await alice.page.evaluate(`new Promise((resolve) => {
    const socket = new WebSocket("${
      new URL("/ws?server=x&port=1", local.address).href.replace("http", "ws")
    }");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
  })`);
    const stolen = { cookie, word: "" };
    const path = `/ws?server=127.0.0.1&port=${server.port}`;
    const relay = await opens(openPageSocket(local, path, stolen));
    const files = await opens(openPageSocket(local, "/files?name=x", stolen));
    const words = await fetch(local.address, {
      headers: { Cookie: cookie },
      redirect: "manual",
    });
    await words.body?.cancel();
    await alice.page.goBack();
    await alice.page.getByRole("heading", { name: "#default" }).waitFor();

    assertMatch(cookie, /^parley-\d+=/, "Chromium sends it to every port");
    assertEquals(scripted, "refused");
    assertMatch(relay, /403/);
    assertMatch(files, /403/);
    assertEquals(words.headers.get("Location"), "/");
  },
);

pageTest(
  "a page of --gui goes on after a reload and in a second tab",
  async () => {
    await using server = quietServer();
    await using local = servePage();
    await using alice = await Person.open(browser(), local.address);
    await join(alice, server.port);
    const { page } = alice;

    const address = page.url();
    await page.reload();
    await page.getByRole("heading", { name: "#default" }).waitFor();
    await alice.say("after the reload");
    await alice.allSent();
    const second = await page.context().newPage();
    await second.goto(address);
    await second.getByRole("textbox", { name: "Port" }).fill(`${server.port}`);
    await second.getByRole("textbox", { name: "Name" }).fill("alice2");
    await second.getByRole("button", { name: "Join", exact: true }).click();
    await second.getByRole("heading", { name: "#default" }).waitFor();

    assertEquals(address, new URL("/", local.address).href);
    assertEquals(alice.complaints, []);
  },
);

pageTest("a link with other words harms no tab of a page", async () => {
  await using server = quietServer();
  await using local = servePage();
  await using alice = await Person.open(browser(), local.address);
  await join(alice, server.port);
  const { page } = alice;

  const lured = await page.context().newPage();
  await lured.goto(`${page.url()}#${"a".repeat(64)}`);
  await lured.getByRole("textbox", { name: "Server" }).fill("127.0.0.1");
  await lured.getByRole("textbox", { name: "Port" }).fill(`${server.port}`);
  await lured.getByRole("textbox", { name: "Name" }).fill("alice2");
  await lured.getByRole("button", { name: "Join", exact: true }).click();
  await lured.getByText("Cannot reach the program of this page").waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "#default" }).waitFor();
  await alice.say("after the reload");
  await alice.allSent();

  assertEquals(alice.complaints, []);
});

pageTest("another program on the port of a page is told nothing", async () => {
  await using server = quietServer();
  const local = servePage();
  await using alice = await Person.open(browser(), local.address);
  await join(alice, server.port);
  await local[Symbol.asyncDispose]();
  await alice.page.locator("#banner")
    .getByText(
      "Cannot reach the program of this page. Close the page, and start",
    )
    .waitFor();

  const heard: string[] = [];
  const port = Number(new URL(local.address).port);
  const options = { hostname: "127.0.0.1", port, onListen: () => {} };
  const impostor = Deno.serve(options, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => heard.push(`${data}`);
    socket.onopen = () => socket.send(new TextEncoder().encode("0".repeat(32)));
    return response;
  });
  await alice.click("Back to the start");
  await alice.click("Join");
  await alice.page.getByText("Another program has the port of this page")
    .waitFor();
  await impostor.shutdown();

  assertEquals(heard, []);
});

Deno.test("the words of a page are in no address of a command line", async () => {
  await using local = servePage();
  const { word, proof } = await openAddress(local);

  assertMatch(word + proof, /^[0-9a-f]{64}$/);
  assertEquals(local.address.includes(word), false);
  assertEquals(new URL(local.address).hash, "");
});
