/*
 * What a load generator run is told: numbers and the bytes of one protocol.
 *
 * The bench writes a specification to standard input, one `key value` on a line,
 * with \n, \r and \\ in the values. The generator knows no protocol: it replaces
 * {name} and {room} in these texts, sends them, and looks for the answers.
 */
#ifndef LOAD_SPEC_H
#define LOAD_SPEC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
  char *at;
  size_t length;
};

/* Numbers of a key that stands on several lines. */
enum { LIST = 16 };
struct list {
  long at[LIST];
  int count;
};

static struct {
  /* Of the servers that are one chat; member i of a room connects to port i, in turn. */
  struct list ports, pids;
  struct list beside; /* processes that those need, and whose time is apart */
  long rooms, members, senders; /* members and senders are those of one room */
  long body_bytes;
  long window, window_bytes; /* how far a sender may be ahead of a receiver */
  long rate;                 /* messages a second; 0 is as fast as they are taken */
  long connect_limit_ms; /* 0: wait for all, however long it takes */
  long settle_ms, warm_ms, measure_ms, limit_s;
  long at_once;    /* how many may be between connecting and being ready */
  long join_apart; /* join when all have registered, all at the same time */
  struct text transport; /* what carries the bytes; see load_transport.h */
  struct text hello, welcome, join, joined, send, ping, pong, refusal;
} spec;

static const struct {
  const char *key;
  long *number;
  struct text *text;
  struct list *list;
} SPEC_KEYS[] = {
    {"port", NULL, NULL, &spec.ports},
    {"pid", NULL, NULL, &spec.pids},
    {"beside", NULL, NULL, &spec.beside},
    {"rooms", &spec.rooms, NULL, NULL},
    {"members", &spec.members, NULL, NULL},
    {"senders", &spec.senders, NULL, NULL},
    {"body_bytes", &spec.body_bytes, NULL, NULL},
    {"window", &spec.window, NULL, NULL},
    {"window_bytes", &spec.window_bytes, NULL, NULL},
    {"rate", &spec.rate, NULL, NULL},
    {"connect_limit_ms", &spec.connect_limit_ms, NULL, NULL},
    {"settle_ms", &spec.settle_ms, NULL, NULL},
    {"warm_ms", &spec.warm_ms, NULL, NULL},
    {"measure_ms", &spec.measure_ms, NULL, NULL},
    {"limit_s", &spec.limit_s, NULL, NULL},
    {"at_once", &spec.at_once, NULL, NULL},
    {"join_apart", &spec.join_apart, NULL, NULL},
    {"transport", NULL, &spec.transport, NULL},
    {"hello", NULL, &spec.hello, NULL},
    {"welcome", NULL, &spec.welcome, NULL},
    {"join", NULL, &spec.join, NULL},
    {"joined", NULL, &spec.joined, NULL},
    {"send", NULL, &spec.send, NULL},
    {"ping", NULL, &spec.ping, NULL},
    {"pong", NULL, &spec.pong, NULL},
    {"refusal", NULL, &spec.refusal, NULL},
};

/* Replaces \n, \r and \\ by what they mean. */
static struct text unescape(const char *line) {
  struct text text = {malloc(strlen(line) + 1), 0};
  for (; *line; line++) {
    char byte = *line;
    if (byte == '\\' && line[1]) {
      line++;
      byte = *line == 'n' ? '\n' : *line == 'r' ? '\r' : *line;
    }
    text.at[text.length++] = byte;
  }
  text.at[text.length] = 0;
  return text;
}

static void add(struct list *list, long number) {
  if (list->count == LIST) {
    fprintf(stderr, "load: more than %d of one key\n", LIST);
    exit(2);
  }
  list->at[list->count++] = number;
}

static void set_key(const char *key, const char *value) {
  for (size_t i = 0; i < sizeof SPEC_KEYS / sizeof *SPEC_KEYS; i++) {
    if (strcmp(SPEC_KEYS[i].key, key)) continue;
    if (SPEC_KEYS[i].list) add(SPEC_KEYS[i].list, atol(value));
    else if (SPEC_KEYS[i].number) *SPEC_KEYS[i].number = atol(value);
    else *SPEC_KEYS[i].text = unescape(value);
    return;
  }
  fprintf(stderr, "load: unknown key \"%s\"\n", key);
  exit(2);
}

static void read_spec(void) {
  static char line[65536];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    char *value = strchr(line, ' ');
    if (!value) continue;
    *value++ = 0;
    set_key(line, value);
  }
}

/*
 * The name of a connection: five letters of an alphabet without i, l, o, m and w,
 * so that no two look alike to a server that minds, and all are of one length.
 */
static void write_name(char out[6], long number) {
  static const char LETTERS[] = "abcdefghjknpqrstuvxyz";
  out[0] = 'u';
  for (int i = 4; i > 0; i--, number /= 21) out[i] = LETTERS[number % 21];
  out[5] = 0;
}

/* `text` with {name} and {room} filled in; the caller frees it. */
static struct text fill_in(struct text text, long number, long room) {
  char name[6], digits[24];
  write_name(name, number);
  snprintf(digits, sizeof digits, "%04ld", room);
  struct text out = {malloc(text.length + 64), 0};
  for (const char *p = text.at, *end = p + text.length; p < end;) {
    const char *word = !strncmp(p, "{name}", 6) ? name
                       : !strncmp(p, "{room}", 6) ? digits : NULL;
    size_t length = word ? strlen(word) : 1;
    memcpy(out.at + out.length, word ? word : p, length);
    out.length += length;
    p += word ? 6 : 1;
  }
  return out;
}

#endif
