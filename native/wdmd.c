/** See wdmd.h. */
#define _GNU_SOURCE
#include "wdmd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/** A daemon that takes longer than this over an answer is no use to anybody. */
#define ANSWER_SECONDS 3

#define CLIENT_NAME "bothy"

/** As wdmd.h of libsanlock-dev declares them: 0 or -errno. Before 3.9 there is no `open_watchdog`: wdmd opens it when it starts. */
static struct {
    int (*connect)(void);
    int (*register_as)(int connection, char *name);
    int (*open_watchdog)(int connection, int fire_seconds);
    int (*refcount_set)(int connection);
    int (*refcount_clear)(int connection);
    int (*test_live)(int connection, uint64_t renewal_time, uint64_t expire_time);
    int (*status)(int connection, int *test_interval, int *fire_timeout, uint64_t *last_keepalive);
} library;

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
    { "wdmd_connect", offsetof(typeof(library), connect) },
    { "wdmd_register", offsetof(typeof(library), register_as) },
    { "wdmd_open_watchdog", offsetof(typeof(library), open_watchdog) },
    { "wdmd_refcount_set", offsetof(typeof(library), refcount_set) },
    { "wdmd_refcount_clear", offsetof(typeof(library), refcount_clear) },
    { "wdmd_test_live", offsetof(typeof(library), test_live) },
    { "wdmd_status", offsetof(typeof(library), status) },
};

const char *wdmd_load(void)
{
    if (library.status) return NULL;
    void *handle = dlopen("libwdmd.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle) return dlerror();
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (!symbol && symbols[i].offset != offsetof(typeof(library), open_watchdog)) return dlerror(); /* `status` comes last, so this is tried again next time */
        memcpy((char *)&library + symbols[i].offset, &symbol, sizeof symbol);
    }
    return NULL;
}

/** The library waits for answers without end; the socket then does not. */
static void bound_waiting(int connection)
{
    struct timeval patience = { .tv_sec = ANSWER_SECONDS };

    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static int read_timing(int connection, struct wdmd_timing *timing)
{
    uint64_t last_keepalive = 0;

    timing->fire_seconds = 0;
    int failure = library.status(connection, &timing->test_seconds, &timing->fire_seconds, &last_keepalive);
    if (failure < 0) return failure == -EAGAIN ? -ETIMEDOUT : failure;
    return timing->fire_seconds > 0 ? 0 : -ECONNRESET; /* the library takes the end of the stream for an answer */
}

int wdmd_begin(int fire_seconds, struct wdmd_timing *timing)
{
    int connection = library.connect();
    if (connection < 0) return connection;
    bound_waiting(connection);
    int failure = library.register_as(connection, (char[]){ CLIENT_NAME });
    if (!failure && library.open_watchdog) failure = library.open_watchdog(connection, fire_seconds);
    if (failure == -1) failure = -ENODEV; /* the device does not take that time, or cannot be opened */
    if (!failure) failure = library.refcount_set(connection);
    if (!failure) failure = read_timing(connection, timing);
    if (!failure) return connection;
    close(connection);
    return failure;
}

int wdmd_resume(int connection, struct wdmd_timing *timing)
{
    bound_waiting(connection);
    int failure = read_timing(connection, timing);
    /* Closing one that only answers late would turn its promise into a reset. */
    if (failure && failure != -ETIMEDOUT) close(connection);
    return failure;
}

int wdmd_live(int connection, uint64_t now, uint64_t until)
{
    return library.test_live(connection, now, until);
}

int wdmd_end(int connection)
{
    int failure = library.test_live(connection, 0, 0);
    if (!failure) failure = library.refcount_clear(connection);
    close(connection);
    return failure;
}

/** One datagram in systemd's form (sd_notify(3)), with the descriptor beside it unless that is negative. */
static void notify(const char *path, const char *text, int descriptor)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, length);
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';

    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec content = { (void *)text, strlen(text) };
    struct msghdr message = { .msg_name = &address, .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length), .msg_iov = &content, .msg_iovlen = 1 };
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    int channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (channel < 0) return;
    sendmsg(channel, &message, MSG_NOSIGNAL);
    close(channel);
}

void keep_with_systemd(int descriptor)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (!path || !*path) return;
    notify(path, descriptor >= 0 ? "FDSTORE=1\nFDNAME=bothy-watchdog" : "FDSTOREREMOVE=1\nFDNAME=bothy-watchdog", descriptor);
}
