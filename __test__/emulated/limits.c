/*
 * What an emulator does not do that the kernel does: a line for each, with the error. Linux without an emulator prints nothing
 * from 6.16 on. Compiled and run by scripts/emulated.js.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FCHMODAT2 = 452, PASSRIGHTS = 83 };

static void report(const char *what, int error) {
  if (error != 0) printf("%s: %s\n", what, strerror(error));
}

static int refuse_rights(void) {
  int pair[2], off = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return errno;
  return setsockopt(pair[0], SOL_SOCKET, PASSRIGHTS, &off, sizeof off) == 0 ? 0 : errno;
}

/* There is no such descriptor; a kernel that knows the call says so. */
static int change_mode(void) {
  syscall(FCHMODAT2, -1, "file", 0600, 0);
  return errno == EBADF ? 0 : errno;
}

static int start_itself(char *program) {
  int status;
  if (fork() == 0) {
    execl(program, program, "child", (char *)NULL);
    _exit(errno);
  }
  wait(&status);
  return WEXITSTATUS(status);
}

int main(int count, char **arguments) {
  if (count > 1) return 0;
  report("refusing descriptors (SO_PASSRIGHTS)", refuse_rights());
  report("changing the mode of a file by its descriptor (fchmodat2)", change_mode());
  report("starting a program for the emulated processor (execve)", start_itself(arguments[0]));
  return 0;
}
