/* The same as early.py: see there. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char message[] = "\0\0\0\x1fsorry, too many clients already";

static void answer_all(int connection, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(connection, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void refuse(int connection) { answer_all(connection, message, sizeof message - 1); }

static void first(int connection) {
    char bytes[10];
    if (read(connection, bytes, sizeof bytes) > 0) refuse(connection);
}

static void http(int connection) {
    char head[8192] = "", answer[256];
    size_t length = 0;
    int status = 500;
    while (strstr(head, "\r\n\r\n") == NULL) {
        ssize_t got = read(connection, head + length, sizeof head - 1 - length);
        if (got <= 0) return;
        length += (size_t)got;
        head[length] = '\0';
    }
    sscanf(head, "%*s /%d", &status);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 %d Refused\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused", status);
    answer_all(connection, answer, (size_t)size);
}

struct server {
    const char *name;
    void (*answer)(int);
    int listener;
};

static void *loop(void *argument) {
    struct server *server = argument;
    for (;;) {
        int connection = accept(server->listener, NULL, NULL);
        if (connection < 0) continue;
        server->answer(connection);
        close(connection);
    }
}

int main(int count, char **arguments) {
    static struct server servers[] = {{"refuse", refuse, -1}, {"first", first, -1}, {"http", http, -1}};
    if (count < 2) return 2;
    for (size_t index = 0; index < sizeof servers / sizeof *servers; index++) {
        struct server *server = &servers[index];
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", arguments[1], server->name);
        server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
        pthread_t thread;
        if (bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
            listen(server->listener, 511) != 0 || pthread_create(&thread, NULL, loop, server) != 0) {
            perror(server->name);
            return 1;
        }
    }
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) continue;
    return 0;
}
