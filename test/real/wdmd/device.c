/**
 * A watchdog device for wdmd on a machine whose kernel has none: loaded into wdmd before the C library, it answers the requests of
 * linux/watchdog.h on a plain file. It counts nothing down; what wdmd does with it is seen by the file and by what wdmd says.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int seconds = 60;

static int is_device(int descriptor)
{
    char link[64], path[512];

    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    return strstr(path, "/pretended-watchdog") != NULL;
}

int ioctl(int descriptor, unsigned long request, ...)
{
    static int (*original)(int, unsigned long, ...);
    va_list arguments;

    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!original) original = dlsym(RTLD_NEXT, "ioctl");
    if (!is_device(descriptor)) return original(descriptor, request, argument);
    if (request == WDIOC_GETTIMEOUT) *(int *)argument = seconds;
    if (request == WDIOC_SETTIMEOUT) seconds = *(int *)argument;
    if (request == WDIOC_GETSUPPORT) memset(argument, 0, sizeof(struct watchdog_info));
    return 0;
}
