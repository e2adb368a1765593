// A peer without a runtime, which shows what the sockets themselves allow. Linux only.
//   floor [--poll=MICROSECONDS] server|client WORKLOAD ADDRESS PATTERN_FILE SIZE SLICES BACKLOG COUNT SECONDS
// With --poll, reads of echo and ping poll for so long before they sleep, as udsock's engine does: a read, and a yield.
// COUNT of 0 measures SECONDS after a warm-up of a tenth of that. The runner speaks newline-delimited JSON on the
// descriptor NODE_CHANNEL_FD, as it does with Node.js; the client's result goes to stdout.
#ifndef FLOOR_H
#define FLOOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

enum { CHUNK = 65536 };

struct spec {
  const char *workload;
  struct sockaddr_un address;
  char *pattern;
  size_t size;
  size_t slices;
  int backlog;
  long count;
  double seconds;
};

// What announces a bulk transfer: how many bytes, and that one read in `every` is compared with the pattern.
struct header {
  uint64_t bytes;
  uint64_t every;
};

// Where in the pattern, which repeats itself, the next byte is.
struct position {
  size_t offset;
  uint64_t reads;
  uint64_t every;
};

int serve(const struct spec *spec);
int ask(const struct spec *spec);

// Messages and descriptors: datagrams, records of SOCK_SEQPACKET, and a descriptor with each slice on a stream.
int bound_datagram(const struct sockaddr_un *address);
_Noreturn void serve_datagrams(const struct spec *spec, int fd);
void serve_packets(const struct spec *spec, int fd);
void serve_descriptors(const struct spec *spec, int fd);
// Sends `count` datagrams one way, until the server has all of them.
void send_datagrams(const struct spec *spec, int fd, size_t *next, size_t count, uint64_t every);
// Sends `count` messages one way, each with `descriptor`, until the server has all of them.
void send_descriptors(const struct spec *spec, int fd, size_t *next, size_t count, uint64_t every, int descriptor);
// Sends `count` messages and receives them back, many of them under way at once.
void pipeline_messages(const struct spec *spec, int fd, struct position *position, size_t *next, size_t count);

// Ends the process, saying what failed and why.
_Noreturn void fail(const char *what);
_Noreturn void wrong(const char *what);

void write_all(int fd, const void *data, size_t length);
// As read(), after polling for the time that --poll gives.
ssize_t read_polling(int fd, void *data, size_t length);
// False at the end of the stream.
int read_all(int fd, void *data, size_t length);
// Ends the process unless what arrived is what the pattern has there.
void check(const struct spec *spec, struct position *position, const char *data, size_t length);

void tell(const char *message);
// The next line of the channel; the process ends with the channel.
const char *order(void);
// User and system time of the process, in microseconds.
double processor_time(void);

#endif
