/** libwdmd and the place where systemd keeps its connection, each call with the errno of its failure. */
#pragma once
#include <stdint.h>

/** What a daemon that answers tells of itself. */
struct wdmd_timing {
    int fire_seconds;
    int test_seconds;
};

/** Loads the library once. NULL or why that failed, a static text or the loader's own. */
const char *wdmd_load(void);

/** A registered connection with the device open. Returns the descriptor or -errno. */
int wdmd_begin(int fire_seconds, struct wdmd_timing *timing);

/** Is the connection still good, such as one from an earlier life? Returns 0 or -errno; closes it unless that is -ETIMEDOUT. */
int wdmd_resume(int connection, struct wdmd_timing *timing);

/** Returns 0 or -errno. */
int wdmd_live(int connection, uint64_t now, uint64_t until);

/** Takes every promise back and closes. Returns 0 or -errno; it is closed in any case. */
int wdmd_end(int connection);

/** Hands a copy of the descriptor to systemd, or -1 to let go of what it has. Does nothing where systemd does not run us. */
void keep_with_systemd(int descriptor);
