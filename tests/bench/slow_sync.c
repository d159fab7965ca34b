/* A disk whose fsync takes SLOW_SYNC_US microseconds more, as one of a cloud does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int after_a_while(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *wait = getenv("SLOW_SYNC_US");
    if (wait != NULL)
        usleep((useconds_t)atoi(wait));
    return real(fd);
}

int fsync(int fd) { return after_a_while("fsync", fd); }

int fdatasync(int fd) { return after_a_while("fdatasync", fd); }
