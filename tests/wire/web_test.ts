/**
 * What the server answers, once more, to peers that come over WebSockets: the
 * tests of the wire, with another wire.
 */
import { useWebSockets } from "../tools/net/test_server.ts";

useWebSockets();

await import("./accounts_test.ts");
await import("./away_test.ts");
await import("./bans_test.ts");
await import("./limits/hostile_test.ts");
await import("./limits/limits_test.ts");
await import("./login_test.ts");
await import("./register_test.ts");
await import("./resume_test.ts");
await import("./rooms_test.ts");
await import("./send_test.ts");
await import("./shutdown_test.ts");
await import("./limits/silence_test.ts");
