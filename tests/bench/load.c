/* A load of SMTP sessions, one blocking thread each: as little work a message as can be.

   load PORT LOGIN MESSAGES SESSIONS REUSE TLS < message

   LOGIN is the argument of AUTH PLAIN. The message comes with CRLF line ends and without the
   final dot. Printed are the wall time in seconds and then, a line each, the microseconds from
   the final dot to the reply to it, with the reply when it was not a 250. */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SENDER "support@acme.example"
#define RECIPIENT "ann@example.net"
#define MOST_BYTES (4 << 20)

struct connection {
    int socket;
    SSL *tls;
    char read[8192];
    size_t begin, end;
};

static int port, reuse, with_tls;
static long messages;
static const char *login;
static char *content;
static size_t content_bytes;
static SSL_CTX *context;
static SSL_SESSION *ticket;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what, const char *reply)
{
    fprintf(stderr, "load: %s: %s\n", what, reply);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void send_all(struct connection *to, const char *bytes, size_t length)
{
    while (length > 0) {
        long sent = to->tls ? SSL_write(to->tls, bytes, (int)length)
                            : write(to->socket, bytes, length);
        if (sent <= 0)
            fail("cannot write", "the server closed the connection");
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Return the last line of a reply; it stays valid until the next one is read. */
static const char *read_reply(struct connection *from)
{
    for (;;) {
        char *line = from->read + from->begin;
        char *newline = memchr(line, '\n', from->end - from->begin);
        if (newline) {
            from->begin = (size_t)(newline + 1 - from->read);
            *newline = 0;
            if (newline - line >= 3 && line[3] != '-')
                return line;
            continue;
        }
        memmove(from->read, line, from->end - from->begin);
        from->end -= from->begin;
        from->begin = 0;
        size_t room = sizeof from->read - from->end;
        long got = from->tls ? SSL_read(from->tls, from->read + from->end, (int)room)
                             : read(from->socket, from->read + from->end, room);
        if (got <= 0)
            fail("cannot read", "the server closed the connection");
        from->end += (size_t)got;
    }
}

static void command(struct connection *on, const char *line, const char *code)
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s\r\n", line);
    send_all(on, text, (size_t)length);
    const char *reply = read_reply(on);
    if (strncmp(reply, code, 3))
        fail(line, reply);
}

static void start_tls(struct connection *on)
{
    command(on, "STARTTLS", "220");
    on->tls = SSL_new(context);
    SSL_set_fd(on->tls, on->socket);
    pthread_mutex_lock(&lock);
    if (ticket)
        SSL_set_session(on->tls, ticket);
    pthread_mutex_unlock(&lock);
    if (SSL_connect(on->tls) != 1)
        fail("STARTTLS", "the handshake failed");
    command(on, "EHLO bench.example", "250");
}

static struct connection *sign_in(void)
{
    struct connection *on = calloc(1, sizeof *on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    char line[512];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    on->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(on->socket, (struct sockaddr *)&address, sizeof address))
        fail("cannot connect", "nobody listens");
    setsockopt(on->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const char *greeting = read_reply(on);
    if (strncmp(greeting, "220", 3))
        fail("greeting", greeting);
    command(on, "EHLO bench.example", "250");
    if (with_tls)
        start_tls(on);
    snprintf(line, sizeof line, "AUTH PLAIN %s", login);
    command(on, line, "235");
    return on;
}

static void quit(struct connection *on)
{
    command(on, "QUIT", "221");
    if (on->tls) {
        pthread_mutex_lock(&lock);
        SSL_SESSION_free(ticket);
        ticket = SSL_get1_session(on->tls);
        pthread_mutex_unlock(&lock);
        SSL_free(on->tls);
    }
    close(on->socket);
    free(on);
}

static void *session(void *unused)
{
    struct connection *on = NULL;
    for (;;) {
        pthread_mutex_lock(&lock);
        long mine = messages--;
        pthread_mutex_unlock(&lock);
        if (mine <= 0)
            break;
        if (!on)
            on = sign_in();
        command(on, "MAIL FROM:<" SENDER ">", "250");
        command(on, "RCPT TO:<" RECIPIENT ">", "250");
        command(on, "DATA", "354");
        send_all(on, content, content_bytes);
        double begun = now();
        const char *reply = read_reply(on);
        double took = now() - begun;
        printf("%.0f %s\n", took * 1e6, strncmp(reply, "250", 3) ? reply : "");
        if (!reuse) {
            quit(on);
            on = NULL;
        }
    }
    if (on)
        quit(on);
    return unused;
}

int main(int count, char **words)
{
    if (count != 7)
        fail("usage", "load PORT LOGIN MESSAGES SESSIONS REUSE TLS < message");
    port = atoi(words[1]);
    login = words[2];
    messages = atol(words[3]);
    int sessions = atoi(words[4]);
    reuse = atoi(words[5]);
    with_tls = atoi(words[6]);
    content = malloc(MOST_BYTES + 3);
    content_bytes = fread(content, 1, MOST_BYTES, stdin);
    memcpy(content + content_bytes, ".\r\n", 3);
    content_bytes += 3;
    context = SSL_CTX_new(TLS_client_method()); /* certificates of both sides are not checked */
    pthread_t threads[sessions];
    double begun = now();
    for (int at = 0; at < sessions; at++)
        pthread_create(&threads[at], NULL, session, NULL);
    for (int at = 0; at < sessions; at++)
        pthread_join(threads[at], NULL);
    fprintf(stdout, "wall %f\n", now() - begun);
    return 0;
}
