#!/usr/bin/env bash
# @nats-io/transport-node 3.4.0, the client of NATS for Node.js and Deno.
#
# Expected: a client connects with TLS to tls://127.0.0.1 when the certificate of the
# server names that address (RFC 9525: an address is compared with the IP-IDs of the
# certificate). node:tls alone accepts the same certificate for the same address.
# Behaviour: it compares the certificate with "localhost", which it never was told,
# and refuses. So servers of NATS with TLS can be reached by host names alone.
# Cause: the client passes no server name for an address, and upgrades a socket that
# is connected already; then node:tls knows no host, and takes "localhost".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
  -keyout key.pem -out cert.pem -subj "/CN=nats" \
  -addext "subjectAltName=IP:127.0.0.1" 2>/dev/null

cat >try.cjs <<'JS'
const { readFileSync } = require("node:fs");
const net = require("node:net");
const tls = require("node:tls");
const { connect } = require("@nats-io/transport-node");

const [key, cert] = ["key.pem", "cert.pem"].map((file) => readFileSync(file));

/** As much of a server of NATS as a connection needs: INFO, TLS, PONG. */
const server = net.createServer((socket) => {
  socket.on("error", () => {});
  const { port } = server.address();
  const info = { server_id: "A", version: "2.15.1", proto: 1, headers: true };
  const more = { max_payload: 1048576, host: "127.0.0.1", port, tls_required: true };
  socket.write(`INFO ${JSON.stringify({ ...info, ...more })}\r\n`);
  const secure = new tls.TLSSocket(socket, { isServer: true, key, cert });
  secure.on("error", () => {});
  secure.on("data", (data) => {
    if (String(data).includes("PING\r\n")) secure.write("PONG\r\n");
  });
});

/** Whether node:tls accepts the certificate for the address. */
function byTlsAlone() {
  const plain = tls.createServer({ key, cert }).listen(0, "127.0.0.1");
  return new Promise((resolve) =>
    plain.once("listening", () => {
      const { port } = plain.address();
      const client = tls.connect({ host: "127.0.0.1", port, ca: cert });
      client.once("secureConnect", () => resolve("accepts"));
      client.once("error", ({ message }) => resolve(message));
    })
  );
}

async function byNats() {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const servers = `tls://127.0.0.1:${server.address().port}`;
  const options = { servers, tls: { ca: String(cert) }, reconnect: false };
  const connection = await connect(options).catch((error) => error);
  if (!(connection instanceof Error)) return "accepts";
  const { message, cause } = connection;
  return cause?.message ?? message;
}

(async () => {
  console.log(`node:tls: ${await byTlsAlone()}`);
  console.log(`@nats-io/transport-node: ${await byNats()}`);
  process.exit();
})();
JS

# Seen with Node.js 20.20.2:
#   node:tls: accepts
#   @nats-io/transport-node: Hostname/IP does not match certificate's altnames:
#   Host: localhost. is not cert's CN: nats
output=$(node try.cjs)
echo "$output"
grep -qx "node:tls: accepts" <<<"$output"
grep -q "^@nats-io/transport-node: .*Host: localhost\. is not cert's CN: nats" <<<"$output"
