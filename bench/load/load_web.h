/*
 * The client's side of WebSocket (RFC 6455): asking for it, putting bytes into
 * messages, and taking them out of the server's, wherever a read cuts a frame.
 * Where a message begins and ends means nothing to Parley, and so nothing here.
 */
#ifndef LOAD_WEB_H
#define LOAD_WEB_H

#include "load_conn.h"

enum {
  BINARY = 2,
  CLOSE = 8,
  PING = 9,
  PONG = 10,
  CONTROL = 8, /* the bit that these three have */
  FINAL = 0x80, /* no further frame of this message */
  MASKED = 0x80,
  MASK_BYTES = 4,
  HEAD_BYTES = 4 + MASK_BYTES, /* of a frame of ours, at most */
  MESSAGE_BYTES = 65535, /* Parley takes one more */
  FRAMED_BYTES = BATCH_BYTES + (BATCH_BYTES / MESSAGE_BYTES + 1) * HEAD_BYTES,
};

/* The key of RFC 6455, and what the server has to make of it. */
#define WEB_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEB_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static char framed[FRAMED_BYTES];

static void ask_for_websocket(struct conn *c) {
  char request[256];
  int length = snprintf(request, sizeof request,
                        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n"
                        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " WEB_KEY "\r\n\r\n",
                        port_of(c));
  queue_out(c, request, (size_t)length);
}

/* Whether the answer is there. What comes after it stays in the socket. */
static int is_websocket(struct conn *c) {
  ssize_t count = recv(c->fd, buffer, READ_BYTES, MSG_PEEK);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) lost(c, count ? strerror(errno) : "end");
  char *end = memmem(buffer, (size_t)count, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t length = (size_t)(end - buffer) + 4;
  if (!memmem(buffer, length, WEB_ACCEPT, strlen(WEB_ACCEPT)))
    fail("the server opened no WebSocket: %.*s", (int)strcspn(buffer, "\r"), buffer);
  recv(c->fd, buffer, length, 0);
  return 1;
}

/* A mask of zeros is a mask too, and leaves the bytes as they are. */
static size_t put_frame(char *out, int opcode, const char *bytes, size_t length) {
  char *at = out;
  *at++ = (char)(FINAL | opcode);
  *at++ = (char)(MASKED | (length < 126 ? length : 126));
  if (length >= 126) {
    *at++ = (char)(length >> 8);
    *at++ = (char)length;
  }
  memset(at, 0, MASK_BYTES);
  memcpy(at + MASK_BYTES, bytes, length);
  return (size_t)(at - out) + MASK_BYTES + length;
}

/* What is written at once is one message, or as few as can be. */
static void write_framed(struct conn *c, const char *bytes, size_t length) {
  char *out = framed;
  while (length) {
    size_t part = length < MESSAGE_BYTES ? length : MESSAGE_BYTES;
    out += put_frame(out, BINARY, bytes, part);
    bytes += part;
    length -= part;
  }
  queue_out(c, framed, (size_t)(out - framed));
}

/* How long the head is, by as much of it as there is. */
static size_t head_length(const struct frames *f) {
  int length = f->head_bytes < 2 ? 0 : f->head[1] & ~MASKED;
  return length < 126 ? 2 : length == 126 ? 4 : 10;
}

static void end_frame(struct conn *c) {
  struct frames *f = &c->frames;
  int opcode = f->head[0] & 15;
  if (opcode == CLOSE) lost(c, "Close");
  if (opcode == PING) {
    char pong[HEAD_BYTES + sizeof f->control];
    queue_out(c, pong, put_frame(pong, PONG, f->control, f->control_bytes));
  }
  f->head_bytes = f->control_bytes = 0;
}

static void begin_frame(struct conn *c) {
  struct frames *f = &c->frames;
  f->left = f->head_bytes == 2 ? f->head[1] : 0;
  for (size_t i = 2; i < f->head_bytes; i++) f->left = f->left << 8 | f->head[i];
  int reserved = f->head[0] & 0x70, masked = f->head[1] & MASKED;
  if (reserved || masked || ((f->head[0] & CONTROL) && f->left > sizeof f->control))
    fail("connection %ld got a frame that is none: %02x %02x", (long)(c - conns),
         f->head[0], f->head[1]);
  if (!f->left) end_frame(c);
}

/* Moves the payloads together to the front; says how many bytes they are. */
static size_t unframe(struct conn *c, char *bytes, size_t count) {
  struct frames *f = &c->frames;
  char *out = bytes;
  for (char *at = bytes, *end = bytes + count; at < end;) {
    if (!f->left) {
      f->head[f->head_bytes++] = (unsigned char)*at++;
      if (f->head_bytes == head_length(f)) begin_frame(c);
      continue;
    }
    size_t part = (size_t)(end - at) < f->left ? (size_t)(end - at) : f->left;
    if (f->head[0] & CONTROL) {
      memcpy(f->control + f->control_bytes, at, part);
      f->control_bytes += part;
    } else {
      memmove(out, at, part);
      out += part;
    }
    at += part;
    f->left -= part;
    if (!f->left) end_frame(c);
  }
  return (size_t)(out - bytes);
}

static size_t read_unframed(struct conn *c, char *into) {
  return unframe(c, into, take_in(c, into, READ_BYTES));
}

#endif
