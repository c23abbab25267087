/**
 * The small server of examples/: the tests of the wire, for what it can do. A
 * test of what it cannot do is a `fullServerTest`.
 */
import { useSmallServer } from "../tools/net/test_server.ts";

useSmallServer();

await import("./limits/hostile_test.ts");
await import("./limits/limits_test.ts");
await import("./names_test.ts");
await import("./register_test.ts");
await import("./rooms_test.ts");
await import("./send_test.ts");
await import("./shutdown_test.ts");
