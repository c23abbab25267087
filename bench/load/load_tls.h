/*
 * The client's side of TLS, by OpenSSL. It never touches a socket: what was read
 * is handed to it in `sealed`, and what it makes is queued like anything else
 * that is written, so it never has to wait for one either.
 *
 * Whose certificate it is does not matter: the bench has started the server.
 */
#ifndef LOAD_TLS_H
#define LOAD_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "load_conn.h"

enum {
  /* So that there is room for a record of which the rest came before. */
  SEALED_BYTES = READ_BYTES - SSL3_RT_MAX_PACKET_SIZE,
};

/* What was read of one connection, and is not decrypted yet. */
static struct {
  char bytes[SEALED_BYTES], *at, *end;
} sealed;

static SSL_CTX *tls;
static BIO_METHOD *filter;

static int take_sealed(BIO *bio, char *into, int length) {
  BIO_clear_retry_flags(bio);
  if (sealed.at == sealed.end) {
    BIO_set_retry_read(bio);
    return -1;
  }
  if (length > sealed.end - sealed.at) length = (int)(sealed.end - sealed.at);
  memcpy(into, sealed.at, (size_t)length);
  sealed.at += length;
  return length;
}

static int queue_sealed(BIO *bio, const char *bytes, int length) {
  queue_out(BIO_get_data(bio), bytes, (size_t)length);
  return length;
}

static long control_filter(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH; /* which is done; all else it cannot do */
}

static void prepare_tls(void) {
  tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
  filter = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "queue");
  BIO_meth_set_read(filter, take_sealed);
  BIO_meth_set_write(filter, queue_sealed);
  BIO_meth_set_ctrl(filter, control_filter);
}

static void fail_tls(struct conn *c) {
  const char *why = ERR_reason_error_string(ERR_peek_error());
  fail("TLS of connection %ld: %s", (long)(c - conns), why ? why : "no reason given");
}

/* Ends the run, unless `result` only says that more has to be read. */
static void check_read(struct conn *c, int result) {
  int error = SSL_get_error(c->ssl, result);
  /* After the last record the end of the connection says the rest. */
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN) fail_tls(c);
}

static void ask_for_tls(struct conn *c) {
  if (!tls) prepare_tls();
  BIO *bio = BIO_new(filter);
  BIO_set_data(bio, c);
  BIO_set_init(bio, 1);
  c->ssl = SSL_new(tls);
  SSL_set_bio(c->ssl, bio, bio);
  check_read(c, SSL_connect(c->ssl));
}

/* Decrypts all that one read brings, which goes on shaking hands too. */
static size_t read_unsealed(struct conn *c, char *into) {
  sealed.at = sealed.bytes;
  sealed.end = sealed.bytes + take_in(c, sealed.bytes, SEALED_BYTES);
  size_t got = 0;
  int part;
  while ((part = SSL_read(c->ssl, into + got, (int)(READ_BYTES - got))) > 0)
    got += (size_t)part;
  check_read(c, part);
  return got;
}

static int is_tls(struct conn *c) {
  if (read_unsealed(c, buffer)) fail("the server spoke before anybody else");
  return SSL_is_init_finished(c->ssl);
}

static void write_sealed(struct conn *c, const char *bytes, size_t length) {
  if (SSL_write(c->ssl, bytes, (int)length) != (int)length) fail_tls(c);
}

#endif
