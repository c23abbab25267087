/*
 * What a load generator run finds out: a histogram of times, and what /proc
 * says about the server.
 *
 * The histogram has 32 buckets for each doubling, so a percentile is at most 3 %
 * over the true value, costs no sorting, and takes every single delivery.
 */
#ifndef LOAD_STATS_H
#define LOAD_STATS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load_spec.h"

enum { BUCKETS = 64 * 32 };

static struct {
  uint64_t bucket[BUCKETS], count, max_ns;
} histogram;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int bucket_of(uint64_t ns) {
  if (ns < 32) return (int)ns;
  int shift = 63 - __builtin_clzll(ns) - 5;
  return (shift + 1) * 32 + (int)((ns >> shift) & 31);
}

static void record_ns(uint64_t ns) {
  histogram.bucket[bucket_of(ns)]++;
  histogram.count++;
  if (ns > histogram.max_ns) histogram.max_ns = ns;
}

/* The time, in µs, that `share` of all deliveries did not exceed. */
static double percentile_us(double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram.count), seen = 0;
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram.bucket[i];
    if (seen <= wanted) continue;
    if (i < 32) return i / 1e3;
    return (double)((33 + (uint64_t)(i % 32)) << (i / 32 - 1)) / 1e3;
  }
  return (double)histogram.max_ns / 1e3;
}

static double own_cpu_s(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* User and system time of a process with all its threads; 0 if it is gone. */
static double process_cpu_s(long pid) {
  char path[64], line[1024] = "";
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  char *got = fgets(line, sizeof line, file);
  fclose(file);
  char *after = got ? strrchr(line, ')') : NULL; /* the name may hold anything */
  unsigned long user = 0, kernel = 0;
  if (!after) return 0;
  sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
         &kernel);
  return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* Memory that is the process's own, its share of shared pages included, in kB. */
static long process_pss_kb(long pid) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
  FILE *file = fopen(path, "r");
  long kb = 0;
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "Pss: %ld kB", &kb) == 1) break;
  }
  fclose(file);
  return kb;
}

static double all_cpu_s(const struct list *pids) {
  double all = 0;
  for (int i = 0; i < pids->count; i++) all += process_cpu_s(pids->at[i]);
  return all;
}

/* Of all servers together, and so is what follows. */
static double server_cpu_s(void) { return all_cpu_s(&spec.pids); }

static long server_pss_kb(void) {
  long all = 0;
  for (int i = 0; i < spec.pids.count; i++) all += process_pss_kb(spec.pids.at[i]);
  return all;
}

#endif
