#include "floor.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static FILE *channel;
static int channel_fd;
// Microseconds that a read polls for.
static double patience;

static double microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

void fail(const char *what) {
  fprintf(stderr, "Error: %s: %s\n", what, strerror(errno));
  exit(1);
}

void wrong(const char *what) {
  fprintf(stderr, "Error: %s\n", what);
  exit(1);
}

void write_all(int fd, const void *data, size_t length) {
  const char *next = data;
  while (length > 0) {
    ssize_t written = write(fd, next, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    next += written;
    length -= (size_t)written;
  }
}

ssize_t read_polling(int fd, void *data, size_t length) {
  if (patience > 0) {
    double end = microseconds() + patience;
    do {
      ssize_t received = recv(fd, data, length, MSG_DONTWAIT);
      if (received >= 0 || (errno != EAGAIN && errno != EINTR)) return received;
      sched_yield();
    } while (microseconds() < end);
  }
  return read(fd, data, length);
}

int read_all(int fd, void *data, size_t length) {
  char *next = data;
  while (length > 0) {
    ssize_t received = read(fd, next, length);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) fail("read");
    if (received == 0) return 0;
    next += received;
    length -= (size_t)received;
  }
  return 1;
}

void check(const struct spec *spec, struct position *position, const char *data, size_t length) {
  size_t whole = spec->size * spec->slices;
  int compared = position->reads++ % position->every == 0;
  while (length > 0) {
    size_t part = whole - position->offset < length ? whole - position->offset : length;
    if (compared && memcmp(data, spec->pattern + position->offset, part) != 0) wrong("wrong bytes arrived");
    position->offset = (position->offset + part) % whole;
    data += part;
    length -= part;
  }
}

void tell(const char *message) {
  write_all(channel_fd, message, strlen(message));
}

const char *order(void) {
  static char line[256];
  if (fgets(line, sizeof line, channel) == NULL) exit(1);
  return line;
}

double processor_time(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static char *contents(const char *file, size_t length) {
  char *data = malloc(length);
  FILE *stream = fopen(file, "rb");
  if (data == NULL || stream == NULL) fail(file);
  if (fread(data, 1, length, stream) != length) wrong("the pattern's file is too short");
  fclose(stream);
  return data;
}

int main(int argc, char **argv) {
  static const char poll[] = "--poll=";
  if (argc > 1 && strncmp(argv[1], poll, sizeof poll - 1) == 0) {
    patience = atof(argv[1] + sizeof poll - 1);
    argc--;
    argv++;
  }
  const char *number = getenv("NODE_CHANNEL_FD");
  if (argc != 10 || number == NULL) wrong("this is started by the benchmark");
  struct spec spec = {
      .workload = argv[2],
      .address = {.sun_family = AF_UNIX},
      .size = strtoul(argv[5], NULL, 10),
      .slices = strtoul(argv[6], NULL, 10),
      .backlog = atoi(argv[7]),
      .count = atol(argv[8]),
      .seconds = atof(argv[9]),
  };
  if (strlen(argv[3]) >= sizeof spec.address.sun_path) wrong("the address is too long");
  strcpy(spec.address.sun_path, argv[3]);
  if (spec.size > 0) spec.pattern = contents(argv[4], spec.size * spec.slices);
  channel_fd = atoi(number);
  channel = fdopen(channel_fd, "r");
  if (channel == NULL) fail("the process channel");
  signal(SIGPIPE, SIG_IGN);
  return strcmp(argv[1], "server") == 0 ? serve(&spec) : ask(&spec);
}
